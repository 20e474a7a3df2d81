"""Containers that are not run here, and that others of their task wait for."""

from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.pipeline.precheck import StageReading


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("SUCCESS", ["init, which web waits for, does what it is waited for"]),
        ("COMPLETE", ["init, which web waits for, does what it is waited for"]),
        ("HEALTHY", ["init, which web waits for, does what it is waited for"]),
        ("START", []),
        ("", []),
    ],
)
def test_a_container_that_others_wait_for_is_doubted_unless_it_only_has_to_start(
    condition: str, said: list[str]
) -> None:
    waits = [{"ContainerName": "init", "Condition": condition}] if condition else []
    containers = [{"Name": "init", "Essential": False}, {"Name": "main", "DependsOn": waits}]
    task: dict[str, Any] = {"ContainerDefinitions": containers, "Memory": "512"}
    template = {"Resources": {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task}}}
    reading = StageReading()
    stack = PlayedStack("web", template, exports={}, revisions={"Task": "web/Task:1"})
    reading._read_sidecars(stack, "Task", task, ["init"])
    assert list(reading.essential) == said
