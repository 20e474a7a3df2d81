"""What Copilot's manifests say in other words than Nova: texts, names, what a shell fills in, what has no room."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from nova_infra.scaffold.copilot.project import import_copilot

from .conftest import API, Write

IMAGE = f"acme/api@sha256:{'2' * 64}"
WORKER = {"name": "analyzer", "type": "Worker Service", "image": {"build": "./analyzer/Dockerfile"}}


def read(directory: Path) -> dict[str, Any]:
    return tomllib.loads(import_copilot(directory).text)


def unwrapped(text: str) -> str:
    """A text whose comments have one line each."""
    return text.replace("\n#   ", " ")


def test_a_backend_that_nobody_calls_is_a_worker(write: Write) -> None:
    backend = {"name": "poller", "type": "Backend Service", "image": {"build": "./poller/Dockerfile"}, "count": 2}
    made = import_copilot(write(poller=backend))
    [service] = tomllib.loads(made.text)["services"]
    assert (service["kind"], "internal" in service, made.refused) == ("worker", False, ())


def test_environments_that_only_services_name_are_not_lost(write: Write) -> None:
    worker = {**WORKER, "environments": {"prod": {"count": 4}, "test": {"count": 2}}}
    made = read(write(api=API, analyzer=worker))
    assert [each["name"] for each in made["environments"]] == ["test", "prod"]
    assert made["services"][0]["environments"]["test"]["scaling"] == {"min_tasks": 2, "max_tasks": 2}


def test_a_host_name_with_the_name_of_the_environment_is_one_for_each(write: Write) -> None:
    alias = "${COPILOT_ENVIRONMENT_NAME}.${COPILOT_APPLICATION_NAME}.example.org"
    overrides = {"test": {"http": {"alias": "try.example.org"}}, "stage": {}, "prod": {}}
    directory = write(
        api={**API, "http": {"path": "api", "alias": [alias, "shop.example.org"]}, "environments": overrides}
    )
    (directory / "copilot" / ".workspace").write_text("application: store")
    made = read(directory)
    hosts = {name: table["hosts"] for name, table in made["services"][0]["environments"].items()}
    assert hosts == {
        "test": ["try.example.org"],
        "stage": ["stage.store.example.org"],
        "prod": ["prod.store.example.org"],
    }


def test_the_architecture_counts_without_a_size(write: Write) -> None:
    [service] = read(write(api={**API, "platform": "linux/arm64"}))["services"]
    assert service["architecture"] == "arm64"


def test_variables_are_texts_as_they_are_written(write: Write) -> None:
    manifest = """
