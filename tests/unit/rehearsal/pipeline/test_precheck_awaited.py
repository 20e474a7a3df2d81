"""Containers that are not run here, and that others of their task wait for."""

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
