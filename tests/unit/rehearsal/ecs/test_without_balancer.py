import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.ecs import without_balancer
from nova_infra.rehearsal.ecs.service_definition import read_service
from nova_infra.rehearsal.ecs.without_balancer import Unbalanced


def wait(seconds_until_its_end: float, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, str, bool | None]:
    """Whether a task counts as healthy, why not, and what its target says."""
    monkeypatch.setattr(without_balancer, "SECONDS_TO_STAY", 0.05)

    async def play() -> tuple[bool, str, bool | None]:
        task: Any = SimpleNamespace(
            definition=SimpleNamespace(fault=""),
            ended=lambda: asyncio.sleep(seconds_until_its_end),
            hear_out=lambda: asyncio.sleep(0),
            stopped_reason=lambda: "essential container exited with code 3",
        )
        none = Unbalanced("worker")
        target = none.register(none.group, task)
        return await none.wait_healthy(none.group, target), target.last_fault, target.healthy

    return asyncio.run(play())


def test_a_task_without_a_load_balancer_is_healthy_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    good, _, healthy = wait(5, monkeypatch)
    assert (good, healthy) == (True, True)


def test_a_task_that_ends_at_once_has_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    good, why, healthy = wait(0, monkeypatch)
    assert (good, why, healthy) == (False, "essential container exited with code 3", None)


def test_a_service_needs_no_load_balancer_no_name_and_no_cluster() -> None:
    service = {"Type": "AWS::ECS::Service", "Properties": {"TaskDefinition": "worker:1", "DesiredCount": 3}}
    stack = PlayedStack("shop", {"Resources": {"Worker": service}}, exports={}, revisions={})
    read = read_service(stack, "Worker")
    assert (read.name, read.cluster, read.groups, read.rule, read.desired) == ("shop-Worker", "default", (), None, 3)