base: &base {A: 1.50, B: yes, Y: 2.0}
name: api
type: Load Balanced Web Service
image: {build: {dockerfile: Dockerfile, args: {VERSION: 1.10, SECOND: "${COMMIT}"}}, port: 80}
http: {path: api}
variables: {B: no, <<: *base, C: 010, D: 2026-01-02, E: ~, F: "${HOME}", Y: 3.0}
"""
    made = import_copilot(write(api=manifest))
    [service] = tomllib.loads(made.text)["services"]
    assert service["environment"] == {"A": "1.50", "B": "no", "Y": "3.0", "C": "010", "D": "2026-01-02"}
    assert service["build_arguments"] == {"VERSION": "1.10"}
    assert "variables.F = '${HOME}': Reads HOME from the shell" in made.text
    assert "args.SECOND = '${COMMIT}': Reads COMMIT from the shell" in made.text


def test_an_image_whose_tag_only_a_shell_knows_is_named(write: Write) -> None:
    made = import_copilot(write(api={**API, "image": {"location": "acme.dkr/api:${TAG}", "port": 81}}))
    [refused] = made.refused
    assert "image.location = 'acme.dkr/api:${TAG}': only the shell that deploys knows the image: write it" in refused
    assert "image.location = 'acme.dkr/api:${TAG}': Reads TAG from the shell" in made.text


def test_a_sidecar_without_an_image_is_left_out_alone(write: Write) -> None:
    sidecars = {"proxy": {"image": "public.ecr.aws/acme/proxy:1.2"}, "own": {"image": {"build": "own/Dockerfile"}}}
    made = import_copilot(write(api={**API, "sidecars": sidecars}))
    [service] = tomllib.loads(made.text)["services"]
    assert [each["name"] for each in service["sidecars"]] == ["proxy"]
    assert "Left out, because it names no image that exists" in unwrapped(made.text)


def test_paths_make_room_for_host_names(write: Write) -> None:
    rules = [{"path": "b"}, {"path": "c", "alias": ["two.example.org"]}]
    http = {"path": "a", "alias": "one.example.org", "additional_rules": rules}
    made = import_copilot(write(api={**API, "http": http}))
    [service] = tomllib.loads(made.text)["services"]
    assert service["paths"] == ["/a", "/a/*"]
    assert "`paths` takes 3 beside 2 host names: /b, /b/*, /c, /c/* is left out" in " ".join(
        made.text.replace("#", " ").split()
    )


def test_host_names_make_room_for_a_path_and_what_is_below_it(write: Write) -> None:
    names = [f"{name}.example.org" for name in ("one", "two", "three", "four", "five")]
    made = import_copilot(write(api={**API, "http": {"path": "front", "alias": names}}))
    [service] = tomllib.loads(made.text)["services"]
    assert (service["paths"], service["hosts"], made.refused) == (["/front", "/front/*"], names[:3], ())
    assert "`hosts` takes 3 beside 2 paths: four.example.org, five.example.org is left out" in unwrapped(made.text)


def test_host_names_that_lead_nowhere_take_no_path_s_place(write: Write) -> None:
    names = [f"{name}.example.org" for name in ("one", "two", "three")]
    overrides = {name: {"http": {"alias": f"{name}.example.org"}} for name in ("test", "prod")}
    http = {"path": "a", "alias": names, "additional_rules": [{"path": "b"}]}
    made = read(write(api={**API, "http": http, "environments": overrides}))
    assert made["services"][0]["paths"] == ["/a", "/a/*", "/b", "/b/*"]


def test_spot_that_no_environment_has_is_a_comment(write: Write) -> None:
    counts = {"test": {"count": 1}, "prod": {"count": {"range": "3-20"}}}
    api = {**API, "count": {"range": {"min": 4, "max": 9, "spot_from": 4}}, "environments": counts}
    environments = {f"environments__{name}": {"name": name, "type": "Environment"} for name in counts}
    text = import_copilot(write(api=api, **environments)).text
    assert "spot =" not in text
    assert "count.range.spot_from = 4: Each environment has a count of its own" in unwrapped(text)


def test_what_the_two_checks_of_a_service_differ_in_is_a_comment(write: Write) -> None:
    own = {"command": ["CMD", "/check"], "interval": "20s", "timeout": "6s", "start_period": "15s"}
    balancers = {"path": "/deep", "interval": "15s", "timeout": "6s", "grace_period": "2m"}
    api = {**API, "image": {**API["image"], "healthcheck": own}, "http": {**API["http"], "healthcheck": balancers}}
    text = import_copilot(write(api=api)).text
    assert tomllib.loads(text)["services"][0]["health"] == {
        "path": "/deep",
        "command": ["/check"],
        "interval": 15,
        "timeout": 6,
        "start_seconds": 120,
    }
    assert "image.healthcheck.interval = '20s': Both checks have one `interval`: 15" in text
    assert "image.healthcheck.start_period = '15s': Both checks have one `start_seconds`: 120" in text
    assert "image.healthcheck.timeout" not in text


@pytest.mark.parametrize(("second", "refused"), [(IMAGE, 0), (IMAGE.replace("22", "33"), 1)])
def test_an_image_that_only_environments_name_is_the_services_where_it_is_one(
    second: str, refused: int, write: Write
) -> None:
    images = {"test": {"image": {"location": IMAGE}}, "prod": {"image": {"location": second}}}
    environments = {f"environments__{name}": {"name": name, "type": "Environment"} for name in images}
    made = import_copilot(
        write(api={**API, "image": {"port": 82}, "command": "run", "environments": images}, **environments)
    )
    [service] = tomllib.loads(made.text)["services"]
    assert (service["image"], service["command"], service.get("environments")) == (second, ["run"], None)
    assert ["`image` is one and the same in all" in line for line in made.refused] == [True] * refused
