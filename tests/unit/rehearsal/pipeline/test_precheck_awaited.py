"""Containers that are not run here, and that others of their task wait for."""

from typing import Any

import pytest

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
    main = {"Name": "main", "Image": "x", "PortMappings": [{"ContainerPort": 8080}], "DependsOn": waits}
    task = {"ContainerDefinitions": [{"Name": "init", "Image": "y", "Essential": False}, main], "Memory": "512"}
    reading = StageReading()
    reading.read("web", {"Resources": {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task}}})
    assert list(reading.essential) == said


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("Image", ("a", "b")),
        ("Command", (["a"], ["b"])),
        ("HealthCheck", ({"Command": ["CMD", "a"]}, {"Command": ["CMD", "b"]})),
    ],
)
def test_what_others_wait_for_is_another_one_with_another_image_command_or_health_check(
    key: str, values: tuple[Any, Any]
) -> None:
    readings = StageReading(), StageReading()
    for reading, value in zip(readings, values, strict=True):
        init = {"Name": "init", "Image": "y", "Essential": False, key: value}
        waits = [{"ContainerName": "init", "Condition": "HEALTHY"}]
        main = {"Name": "main", "Image": "x", "PortMappings": [{"ContainerPort": 8080}], "DependsOn": waits}
        task = {"ContainerDefinitions": [init, main], "Memory": "512"}
        reading.read("web", {"Resources": {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task}}})
    assert (
        readings[0].essential.keys()
        == readings[1].essential.keys()
        == {"init, which web waits for, does what it is waited for"}
    )
    assert readings[0].essential != readings[1].essential
