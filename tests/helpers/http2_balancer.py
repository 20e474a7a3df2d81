"""A load balancer before one target that speaks HTTP/2."""

import asyncio
import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp

from helpers.http2_server import Answer, serving
from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.load_balancer.proxy import LoadBalancer
from nova_infra.rehearsal.load_balancer.routing import RoutingRule, WeightedGroup
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup, read_target_group


def group_of(version: str, **properties: Any) -> TargetGroup:
    settings = {"ProtocolVersion": version, "HealthCheckTimeoutSeconds": 0.3, **properties}
    return TargetGroup("g", read_target_group(settings))


def target_at(port: int) -> Target:
    task: Any = SimpleNamespace(
        port=port, address="10.0.3.4", definition=SimpleNamespace(fault="", revision="api:2", port=8080)
    )
    return Target(task, healthy=True)


def through_the_balancer(
    version: str,
    answer: Answer | contextlib.AbstractAsyncContextManager[int],
    send: Callable[[aiohttp.ClientSession, str], Any],
    idle: float = 60,
    **properties: Any,
) -> tuple[Any, TargetGroup, MetricStore]:
    store, group = MetricStore(), group_of(version, **properties)

    async def play() -> Any:
        balancer = LoadBalancer(
            full_name="app/b/1", protocol="HTTPS", public_port=443, siblings={}, store=store, idle_timeout=idle
        )
        async with answer if isinstance(answer, contextlib.AbstractAsyncContextManager) else serving(answer) as port:
            group.targets.append(target_at(port))
            balancer.rules = [RoutingRule("all", 1.0, forward=[WeightedGroup(group, 100)])]
            await balancer.start()
            try:
                async with aiohttp.ClientSession() as client:
                    return await send(client, balancer.url)
            finally:
                await balancer.stop()

    return asyncio.run(play()), group, store
