from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nova_infra.rehearsal.ecs.service import PlacedTask, PlayedService
from nova_infra.rehearsal.ecs.unbalanced import Unbalanced
from nova_infra.rehearsal.tasks.task import TaskFailedError


def running(name: str, *, runs: bool = True, healthy: bool = True) -> PlacedTask:
    task = SimpleNamespace(running=runs, stopped_reason=lambda: f"{name} exited", name=name)
    target = SimpleNamespace(healthy=healthy, last_fault=f"{name} answers 500")
    return PlacedTask(cast(Any, task), cast(Any, target), cast(Any, None), cast(Any, None))


class Watched(PlayedService):
    """A service that notes what it starts and stops, and runs nothing."""

    def __init__(self, tasks: list[PlacedTask], *, starts_fail: bool = False) -> None:
        none = Unbalanced("carts")
        super().__init__("carts", "shop", none, none.rule, [none.group], cast(Any, None), desired=len(tasks))
        self.tasks, self.revision = tasks, cast(Any, SimpleNamespace(name="carts:7"))
        self.did: list[str] = []
        self._starts_fail = starts_fail

    async def start(self, revision: Any, group: Any) -> PlacedTask:  # noqa: ARG002
        self.did.append("start")
        if self._starts_fail:
            raise TaskFailedError("no")
        self.tasks.append(running("new"))
        return self.tasks[-1]

    async def stop(self, tasks: list[PlacedTask]) -> None:
        for each in tasks:
            self.did.append(f"stop {cast(Any, each.task).name}")
            self.tasks.remove(each)


@pytest.mark.parametrize(
    ("tasks", "did", "story"),
    [
        ([running("a"), running("b")], [], []),
        # "The scheduler starts replacement tasks first and then stops the unhealthy tasks."
        ([running("a"), running("b", healthy=False)], ["start", "stop b"], ["b answers 500"]),
        ([running("a", runs=False), running("b")], ["stop a", "start"], ["a exited"]),
        (
            [running("a", runs=False), running("b", healthy=False)],
            ["stop a", "start", "start", "stop b"],
            ["a exited", "b answers 500"],
        ),
    ],
)
def test_what_is_unhealthy_goes_when_its_replacement_is_there(
    tasks: list[PlacedTask], did: list[str], story: list[str]
) -> None:
    service = Watched(tasks)
    told = asyncio.run(service.replace_lost())
    assert service.did == did
    assert len(told) == len(story)
    assert all(why in line for why, line in zip(story, told, strict=True))
    assert len(service.tasks) == 2


def test_what_is_unhealthy_stays_where_its_replacement_fails() -> None:
    service = Watched([running("a", healthy=False)], starts_fail=True)
    assert asyncio.run(service.replace_lost()) == []
    assert service.did == ["start"]
