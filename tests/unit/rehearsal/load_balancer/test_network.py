"""A network load balancer: what it passes on, what it counts, and when it takes a target for healthy."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from helpers.balancer import task_on
from nova_infra.rehearsal.clock import Pace
from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.ecs.rollout import DeploymentConfiguration, TrafficStep
from nova_infra.rehearsal.environment.load import Load
from nova_infra.rehearsal.load_balancer.client import open_client, probe
from nova_infra.rehearsal.load_balancer.network import NetworkLoadBalancer
from nova_infra.rehearsal.load_balancer.routing import REQUEST_HEADER, USER_HEADER, RoutingRule, WeightedGroup
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup, read_target_group
from nova_infra.rehearsal.record import REQUESTS_PER_MINUTE, Requests

Story = Callable[[NetworkLoadBalancer, TargetGroup, Target], Awaitable[None]]
CHECK = {"Protocol": "TCP", "TargetGroupAttributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "1"}]}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Greets first, as a mail server does, where the first line asks for it; fails, hangs or answers otherwise."""
    line = await reader.readline()
    if b"/hangs" in line:
        await reader.read()
    elif b"/closes" not in line:
        status = b"500 No" if b"/fails" in line else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
    writer.close()


async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks first."""
    writer.write(b"220 ready\r\n")
    writer.close()


def play(story: Story, server: Callable[..., Awaitable[None]] = serve) -> None:
    """Tell a story about a balancer in front of one healthy target."""

    async def whole() -> None:
        serving = await asyncio.start_server(server, "127.0.0.1", 0)
        group = TargetGroup("tg", read_target_group(CHECK))
        balancer = NetworkLoadBalancer(
            full_name="net/mail/1", protocol="TCP", public_port=25, siblings={}, store=MetricStore()
        )
        balancer.rules = [RoutingRule("listener", float("inf"), forward=[WeightedGroup(group, 1)])]
        await balancer.start()
        target = Target(task_on(serving.sockets[0].getsockname()[1]), healthy=True)
        group.targets.append(target)
        try:
            await story(balancer, group, target)
        finally:
            await balancer.stop()
            serving.close()

    asyncio.run(asyncio.wait_for(whole(), 30))


async def ask(balancer: NetworkLoadBalancer, path: str, number: int = 1) -> int:
    """The status of one user's request; 0 for no answer."""
    headers = {REQUEST_HEADER: str(number), USER_HEADER: f"u{number}", "Connection": "close"}
    try:
        async with open_client(headers=headers) as client, client.get(f"{balancer.url}{path}") as response:
            return response.status
    except aiohttp.ClientError:
        return 0


def test_each_connection_counts_by_what_comes_back_first() -> None:
    async def story(balancer: NetworkLoadBalancer, group: TargetGroup, target: Target) -> None:
        assert [await ask(balancer, path, n) for n, path in enumerate(("/", "/fails", "/closes"))] == [200, 500, 0]
        assert all(balancer.sent_to[number] is target for number in "012")
        await target.idle.wait()
        assert (target.served, target.failed) == (3, 2)
        assert group.audience.reached == {"tiny:2": {"u0", "u1", "u2"}}
        assert group.audience.hit == {"u1", "u2"}

    play(story)


def test_a_target_that_takes_no_connection_fails_its_users_and_its_check() -> None:
    async def story(balancer: NetworkLoadBalancer, group: TargetGroup, target: Target) -> None:
        target.task = cast(Any, SimpleNamespace(**vars(target.task), listens_on=lambda _: None))
        async with open_client() as client:
            assert await probe(client, group, target)
            target.task.port = 1
            assert not await probe(client, group, target)
        assert target.last_fault == "port 8080 refuses connections"
        assert await ask(balancer, "/") == 0
        await target.idle.wait()
        assert (balancer.sent_to, target.failed) == ({"1": target}, 1)
        target.draining = True
        assert await ask(balancer, "/") == 0
        assert group.audience.unserved == 1

    play(story)


def test_either_side_may_speak_first() -> None:
    async def story(balancer: NetworkLoadBalancer, group: TargetGroup, target: Target) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", balancer.port)
        assert await reader.readline() == b"220 ready\r\n"
        writer.close()

    play(story, greet)


def test_a_connection_that_outlasts_the_deregistration_delay_is_cut() -> None:
    async def story(balancer: NetworkLoadBalancer, group: TargetGroup, target: Target) -> None:
        asking = asyncio.create_task(ask(balancer, "/hangs"))
        while target.idle.is_set():
            await asyncio.sleep(0.01)
        await balancer.deregister(group, target)
        assert await asking == 0
        assert group.targets == []

    play(story)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"Protocol": "TCP"}, (True, 10.0, "200-399")),
        ({"Protocol": "TCP", "HealthCheckProtocol": "HTTP"}, (False, 6.0, "200-399")),
        ({"Protocol": "TCP", "HealthCheckProtocol": "HTTP", "Matcher": {"HttpCode": "204"}}, (False, 6.0, "204")),
        ({"Protocol": "HTTP"}, (False, 5.0, "200")),
    ],
)
def test_a_group_of_tcp_is_checked_as_aws_does_by_default(
    given: dict[str, Any], wanted: tuple[bool, float, str]
) -> None:
    read = read_target_group(given)
    assert (read.by_connection, read.timeout, read.codes) == wanted


def test_each_user_has_a_connection_of_his_own_whatever_a_server_says_of_it() -> None:
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await reader.read(1)
        writer.close()

    async def story(balancer: NetworkLoadBalancer, group: TargetGroup, target: Target) -> None:
        running = SimpleNamespace(task=SimpleNamespace(definition=target.task.definition, port=target.task.port))
        running.task.running = True
        service: Any = SimpleNamespace(
            is_asked=True, name="tiny", load_balancer=balancer, rule=balancer.rules[0], groups=[group], tasks=[running]
        )
        totals: dict[str, Requests] = {}
        load = Load(totals, "Prod", pace=Pace(0.01))
        await load.start()
        rolling = DeploymentConfiguration("ROLLING", (TrafficStep(100, 0),), (), True, None, 100, 200)
        load.include(service, "tiny", rolling)
        await load.minute()
        await load.stop()
        assert (totals["Prod"].served, totals["Prod"].failed) == (REQUESTS_PER_MINUTE, 0)

    play(story, answer_once)
