"""Every key of Copilot's manifests has an answer, and the importer gives it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.exhaustive import one_of_each
from nova_infra.config import parse_config
from nova_infra.scaffold.copilot.answers import TYPES, ManifestKey, answer, answers
from nova_infra.scaffold.copilot.project import import_copilot

ROOT = Path(__file__).parents[4]


def groups_others(key: ManifestKey) -> bool:
    """Whether a key only holds other keys."""
    return "answered by its own row" in key.sentence


# What a manifest of each type has to say at least.
LEAST: dict[str, dict[str, Any]] = {
    "L": {"image": {"build": "./it/Dockerfile", "port": 8081}, "http": {"path": "it"}},
    "B": {"image": {"build": "./it/Dockerfile", "port": 8081}},
    "R": {"image": {"build": "./it/Dockerfile", "port": 8081}},
    "W": {"image": {"build": "./it/Dockerfile"}},
    "J": {"image": {"build": "./it/Dockerfile"}, "on": {"schedule": "@daily"}},
    "S": {},
    "E": {},
    "P": {"stages": [{"name": "prod"}], "source": {"provider": "GitHub"}},
}

# A value for each key that does not take any text.
VALUES: dict[str, Any] = {
    "cpu": 512, "memory": 1024, "platform": "linux/arm64", "platform.architecture": "arm64", "exec": True, "count": 3,
    "count.range": "2-7", "image.port": 8085, "http.target_port": 8085, "http.redirect_to_https": False,
    "http.version": "http2", "http.private": True, "on.schedule": "@hourly", "logging.retention": 60,
    "command": "run it", "image.healthcheck.command": ["CMD", "check"], "storage.readonly_fs": False, "storage": {},
    "network.connect": True,
    "deployment.rolling": "recreate", "network.vpc.cidr": "10.7.0.0/16", "image.build.dockerfile": "./it/Dockerfile",
    "network.vpc.subnets.public[].az": "eu-west-1c", "observability.container_insights": False, "timeout": "90s",
    "stages[].requires_approval": True, "stages[].name": "prod", "sidecars.*.command": "run it", "version": 1,
    "sidecars.*.essential": False, "source.provider": "CodeCommit", "deployment.rollback_alarms.memory_utilization": 77,
    "source.properties.repository": "https://github.com/acme/shop", "http.alias": "it.example.com", "files": "a",
    "subscribe.queue.fifo": True,
    "subscribe.queue.timeout": "35s", "http.deregistration_delay": "45s", "subscribe.queue.dead_letter.tries": 4,
}  # fmt: skip

NEEDED = ("image", "command", "environment", "secrets", "sidecars")
"""Keys that the import names where it refuses their values: a configuration without them would still be valid."""

# Keys that only say something with others.
TOGETHER: dict[str, dict[str, Any]] = {
    "count.range.min": {"count": {"range": {"min": 2, "max": 7}}},
    "count.range.max": {"count": {"range": {"min": 2, "max": 7}}},
    "count.range.spot_from": {"count": {"range": {"min": 2, "max": 7, "spot_from": 3}}},
    "count.queue_delay.acceptable_latency": {
        "count": {"queue_delay": {"acceptable_latency": "10m", "msg_processing_time": "500ms"}}
    },
    "count.queue_delay.msg_processing_time": {
        "count": {"queue_delay": {"acceptable_latency": "10m", "msg_processing_time": "500ms"}}
    },
}
TOGETHER |= {
    "http.alias[].hosted_zone": {
        "http": {"path": "it", "alias": [{"name": "it.example.com", "hosted_zone": "Z0123456789"}]}
    },
    **{
        f"network.vpc.subnets.{place}[].az": {
            "network": {"vpc": {"subnets": {place: [{"az": "eu-west-1c"}, {"az": "eu-west-1a"}]}}}
        }
        for place in ("public", "private")
    },
    "http.additional_rules[].alias[].hosted_zone": {
        "http": {
            "path": "it",
            "additional_rules": [{"path": "b", "alias": [{"name": "it.example.com", "hosted_zone": "Z0123456789"}]}],
        }
    },
}
for which in ("in", "out"):
    TOGETHER[f"count.queue_delay.cooldown.{which}"] = {
        "count": {
            "queue_delay": {"acceptable_latency": "10m", "msg_processing_time": "500ms", "cooldown": {which: "9s"}}
        }
    }

# Keys that hold others only, and say nothing by themselves.
MAPS = {
    "environments", "environments.*", "image.build.args", "count.queue_delay", "http.additional_rules", "stages",
    "http.additional_rules[]", "variables", "sidecars.*.variables", "sidecars.*.secrets", "type", "count.cooldown",
    "http.additional_rules[].alias[]", "network.vpc.subnets.public[]", "network.vpc.subnets.private[]",
    "http.alias[]", "stages[]", "network.vpc.subnets.public", "network.vpc.subnets.private",
}  # fmt: skip
DURATIONS = ("interval", "timeout", "start_period", "grace_period")
NUMBERS = ("spot", "value", "requests", "cpu_percentage")


def sample(key: ManifestKey) -> Any:
    if key.key in VALUES:
        return VALUES[key.key]
    last = key.path[-1]
    return "30s" if last in DURATIONS else 55 if last in NUMBERS else "text"


def manifest(key: ManifestKey, letter: str) -> dict[str, Any]:
    """The least that a manifest says, and one key more."""
    data: dict[str, Any] = yaml.safe_load(yaml.safe_dump({"name": "it", "type": TYPES[letter], **LEAST[letter]}))
    if key.key in TOGETHER:
        return {**data, **TOGETHER[key.key]}
    added: Any = sample(key)
    for part in reversed(key.path):
        added = [added] if part == "[]" else {part.replace("*", "some"): added}
    data = _merged(data, added)
    http = data.get("http")
    rules = http.get("additional_rules") if isinstance(http, dict) else None
    for rule in rules if isinstance(rules, list) else []:
        if isinstance(rule, dict):
            rule.setdefault("path", "more")
    sidecars = data.get("sidecars")
    for sidecar in sidecars.values() if isinstance(sidecars, dict) else []:
        if isinstance(sidecar, dict):
            image = sidecar.setdefault("image", "public.ecr.aws/acme/collector:1.2")
            if isinstance(image, dict) and "build" not in image:
                image.setdefault("location", "public.ecr.aws/acme/collector:1.2")
    return data


def imported(directory: Path, key: ManifestKey, letter: str) -> str:
    copilot = directory / "copilot"
    for place, least in (("it", "W"), ("environments/prod", "E"), ("pipelines/main", "P")):
        path = copilot / place / "manifest.yml"
        path.parent.mkdir(parents=True)
        if letter in {"E": "E", "P": "P"}.get(least, "LBRWJS"):
            data = manifest(key, letter)
        else:
            data = {"name": "other" if least == "W" else "prod", "type": TYPES[least], **LEAST[least]}
        path.write_text(yaml.safe_dump({**data, "name": "prod"} if least == "E" else data))
    if letter == "S":  # which is not a service, and there has to be one
        path = copilot / "other" / "manifest.yml"
        path.parent.mkdir()
        path.write_text(yaml.safe_dump({"name": "other", "type": TYPES["W"], **LEAST["W"]}))
    return import_copilot(directory).text


def says(text: str, sentence: str) -> bool:
    """Whether the comments of a text hold a sentence, however they are wrapped."""
    words = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#")).split()
    return " ".join(sentence.split()) in " ".join(words)


KEYS = [key for key in answers() if not groups_others(key) and key.key not in MAPS]


@pytest.mark.parametrize(
    "key",
    one_of_each(KEYS, kind=lambda key: (key.section, key.path[0], bool(key.nova))),
    ids=[f"{key.section}:{key.key}" for key in KEYS],
)
def test_the_importer_answers_every_key(key: ManifestKey, tmp_path: Path) -> None:
    letter = key.types[-1] if key.section in ("environment", "pipeline") else key.types[0]
    text = imported(tmp_path, key, letter)
    if letter == "S":
        assert says(text, "Static Site: Nova delivers containers")
    elif key.nova:
        name = key.nova.rpartition(".")[2]
        assert f"{name} = " in text or f"[services.{name}" in text or says(text, key.sentence)
    elif key.key not in ("type", "name", "version"):
        assert says(text, key.sentence) or key.path[-1] in text


@pytest.mark.parametrize("key", one_of_each(answers()), ids=[f"{key.section}:{key.key}" for key in answers()])
def test_every_key_says_something_about_each_of_its_types(key: ManifestKey) -> None:
    assert key.sentence.endswith(".")
    assert set(key.types) <= set(TYPES)
    assert key.nova or groups_others(key) or len(key.sentence) > 20
    for letter in key.types:
        assert answer(letter, tuple("[3]" if part == "[]" else part for part in key.path)) == key


def test_the_table_has_every_key_that_copilot_documents() -> None:
    assert len({(key.section, key.key) for key in answers()}) == len(answers()) >= 260


def test_keys_of_nova_toml_exist() -> None:
    schema = (ROOT / "docs" / "nova.schema.json").read_text()
    missing = {
        key.nova for key in answers() if key.nova and f'"{key.nova.rpartition(".")[2]}": {{' not in schema
    }  # fmt: skip
    assert missing == set()


def test_what_every_key_together_becomes_is_a_configuration(tmp_path: Path) -> None:
    for letter in TYPES:
        merged: dict[str, Any] = {}
        for key in KEYS:
            if letter in key.types and not key.key.startswith("http.alias["):
                merged = _merged(merged, manifest(key, letter))
        place = {"E": "environments/prod", "P": "pipelines/main"}.get(letter, f"service-{letter.lower()}")
        path = tmp_path / "copilot" / place / "manifest.yml"
        path.parent.mkdir(parents=True)
        name = "prod" if letter in "EP" else f"service-{letter.lower()}"
        if isinstance(merged.get("http"), dict) and letter in "LB":
            merged["http"]["path"] = name
            merged["http"].pop("additional_rules", None)
        path.write_text(yaml.safe_dump({**merged, "name": name}))
    found = import_copilot(tmp_path)
    assert all(line.split(": ")[1].partition(".")[2].split(".")[0].split("[")[0] in NEEDED for line in found.refused)
    config = parse_config(tomllib.loads(found.text))
    assert [service.name for service in config.services] == [
        "service-b",
        "service-j",
        "service-l",
        "service-r",
        "service-w",
    ]


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{key: _merged(one[key], value) if key in one else value for key, value in other.items()}}
    return other


@pytest.mark.parametrize(
    ("letter", "place", "key"),
    [
        ("L", ("taskdef_overrides", "[0]", "value", "HardLimit"), "taskdef_overrides[].value"),
        ("P", ("build", "additional_policy", "PolicyDocument", "Statement", "[0]", "Effect"), "PolicyDocument"),
        ("L", ("http", "nonsense"), None),
        ("L", ("cpu", "nonsense"), None),
        ("L", ("nonsense",), None),
    ],
)
def test_what_is_within_a_value_of_any_shape_has_that_values_answer(
    letter: str, place: tuple[str, ...], key: str | None
) -> None:
    found = answer(letter, place)
    assert (found is None) if key is None else (found is not None and found.key.endswith(key))
