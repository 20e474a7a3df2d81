"""Which container of a task definition gets its requests, and what is refused."""

from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.tasks.definition import read_task_definition

CONTAINER = {"Image": "host/repo/audio:abc", "Command": ["run"], "PortMappings": [{"ContainerPort": 80}]}


def test_a_definition_is_read_with_the_defaults_of_ecs() -> None:
    read = read_task_definition({"Memory": "512", "ContainerDefinitions": [CONTAINER]}, "audio:3")
    assert (read.repository, read.release, read.stop_timeout, read.memory) == ("audio", "abc", 30, 512)


def test_a_container_may_have_less_memory_than_its_task() -> None:
    read = read_task_definition({"Memory": "2048", "ContainerDefinitions": [CONTAINER | {"Memory": 384}]}, "audio:3")
    assert (read.memory, read.task_memory) == (384, 2048)


def test_a_container_without_a_port_gets_no_requests() -> None:
    worker = CONTAINER | {"PortMappings": []}
    assert read_task_definition({"Memory": "512", "ContainerDefinitions": [worker]}, "audio:3").port == 0


AGENT = {"Name": "agent", "Image": "agent:1", "PortMappings": [{"ContainerPort": 2000, "Protocol": "udp"}]}
PROXY = {"Name": "proxy", "Image": "proxy:1", "PortMappings": [{"ContainerPort": 81}, {"ContainerPort": 82}]}


@pytest.mark.parametrize(
    ("containers", "serving", "image", "port"),
    [
        ([AGENT, CONTAINER], ("", 0), CONTAINER["Image"], 80),
        ([CONTAINER, PROXY], ("proxy", 82), "proxy:1", 82),
        ([PROXY], ("proxy", 0), "proxy:1", 81),
        ([PROXY], ("proxy", 99), "proxy:1", 81),
        ([AGENT], ("", 0), "agent:1", 0),
        # None is for requests: the first one with which the task ends.
        ([{**AGENT, "Image": "init:1", "Essential": False}, AGENT, {**AGENT, "Image": "c"}], ("", 0), "agent:1", 0),
        (
            [PROXY, {**AGENT, "Image": "own:1", "Environment": [{"Name": "NOVA_RELEASE", "Value": "7"}]}],
            ("", 0),
            "own:1",
            0,
        ),
    ],
)
def test_what_runs_is_the_container_and_port_that_requests_go_to(
    containers: list[Any], serving: tuple[str, int], image: str, port: int
) -> None:
    read = read_task_definition({"Memory": "512", "ContainerDefinitions": containers}, "audio:3", serving)
    assert (read.image, read.port) == (image, port)
    assert len(read.sidecars) == len(containers) - 1


@pytest.mark.parametrize(
    ("containers", "said"),
    [
        ([], "is empty"),
        ([{key: value for key, value in CONTAINER.items() if key != "Image"}], "Image is missing"),
        ([CONTAINER | {"HealthCheck": {"Command": ["python", "check"]}}], "must begin with CMD"),
    ],
)
def test_a_definition_that_cannot_be_run_is_refused_by_name(containers: list[Any], said: str) -> None:
    with pytest.raises(UnresolvableError, match="audio:3: ContainerDefinitions") as error:
        read_task_definition({"Memory": "512", "ContainerDefinitions": containers}, "audio:3")
    assert said in str(error.value)
