"""The load balancer: a reverse proxy that obeys the listener's rules, checks its targets and drains them."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
from aiohttp import web

from nova_infra.rehearsal.clock import HEALTH_CHECK_COMPRESSION
from nova_infra.rehearsal.metrics import Metric, MetricStore
from nova_infra.rehearsal.routing import Rule, Target, TargetGroup
from nova_infra.rehearsal.task import Task

_HOP_BY_HOP = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)


class LoadBalancer:
    """One listener of a load balancer, on a port of this machine.

    Attributes:
        full_name: The ``LoadBalancer`` dimension of its metrics.
        rules: Its rules, the default one included.
        port: The port it listens on, once started.
    """

    def __init__(self, *, full_name: str, store: MetricStore) -> None:
        """Create it without rules.

        Args:
            full_name: The ``LoadBalancer`` dimension of its metrics.
            store: Where its metrics go.
        """
        self.rules: list[Rule] = []
        self.port = 0
        self.full_name = full_name
        self._store = store
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=1)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=0, force_close=False, keepalive_timeout=15),
            timeout=aiohttp.ClientTimeout(total=60),
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def register(self, group: TargetGroup, task: Task) -> Target:
        """Add a task to a target group; it gets requests once it has passed a health check."""
        target = Target(task)
        group.targets.append(target)
        return target

    async def deregister(self, group: TargetGroup, target: Target) -> None:
        """Stop sending requests to a target, wait for those under way, and remove it."""
        target.draining = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(target.idle.wait(), group.drain / HEALTH_CHECK_COMPRESSION)
        group.targets.remove(target)

    async def wait_healthy(self, group: TargetGroup, target: Target) -> bool:
        """Check a new target until it is healthy, or has failed as often as makes a target unhealthy."""
        for _ in range(group.unhealthy_threshold):
            if await self._probe(group, target):
                # After registration one good check is enough:
                # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
                target.healthy = True
                return True
            await asyncio.sleep(group.interval / HEALTH_CHECK_COMPRESSION)
        return False

    async def keep_checking(self, group: TargetGroup, target: Target) -> None:
        """Watch a target's health until it drains."""
        streak = 0
        while not target.draining:
            await asyncio.sleep(group.interval / HEALTH_CHECK_COMPRESSION)
            good = await self._probe(group, target)
            streak = 0 if good == target.healthy else streak + 1
            if streak >= (group.healthy_threshold if good else group.unhealthy_threshold):
                target.healthy, streak = good, 0

    async def _probe(self, group: TargetGroup, target: Target) -> bool:
        assert self._session is not None, "probes follow start()"
        try:
            async with self._session.get(
                f"http://127.0.0.1:{target.task.port}{group.health_path}",
                timeout=aiohttp.ClientTimeout(total=group.timeout),
                allow_redirects=False,
                headers={"User-Agent": "ELB-HealthChecker/2.0"},
            ) as response:
                if group.accepts(response.status):
                    return True
                target.last_fault = f"GET {group.health_path} answered {response.status}"
        except TimeoutError:
            target.last_fault = f"GET {group.health_path} did not answer within {group.timeout:g} s"
        except aiohttp.ClientError as error:
            target.last_fault = f"GET {group.health_path} got no answer ({error.__class__.__name__})"
        return False

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        for rule in sorted(self.rules, key=lambda rule: rule.priority):
            if rule.matches(request.host.partition(":")[0], path):
                break
        else:
            return web.Response(status=404)
        if rule.fixed is not None:
            status, content_type, body = rule.fixed
            return web.Response(status=status, content_type=content_type, text=body)
        group = rule.choose()
        target = group.next_target() if group else None
        if group is None or target is None:
            self._count(None, "HTTPCode_ELB_5XX_Count", 1)
            return web.Response(status=503, text="no target is registered")
        return await self._forward(request, group, target)

    async def _forward(self, request: web.BaseRequest, group: TargetGroup, target: Target) -> web.StreamResponse:
        assert self._session is not None, "requests follow start()"
        loop = asyncio.get_running_loop()
        began = loop.time()
        headers = [(key, value) for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP]
        headers += [("X-Forwarded-For", request.remote or ""), ("X-Forwarded-Proto", "http")]
        status: int | None = None
        target.enter()
        try:
            async with self._session.request(
                request.method,
                f"http://127.0.0.1:{target.task.port}{request.raw_path}",
                headers=headers,
                data=request.content if request.body_exists else None,
                allow_redirects=False,
            ) as upstream:
                response = web.StreamResponse(status=upstream.status)
                for key, value in upstream.headers.items():
                    if key.lower() not in _HOP_BY_HOP:
                        response.headers.add(key, value)
                await response.prepare(request)
                async for chunk in upstream.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                status = upstream.status
                return response
        except TimeoutError:
            return web.Response(status=504, text="the target did not answer in time")
        except aiohttp.ClientError:
            return web.Response(status=502, text="the target closed the connection")
        finally:
            target.leave()
            target.served += 1
            target.failed += status is None or status >= 500
            self._measure(group, status, loop.time() - began)

    def _measure(self, group: TargetGroup, status: int | None, seconds: float) -> None:
        self._count(group, "RequestCount", 1)
        if status is None:
            self._count(group, "HTTPCode_ELB_5XX_Count", 1)
        else:
            self._count(group, f"HTTPCode_Target_{status // 100}XX_Count", 1)
            self._count(group, "TargetResponseTime", seconds)

    def _count(self, group: TargetGroup | None, name: str, value: float) -> None:
        dimensions = {"LoadBalancer": self.full_name}
        self._store.record(Metric.of("AWS/ApplicationELB", name, dimensions), value)
        if group is not None:
            dimensions["TargetGroup"] = group.name
            self._store.record(Metric.of("AWS/ApplicationELB", name, dimensions), value)
