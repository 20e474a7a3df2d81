"""Which dependencies a rehearsal starts, and what the baseline's tasks and the release's know of them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from nova_infra.config import load_config
from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import ImageError
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.dependencies.environment import Dependencies
from nova_infra.rehearsal.dependencies.needed import prepare_dependencies
from nova_infra.rehearsal.tasks.containers.labels import Place
from nova_infra.rehearsal.tasks.containers.options import ContainerNetwork
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.runtime import ImageRuntime

PROJECT = """
[toolchain]
account = "111111111111"
region = "eu-west-1"
[source]
repository = "acme/shop"
connection_arn = "arn:aws:codeconnections:eu-west-1:111111111111:connection/1"
[[environments]]
name = "lab"
account = "222222222222"
region = "eu-west-1"
allow_plain_http = true
[[services]]
name = "shop"
image = "acme/shop:1"
connects_to = {connects_to}
{dependencies}
"""
DATABASE = """
[[rehearsal.dependencies]]
name = "database"
image = "postgres:17"
port = 5432
ready = ["true"]
provides = {provides}
stands_for = ["{host}"]
"""
CACHE = """
[[rehearsal.dependencies]]
name = "cache"
image = "{image}"
port = 6379
ready = ["true"]
provides = {{ CACHE = "redis://{{host}}" }}
stands_for = ["cache.internal"]
"""
OLD, NEW = (TaskDefinition(f"shop:{n}", f"shop:{n}", (), {}, 80, None, 2, 64) for n in (1, 2))


class Answering(Engine):
    """An engine in which every container runs, and every image but one of Redis can be had."""

    async def attempt(self, *arguments: str, **_: object) -> tuple[int, str, str]:
        addressed = any("IPAddress" in each for each in arguments)
        return 0, "10.97.7.9" if addressed else "running 0" if arguments[0] == "inspect" else "", ""

    def image(self, name: str) -> dict[str, Any] | None:
        return None if "redis" in name else {}

    async def call(self, *_: str, **__: object) -> str:
        raise ImageError("podman pull: manifest unknown")


class Still(Place):
    """A place where nothing has to be made."""

    network = ContainerNetwork("nova-1-a", "10.97.7.1")
    directory = "/"


def project(root: Path, *dependencies: str, connects_to: list[str]) -> Path:
    root.mkdir()
    text = PROJECT.format(connects_to=connects_to, dependencies="".join(dependencies))
    (root / "nova.toml").write_text(text)
    return root


def led(baseline: Path, candidate: Path) -> tuple[TaskDefinition, TaskDefinition]:
    """A task of the baseline and one of the release, with what leads them to their dependencies."""

    async def whole() -> tuple[TaskDefinition, TaskDefinition]:
        runtime = ImageRuntime(Answering("podman", "amd64"))
        runtime.place = Still(runtime.engine)
        config = load_config(candidate)
        await prepare_dependencies(runtime, config, candidate, candidate, baseline=baseline)
        found = Dependencies(runtime, "Lab", [], {}, {})
        await found.start()
        template = {"Resources": {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": {}}}}
        stack = PlayedStack("shop-lab-shop", template, exports={}, revisions={"Task": "shop:1"})
        found.bar(stack, {}, {"Task": OLD}, judged=False)
        before = found.provide(OLD)
        found.bar(stack, {}, {"Task": NEW}, judged=True)
        assert found.provide(OLD) == before, "the baseline's tasks serve on while the release comes"
        return before, found.provide(NEW)

    return asyncio.run(whole())


def test_the_baseline_keeps_a_host_that_the_release_no_longer_connects_to(tmp_path: Path) -> None:
    one = DATABASE.format(host="db.internal", provides='{ PASSWORD = "kept", OLD_URL = "pg://{host}" }')
    two = DATABASE.format(host="data.internal", provides='{ PASSWORD = "changed" }')
    old, new = led(
        project(tmp_path / "old", one, connects_to=["db.internal:5432"]),
        project(tmp_path / "new", two, connects_to=["data.internal:5432"]),
    )
    assert {"db.internal", "data.internal"} <= old.hosts.keys()
    assert "db.internal" not in new.hosts
    assert "data.internal" in new.hosts
    assert old.environment == {"PASSWORD": "changed", "OLD_URL": "pg://database"}, "one container has one password"
    assert new.environment == {"PASSWORD": "changed"}


@pytest.mark.parametrize(("image", "is_had"), [("postgres:16", True), ("redis:7", False)])
def test_the_baseline_keeps_a_dependency_that_the_release_drops_if_its_image_can_be_had(
    tmp_path: Path, image: str, is_had: bool
) -> None:
    old, new = led(
        project(tmp_path / "old", CACHE.format(image=image), connects_to=["cache.internal:6379"]),
        project(tmp_path / "new", connects_to=[]),
    )
    assert ("cache.internal" in old.hosts, "CACHE" in old.environment) == (is_had, is_had)
    assert (new.hosts, new.environment) == ({}, {})


def test_a_baseline_whose_nova_toml_this_code_refuses_has_the_releases_dependencies(tmp_path: Path) -> None:
    database = DATABASE.format(host="db.internal", provides='{ PASSWORD = "made-up" }')
    refused = project(tmp_path / "old", "[gone]\n", connects_to=["db.internal:5432"])
    old, new = led(refused, project(tmp_path / "new", database, connects_to=["db.internal:5432"]))
    assert old.hosts == new.hosts
    assert old.environment == new.environment == {"PASSWORD": "made-up"}
