"""What an engine is told of a task: all that its definition says, and what Fargate does by itself."""

from __future__ import annotations

from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.vocabulary import check_properties
from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.containers.options import ContainerNetwork, create_options
from nova_infra.rehearsal.tasks.definition import read_task_definition

IMAGE = EngineImage("shop:7", "amd64", ("/shop",), "SIGTERM", ())


def properties(linux: dict[str, Any]) -> dict[str, Any]:
    container = {"Image": "shop:7", "PortMappings": [{"ContainerPort": 3000}], "LinuxParameters": linux}
    return {"Cpu": "256", "Memory": "512", "ContainerDefinitions": [container]}


def options(linux: dict[str, Any], *, podman: bool) -> list[str]:
    definition = read_task_definition(properties(linux), "shop:1")
    network = ContainerNetwork("n1", "10.97.7.1")
    return create_options(definition, IMAGE, network, name="n1-2", label="l=3", port=8123, podman=podman)


@pytest.mark.parametrize(
    ("linux", "podman", "wanted"),
    [
        ({}, False, []),
        # Podman begins with fewer than Docker, and Fargate with Docker's.
        ({}, True, ["--cap-add=AUDIT_WRITE", "--cap-add=MKNOD", "--cap-add=NET_RAW"]),
        ({"Capabilities": {"Drop": ["NET_RAW", "MKNOD"]}}, True,
         ["--cap-drop=NET_RAW", "--cap-drop=MKNOD", "--cap-add=AUDIT_WRITE"]),
        ({"Capabilities": {"Drop": ["ALL"]}}, True, ["--cap-drop=ALL"]),
        ({"Capabilities": {"Drop": ["ALL"], "Add": ["SYS_PTRACE"]}}, False, ["--cap-drop=ALL", "--cap-add=SYS_PTRACE"]),
    ],
)  # fmt: skip
def test_a_container_has_the_capabilities_that_fargate_gives_it(
    linux: dict[str, Any], podman: bool, wanted: list[str]
) -> None:
    made = options(linux, podman=podman)
    assert [each for each in made if each.startswith("--cap-")] == wanted


@pytest.mark.parametrize("podman", [True, False])
def test_shared_memory_and_low_ports_are_as_on_fargate_with_either_engine(podman: bool) -> None:
    made = options({}, podman=podman)
    assert "--shm-size=64m" in made
    assert "--sysctl=net.ipv4.ip_unprivileged_port_start=1024" in made


@pytest.mark.parametrize(
    ("linux", "said"),
    [
        ({"SharedMemorySize": 256}, "SharedMemorySize"),
        ({"Tmpfs": [{"ContainerPath": "/x", "Size": 5}]}, "Tmpfs"),
        ({"Capabilities": {"Add": ["NET_ADMIN"]}}, "NET_ADMIN"),
    ],
)
def test_what_fargate_does_not_take_is_refused(linux: dict[str, Any], said: str) -> None:
    with pytest.raises(UnresolvableError, match=said):
        check_properties("AWS::ECS::TaskDefinition", properties(linux), "Task")
