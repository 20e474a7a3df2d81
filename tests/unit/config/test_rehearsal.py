"""What the rehearsal starts beside the services, and what of it contradicts itself or the services."""

from pathlib import Path
from typing import Any

import pytest

from nova_infra.config import Ready, load_config, parse_config
from nova_infra.config.rehearsal.rules import uncovered
from nova_infra.errors import ConfigError

DATABASE = {"name": "database", "image": "postgres:17", "port": 5432}
CACHE = {"name": "cache", "image": "redis:8", "port": 6379}


def config(raw: dict[str, Any], *dependencies: dict[str, Any], connects_to: tuple[str, ...] = ()) -> Any:
    raw["rehearsal"] = {"dependencies": list(dependencies)}
    raw["services"][0] |= {"connects_to": list(connects_to)}
    return parse_config(raw)


@pytest.mark.parametrize(
    ("written", "ready"),
    [
        (["pg_isready", "-q"], Ready(command=("pg_isready", "-q"))),
        ("/health", Ready(path="/health")),
        ("port", Ready()),
        (9000, Ready(port=9000)),
        ({"path": "/up", "port": 9000, "seconds": 7}, Ready(path="/up", port=9000, seconds=7)),
    ],
)
def test_how_it_is_ready_has_short_forms(raw: dict[str, Any], written: Any, ready: Ready) -> None:
    [found] = config(raw, DATABASE | {"ready": written}).rehearsal.dependencies
    assert found.ready == ready


def test_the_endpoint_of_aws_is_provided_here_and_forbidden_elsewhere(raw: dict[str, Any]) -> None:
    endpoint = {"AWS_ENDPOINT_URL": "http://{host}:{port}"}
    [found] = config(raw, DATABASE | {"provides": endpoint}).rehearsal.dependencies
    assert found.provides == endpoint
    raw["services"][0] |= {"environment": endpoint}
    with pytest.raises(ConfigError, match="sets AWS_ENDPOINT_URL, which the platform sets"):
        parse_config(raw)


REFUSED: dict[str, tuple[list[dict[str, Any]], tuple[str, ...], str]] = {
    "a name twice": ([DATABASE, CACHE | {"name": "database"}], (), "[1].name: 'database' is used twice"),
    "no port": ([{"name": "database", "image": "postgres:17"}], (), "[0].port: is missing: add it"),
    "no image": ([{"name": "database", "port": 1}], (), "[0]: has neither an image nor a build: write image"),
    "image and build": ([DATABASE | {"build": "rehearsal/db"}], (), "[0]: has both an image and a build: write image"),
    "a host that nobody connects to": (
        [DATABASE | {"stands_for": ["db.internal"]}],
        ("other.internal:5432",),
        '[0].stands_for[0]: no service connects to db.internal: add connects_to = ["db.internal:5432"]',
    ),
    "another port": (
        [DATABASE | {"stands_for": ["db.internal"]}],
        ("db.internal:6432", "db.internal:7432"),
        "services connect to db.internal at port 6432 and 7432, but database listens at 5432: correct one",
    ),
    "a host with its port": ([DATABASE | {"stands_for": ["db:5432"]}], ("db:5432",), "without its port, as in"),
    "a host twice": (
        [DATABASE | {"stands_for": ["db"]}, CACHE | {"port": 5432, "stands_for": ["db"]}],
        ("db:5432",),
        "[1].stands_for[0]: database stands for db at port 5432, too: remove one of the two",
    ),
    "a variable twice": (
        [DATABASE | {"provides": {"URL": "{host}"}}, CACHE | {"provides": {"URL": "{host}"}}],
        (),
        "[1].provides.URL: database provides it already: remove one of the two, or rename it",
    ),
    "a misspelt placeholder": ([DATABASE | {"provides": {"URL": "{hots}"}}], (), "write {host} or {port}"),
    "a variable of the platform's": ([DATABASE | {"provides": {"PORT": "1"}}], (), "sets PORT, which the platform"),
    "an endpoint without a scheme": (
        [DATABASE | {"provides": {"AWS_ENDPOINT_URL_SQS": "{host}:{port}"}}],
        (),
        '[0].provides: has no URL in AWS_ENDPOINT_URL_SQS: write one such as "http://{host}:{port}"',
    ),
    "a check as Compose writes it": ([DATABASE | {"ready": ["CMD", "a"]}], (), "would run a program of the name 'CMD'"),
    "two ways to be ready": ([DATABASE | {"ready": {"command": ["a"], "port": 1}}], (), "keep one of them"),
    "a path without a slash": ([DATABASE | {"ready": "health"}], (), "'health' is not a path: start it with /"),
    "an image without a tag": ([DATABASE | {"image": "postgres"}], (), "is not an image by a digest or a tag"),
    "a real key": ([CACHE | {"environment": {"K": "AKIA" + "ABCDEFGHIJKLMNOP"}}], (), "holds a real secret"),
    "a name with dots": ([CACHE | {"name": "a.b"}], (), "is not a name that a host can have"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_contradictions_are_one_line_with_key_and_remedy(raw: dict[str, Any], case: str) -> None:
    dependencies, connects_to, said = REFUSED[case]
    with pytest.raises(ConfigError) as raised:
        config(raw, *dependencies, connects_to=connects_to)
    [line] = str(raised.value).splitlines()
    assert line.startswith("nova.toml: rehearsal.dependencies[")
    assert said in line


def test_one_host_has_a_stand_in_for_each_port(raw: dict[str, Any]) -> None:
    both = (each | {"stands_for": ["data.internal"]} for each in (DATABASE, CACHE))
    found = config(raw, *both, connects_to=("data.internal:5432", "data.internal:6379"))
    parts = (dict(enumerate(part)) for part in (found.rehearsal.dependencies, found.environments, found.services))
    assert uncovered(*parts) == []


def test_a_build_needs_a_dockerfile(example: Path, tmp_path: Path) -> None:
    text = (example / "nova.toml").read_text()
    (tmp_path / "services").symlink_to(example / "services")
    (tmp_path / "nova.toml").write_text(
        f'{text}\n[[rehearsal.dependencies]]\nname = "db"\nbuild = "rehearsal/db"\nport = 5432\n'
    )
    with pytest.raises(ConfigError, match=r"dependencies\[0\].build: rehearsal/db has no Dockerfile: create it, or"):
        load_config(tmp_path)
    (tmp_path / "rehearsal" / "db").mkdir(parents=True)
    (tmp_path / "rehearsal" / "db" / "Dockerfile").write_text("FROM scratch\n")
    assert load_config(tmp_path).rehearsal.dependencies[0].build == "rehearsal/db"


def test_what_nothing_stands_for_is_reported_once_for_all_environments(raw: dict[str, Any]) -> None:
    database = DATABASE | {"stands_for": ["db-{environment}.internal"]}
    raw["services"][1] |= {"connects_to": ["cache.internal:6379"]}
    found = config(raw, database, connects_to=("db-{environment}.internal:5432", "cache.internal:6379"))
    parts = (dict(enumerate(part)) for part in (found.rehearsal.dependencies, found.environments, found.services))
    assert uncovered(*parts) == [
        "carts-service and store-service connect to cache.internal:6379, but nothing stands in for it here: "
        'add [[rehearsal.dependencies]] with stands_for = ["cache.internal"]'
    ]
