"""What stands for one host shares its address, to the tasks of either revision."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nova_infra.config import Dependency
from nova_infra.rehearsal.dependencies.container import Needed
from nova_infra.rehearsal.dependencies.environment import Dependencies
from nova_infra.rehearsal.tasks.containers.options import ContainerNetwork
from nova_infra.rehearsal.tasks.definition import TaskDefinition


def stands(name: str, port: int, hosts: str, before: str = "", *, retired: bool = False) -> Needed:
    wanted = Dependency.model_validate({"name": name, "image": "tiny:1", "port": port, "ready": ["true"]})
    earlier = Needed(wanted, "tiny:1", frozenset(f"{hosts} {before}".split()))
    return Needed(wanted, "tiny:1", frozenset(hosts.split()), earlier if before else None, retired)


async def attempt(*arguments: str, **_: object) -> tuple[int, str, str]:
    """As an engine that gives each container an address of its own."""
    return 0, f"address of {arguments[-1].split('-')[-2]}" if arguments[0] == "inspect" else "", ""


DB = stands("db", 5432, "x.io")
CACHE = stands("cache", 6379, "x.io", retired=True)


@pytest.mark.parametrize(
    ("needed", "led"),
    [
        ([DB, CACHE], {"x.io": "db", "cache": "db"}),
        ([DB, stands("cache", 6379, "y.io", "x.io")], {"x.io": "db", "y.io": "db", "cache": "db"}),
        ([stands("db", 5432, "y.io", "x.io"), CACHE], {"x.io": "db", "y.io": "db", "cache": "db"}),
        (
            [DB, stands("cache", 6379, "x.io"), stands("old", 5432, "x.io", retired=True)],
            {"x.io": "db", "cache": "db", "old": "old"},
        ),
        (
            [stands("db", 5432, "y.io", "x.io"), stands("cache", 6379, "z.io", "x.io"), stands("q", 5433, "z.io")],
            {"x.io": "db", "y.io": "db", "z.io": "db", "cache": "db", "q": "db"},
        ),
        (
            [stands("db", 5432, "y.io", "x.io"), stands("cache", 6379, "z.io", "x.io"), stands("q", 5432, "z.io")],
            {"x.io": "cache", "y.io": "db", "z.io": "cache", "cache": "cache", "q": "cache"},
        ),
    ],
    ids=["dropped", "renamed", "renamed and dropped", "replaced at its port", "with guests", "the release first"],
)
def test_what_stands_for_one_host_of_the_baseline_shares_its_address(needed: list[Needed], led: dict[str, str]) -> None:
    engine = SimpleNamespace(is_docker=False, attempt=attempt)
    place = SimpleNamespace(network=ContainerNetwork("n", "10.97.7.1"), label="l=1", directory="/", engine=engine)
    runtime = SimpleNamespace(kind="images", dependencies=tuple(needed), place=place)
    dependencies = Dependencies(cast(Any, runtime), "dev", [], {}, {})
    asyncio.run(dependencies.start())
    hosts = dependencies.provide(TaskDefinition("shop:1", "shop:1", (), {}, 80, None, 2, 64)).hosts
    assert hosts == {host: f"address of {name}" for host, name in {"db": "db", **led}.items()}
