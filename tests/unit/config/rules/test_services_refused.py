"""What services may not say, as their owners would write it: every line that is said of it, and no other."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from nova_infra.config import parse_config
from nova_infra.errors import ConfigError

DIGEST = f"sha256:{'a' * 64}"
CASES = tomllib.loads(Path(__file__).with_name("refused.toml").read_text(encoding="utf-8").replace("DIGEST", DIGEST))
PROJECT = """
[toolchain]
account = "444444444444"
region = "us-east-1"
[source]
repository = "org/shop"
branch = "main"
connection_arn = "arn:aws:codeconnections:us-east-1:444444444444:connection/0a1b2c3d-0000-4000-8000-000000000001"
[[environments]]
name = "dev"
account = "111111111111"
region = "us-east-1"
tests = "integration"
domain = { name = "dev.example.com", zone_id = "Z00000000001" }
network = { cidr = "10.1.0.0/16" }
[[environments]]
name = "prod"
account = "333333333333"
region = "us-east-1"
approval = true
domain = { name = "prod.example.com", zone_id = "Z00000000003" }
network = { cidr = "10.3.0.0/16" }
"""


def lines(case: dict[str, Any]) -> list[str]:
    project = tomllib.loads(PROJECT) | {"services": case["services"]}
    for environment in project["environments"]:
        environment |= case.get("environments", {}).get(environment["name"], {})
    try:
        parse_config(project)
    except ConfigError as error:
        return [line.removeprefix("nova.toml: ") for line in str(error).splitlines()]
    return []


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["says"][0].partition(": ")[0])
def test_what_is_refused_is_reported_in_one_line_at_the_key_that_was_written(case: dict[str, Any]) -> None:
    assert lines(case) == case["says"]


@pytest.mark.parametrize(
    "service",
    [
        {"name": "api", "protocol": "grpc"},
        {"name": "a", "health": {"interval": 20, "timeout": 3}, "environments": {"prod": {"health": {"interval": 5}}}},
        {"name": "m", "kind": "worker", "queue": {"name": "q", "dead": "d", "tries": 3},
         "environments": {"prod": {"queue": {"existing": True}}}},
        {"name": "api", "cpu": 512, "memory": 2048, "environments": {"prod": {"cpu": 4096, "memory": 16384}}},
        {"name": "api", "image": "nginx:1", "environments": {}, "port": 80},
        {"name": "api", "environment": {"FORMAT": "{level} {message}", "CACHE": "redis://localhost:6379"}},
        {"name": "mailer", "kind": "worker", "queue": {"name": "q", "dead": "d", "existing": True}},
        {"name": "mailer", "kind": "worker", "rollout": {"bake_minutes": 9}},
        {"name": "api", "environment": {"UP": "http://api:9200"}, "connects_to": ["api:9200"]},
        {"name": "api", "environment": {"ISSUER": "https://api", "AUDIENCE": "https://web,https://api"}},
        {"name": "report", "kind": "job", "schedule": "rate(1 minutes)", "timeout_seconds": 60},
        {"name": "a", "kind": "job",
         "environments": {"dev": {"schedule": "0 6 * * *"}, "prod": {"schedule": "0 7 * * *"}}},
        {"name": "a", "permissions": [{"actions": ["sqs:SendMessage"],
         "resources": ["arn:aws:sqs:{region}:{account}:a"]}]},
    ],
)  # fmt: skip
def test_what_looks_like_it_is_accepted(service: dict[str, Any]) -> None:
    case = {"services": [service], "environments": {"prod": {"rollout": {"strategy": "canary"}}}}
    assert [line for line in lines(case) if "is a tag, which may move" not in line] == []


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("kind", "worker", "cannot differ between environments: write kind in [[services]]"),
        ("before_deploy", ["migrate"], "cannot differ between environments: write before_deploy in [[services]]"),
        ("knid", "worker", "'worker' is not a key that Nova knows: remove it, or correct its spelling"),
        ("name", "api", "'api' is not a key that Nova knows: remove it, or correct its spelling"),
    ],
)
def test_what_is_the_same_in_every_environment_is_told_from_a_misspelt_key(key: str, value: Any, said: str) -> None:
    assert lines({"services": [{"name": "api", "environments": {"dev": {key: value}}}]}) == [
        f"services[0].environments.dev.{key}: {said}"
    ]


def test_a_key_outside_of_its_table_is_not_taken_for_one_of_copilots() -> None:
    with pytest.raises(ConfigError, match=r"^nova\.toml: network: is a key of environments: write it there$"):
        parse_config(tomllib.loads(PROJECT) | {"services": [{"name": "api"}], "network": {"zones": ["a", "b"]}})


def test_values_are_shown_as_the_file_has_them() -> None:
    [line] = lines({"services": [{"name": "mailer", "kind": "worker", "queue": False}]})
    assert line.startswith("services[0].queue: false is not a table")


def test_a_service_of_all_paths_comes_last_by_itself() -> None:
    services = [{"name": name, "paths": [path]} for name, path in (("all", "/*"), ("b", "/b/*"), ("c", "/c"))]
    assert lines({"services": services}) == []
    for letter in "defghijklm":  # drawn from the name alone, one of them would come too early
        host = {"name": letter, "hosts": ["{environment}.example.com"]}
        assert lines({"services": [*services, host, host | {"name": "one", "paths": ["/1"]}]}) == []
    assert lines({"services": [services[0] | {"priority": 1}, *services[1:]]}) != []


def test_rules_of_two_load_balancers_may_have_one_priority() -> None:
    services = [{"name": "open", "priority": 7}, {"name": "closed", "priority": 7, "internal": True}]
    assert lines({"services": services}) == []
    assert lines({"services": [services[0], {"name": "other", "priority": 7}]}) != []


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (
            {"hosts": ["{environment}.example.com", "api.example.com"]},
            ["services[0].hosts[1]: 'api.example.com' is also a host in dev, and its DNS record can lead to one"],
        ),
        ({"hosts": ["{environment}.example.com"]}, []),
        ({"hosts": ["api.example.com"], "environments": {"prod": {"hosts": ["www.example.com"]}}}, []),
        (
            {"hosts": ["a.example.com"], "environments": {"prod": {"hosts": ["b.example.com", "a.example.com"]}}},
            ["services[0].environments.prod.hosts[1]: 'a.example.com' is also a host in dev, and its DNS record can"],
        ),
    ],
)
def test_a_host_of_two_environments_is_refused_where_each_would_make_its_record(
    service: dict[str, Any], said: list[str]
) -> None:
    zone = {"zone_id": "Z00000000001", "zone_name": "example.com"}
    zoned: dict[str, Any] = {name: {"domain": {"name": f"{name}.example.com", **zone}} for name in ("dev", "prod")}
    case = {"services": [{"name": "api", **service}], "environments": zoned}
    assert [line[: len(each)] for line, each in zip(lines(case), said, strict=True)] == said
    zoned["dev"] = {"domain": None, "allow_plain_http": True}
    assert lines(case) == []
