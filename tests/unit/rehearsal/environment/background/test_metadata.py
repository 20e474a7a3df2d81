"""The metadata endpoint answers a task as that of ECS does."""

import asyncio
import json
import socket
import urllib.request
from dataclasses import replace
from typing import Any

import pytest

from nova_infra.rehearsal.clock import COMPRESSED
from nova_infra.rehearsal.cloudformation.physical import Home
from nova_infra.rehearsal.environment.background.metadata import Metadata, unlike_fargate
from nova_infra.rehearsal.environment.background.stand_ins import StandIns
from nova_infra.rehearsal.tasks.definition import TaskDefinition

HOME = Home("333333333333", "cn-north-1")
TASK = {"Resources": {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": {}}}}


def definition(number: int = 4) -> TaskDefinition:
    return TaskDefinition(f"prod-shop:{number}", "r/shop:9", (), {}, 8080, None, stop_timeout=2, memory=512, cpu=256)


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:4566"])
def test_a_task_is_told_about_itself_whatever_stands_for_aws(endpoint: str) -> None:
    async def play() -> dict[str, Any]:
        stand_ins = StandIns(COMPRESSED, None, HOME)
        try:
            await stand_ins.expect([TASK], endpoint, endpoint)
            variables = stand_ins.lead(definition()).environment
            url = variables["ECS_CONTAINER_METADATA_URI_V4"]
            found = {what: await asyncio.to_thread(ask, f"{url}{what}") for what in ("", "/task", "/stats")}
            assert await asyncio.to_thread(ask, variables["ECS_CONTAINER_METADATA_URI"]) == found[""]
            return found
        finally:
            await stand_ins.stop()

    found = asyncio.run(play())
    task = found["/task"]
    assert (task["Family"], task["Revision"], task["LaunchType"]) == ("prod-shop", "4", "FARGATE")
    assert task["Limits"] == {"CPU": 0.25, "Memory": 512}
    assert task["TaskARN"].startswith("arn:aws-cn:ecs:cn-north-1:333333333333:task/")
    assert task["Containers"] == [found[""]]
    assert found[""]["Networks"][0]["IPv4Addresses"] == ["127.0.0.1"]
    assert found[""]["Labels"]["com.amazonaws.ecs.task-arn"] == task["TaskARN"]
    assert found["/stats"] == {}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, {}),
        ({"HTTPS_PROXY": "http://p:3128"}, {"NO_PROXY": "10.9.0.1", "no_proxy": "10.9.0.1"}),
        ({"http_proxy": "http://p:3128", "no_proxy": "a.b"}, {"no_proxy": "a.b,10.9.0.1"}),
        ({"ALL_PROXY": "http://p:3128", "NO_PROXY": "*"}, {"NO_PROXY": "*"}),
        ({"NO_PROXY": "a.b"}, {"NO_PROXY": "a.b"}),
    ],
)
def test_no_proxy_of_aws_stands_between_a_task_and_what_answers_it_here(
    given: dict[str, str], found: dict[str, str]
) -> None:
    async def play() -> dict[str, str]:
        stand_ins = StandIns(COMPRESSED, None, HOME)
        try:
            await stand_ins.expect([TASK], "http://127.0.0.1:4566", "http://10.9.0.1:4566")
            return dict(stand_ins.lead(replace(definition(), environment=given)).environment)
        finally:
            await stand_ins.stop()

    assert {key: value for key, value in asyncio.run(play()).items() if key.upper() == "NO_PROXY"} == found


def test_a_task_is_told_of_all_its_containers_by_their_names() -> None:
    metadata = Metadata(HOME)
    init = replace(definition(), name="init", image="busybox:1")
    url = metadata.variables(replace(definition(), name="web", further=(init,)), "")["ECS_CONTAINER_METADATA_URI_V4"]
    answer = metadata.answer(f"{url}/task", "10.97.0.2")
    assert answer is not None
    assert [(each["Name"], each["Image"]) for each in answer["Containers"]] == [
        ("web", "r/shop:9"),
        ("init", "busybox:1"),
    ]


def test_tasks_are_told_apart_by_revision_and_by_address() -> None:
    metadata = Metadata(HOME)
    paths = []
    for number in (4, 5):
        url = metadata.variables(definition(number), "http://h:1")["ECS_CONTAINER_METADATA_URI_V4"]
        paths.append(url.removeprefix("http://h:1"))
    answers = [metadata.answer(f"{path}/task", peer) for path in paths for peer in ("10.97.0.2", "10.97.0.3")]
    assert len({answer["TaskARN"] for answer in answers if answer}) == 4


@pytest.mark.parametrize("path", ["/", "/v4/", "/v4/unknown", "/v4/unknown/task", "/bucket/key", "/v2/metadata"])
def test_what_asks_for_something_else_is_left_to_aws(path: str) -> None:
    metadata = Metadata(HOME)
    metadata.variables(definition(), "http://h:1")
    assert metadata.answer(path, "10.97.0.2") is None


def test_what_answers_on_a_machine_of_ec2_alone_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = ("127.0.0.1", server.getsockname()[1])
        assert unlike_fargate(there).startswith("EC2's instance metadata: 127.0.0.1 answers programs on this machine")
        unlike_fargate.cache_clear()
    assert unlike_fargate(there) == ""
