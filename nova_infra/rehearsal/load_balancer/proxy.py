"""The load balancer: answers 502, 503, 504 itself, counts failed health checks, drains, closes idle connections."""

import asyncio
import functools
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from nova_infra.rehearsal.clock import COMPRESSED, Pace
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore
from nova_infra.rehearsal.load_balancer.client import MOST_HEADERS, bound, metric_of, open_client, port_of, probe
from nova_infra.rehearsal.load_balancer.exchange import ClientGoneError, Silence, TargetAnswer, exchange
from nova_infra.rehearsal.load_balancer.firewall import RequestFilter
from nova_infra.rehearsal.load_balancer.headers import PublicName
from nova_infra.rehearsal.load_balancer.interference import Interference
from nova_infra.rehearsal.load_balancer.routing import (
    REQUEST_HEADER,
    USER_HEADER,
    FixedResponse,
    Redirect,
    RoutingRule,
    normalized,
)
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup
from nova_infra.rehearsal.tasks.task import Task

# No connection that a service may be about to close is used again. The load balancer's own 60 s would be an hour here.
_KEEP_ALIVE_SECONDS = 2.0
# HTTP headers: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
_MOST_LINE_BYTES = 16 * 1024
_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # by the HTTP client itself
IDLE_TIMEOUT_SECONDS = 60.0
"""AWS's default."""
_NEVER_SHORTER = 60.0
_USUAL = {"HTTP": 80, "HTTPS": 443, "TCP": 80, "TLS": 443}


class LoadBalancer:
    """One listener of a load balancer, on a port of this machine.

    Attributes:
        full_name: The ``LoadBalancer`` dimension of its metrics.
        protocol: ``HTTP`` or ``HTTPS``, spoken in plain text here, or ``TCP`` or ``TLS`` of a network load balancer.
        rules: Its rules, the default one included.
        firewall: What refuses requests before any rule leads them on.
        port: The port it listens on, once started.
        public_name: The name by which its users know it, but for those who ask for a rule's own host.
        sent_to: Number of a request of the synthetic load to the revision that got it.
    """

    def __init__(
        self,
        *,
        full_name: str,
        protocol: str,
        public_port: int,
        siblings: dict[str, str],
        store: MetricStore,
        pace: Pace = COMPRESSED,
        idle_timeout: float = IDLE_TIMEOUT_SECONDS,
    ) -> None:
        """Create it without rules.

        Args:
            siblings: ``<protocol>:<public port>`` to base URL on this machine, of all listeners of the load balancer.
            idle_timeout: Seconds that it waits in AWS for a silent target.
        """
        self._idle_timeout = idle_timeout
        self._silence = Silence()
        self.rules: list[RoutingRule] = []
        self.firewall = RequestFilter()
        self.port = 0
        self.sent_to: dict[str, str] = {}
        self.full_name = full_name
        self.public_name = ""
        self.protocol = protocol
        self.public_port = public_port
        self._siblings = siblings
        self._store = store
        self._names: dict[int, str] = {}
        self._pace = pace
        self._runner: web.ServerRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        """Its base URL on this machine."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def public_host(self) -> str:
        """The host that a browser names for it."""
        return self._with_port(self.public_name)

    def _with_port(self, name: str) -> str:
        return name if _USUAL[self.protocol] == self.public_port or not name else f"{name}:{self.public_port}"

    def _name_of(self, request: web.BaseRequest) -> PublicName | None:
        """What a client would ask for in AWS, if it asks for an address of this machine."""
        port = port_of(request)
        host = self._with_port(self._names.get(port) or self.public_name)
        is_address = request.host.rpartition(":")[2] == str(port)
        return PublicName(f"http://{request.host}", self.protocol.lower(), host) if is_address and host else None

    async def start(self, gateway: str | None = None) -> None:
        """Listen on a free port of the loopback interface."""
        self._session = open_client(
            skip_auto_headers=_NOT_ADDED,
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=self.idle_timeout if self._pace.is_real else _KEEP_ALIVE_SECONDS
            ),
        )
        most: dict[str, Any] = dict.fromkeys(("max_line_size", "max_field_size"), _MOST_LINE_BYTES)
        server = web.Server(self._handle, max_headers=MOST_HEADERS, **most)
        self._runner = web.ServerRunner(server, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024)
        starting = asyncio.ensure_future(site.start())
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await starting  # Half started, nobody could close the port.
            raise
        self.port = self._runner.addresses[0][1]
        if gateway is not None:
            await web.SockSite(self._runner, bound(gateway, self.port), backlog=1024).start()
        self._siblings[f"{self.protocol.lower()}:{self.public_port}"] = self.url

    async def address_of(self, host: str, gateway: str | None = None) -> str:
        """The base URL on this machine of a name that leads here.

        Here all names are one address, and what a client calls it is lost. A name that a rule is for gets a port of its
        own, whose requests are taken for requests to that name.
        """
        if not any(rule.names(host) for rule in self.rules):
            return self.url
        for port, known in self._names.items():
            if known == host:
                return f"http://127.0.0.1:{port}"
        assert self._runner is not None, "started"
        listening = bound("127.0.0.1", 0)
        self._names[port := listening.getsockname()[1]] = host
        await web.SockSite(self._runner, listening, backlog=1024).start()
        if gateway is not None:
            await web.SockSite(self._runner, bound(gateway, port), backlog=1024).start()
        return f"http://127.0.0.1:{port}"

    @property
    def idle_timeout(self) -> float:
        """Seconds that it waits for a silent target in AWS. A change applies from the next request on."""
        return self._idle_timeout

    @idle_timeout.setter
    def idle_timeout(self, seconds: float) -> None:
        self._idle_timeout = seconds
        if self._pace.is_real and self._session is not None and self._session.connector is not None:
            self._session.connector._keepalive_timeout = seconds  # There is no public way.

    @property
    def idle_seconds(self) -> float:
        """How long a silent target is waited for here: up to a minute, as targets answer in real time."""
        return max(self.idle_timeout / self._pace.timeouts, min(self.idle_timeout, _NEVER_SHORTER))

    @property
    def _client(self) -> aiohttp.ClientSession:
        assert self._session is not None, "started"
        return self._session

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    def register(self, group: TargetGroup, task: Task) -> Target:
        """Add a task to a target group; it gets requests once it has passed a health check."""
        target = Target(task, interference=Interference(task.definition.fault, group.settings.health_path))
        group.targets.append(target)
        return target

    async def deregister(self, group: TargetGroup, target: Target) -> None:
        """Stop sending requests to a target, wait for those under way, and remove it.

        They get all of the time that they have in AWS, as they take as long as there. After that users get 502,
        whatever the target would have answered: see "HTTP 502" in
        https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html.
        """
        target.draining = True
        try:
            await asyncio.wait_for(target.idle.wait(), group.settings.drain)
        except TimeoutError:
            target.cut_off()
        group.targets.remove(target)

    async def wait_healthy(self, group: TargetGroup, target: Target) -> bool:
        """Check a new target until it is healthy, or is unhealthy and ECS gives it up."""
        failures = 0
        while not await probe(self._client, group, target):
            failures += 1
            if failures >= group.settings.unhealthy_threshold and target.task.patience_left() <= 0:
                return False
            await asyncio.sleep(group.settings.interval / self._pace.checks)
        # After registration one good check is enough:
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
        target.healthy = True
        return True

    async def keep_checking(self, group: TargetGroup, target: Target) -> None:
        """Watch a target's health until it drains."""
        streak = 0
        while not target.draining:
            await asyncio.sleep(group.settings.interval / self._pace.checks)
            good = await probe(self._client, group, target)
            streak = 0 if good is target.healthy else streak + 1
            if streak >= (group.settings.healthy_threshold if good else group.settings.unhealthy_threshold):
                target.healthy, streak = good, 0

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if (refused_by := self.firewall.refusing(request)) is not None:
            return web.Response(status=403, text=f"403 Forbidden: {refused_by} of the firewall")
        host = self._names.get(port_of(request)) or request.host.partition(":")[0]
        path, (_, _, query) = normalized(request.raw_path), request.raw_path.partition("?")
        for rule in sorted(self.rules, key=lambda rule: rule.priority):
            if rule.matches(host, path, request.headers, method=request.method, query=query):
                break
        else:
            return web.Response(status=404)
        match rule.answer:
            case FixedResponse() as answer:
                return web.Response(status=answer.status, content_type=answer.content_type, text=answer.body)
            case Redirect() as redirect:
                signed = {"Location": self._location(redirect, request), "Server": "awselb/2.0"}
                return web.Response(status=redirect.status, headers=signed)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return web.Response(status=501, text="the rehearsal's load balancer does not carry WebSockets")
        group = rule.choose()
        target = group.next_target() if group else None
        if group is None or target is None:
            self._answered_itself(503)
            if group is not None:
                group.audience.note(request.headers.get(USER_HEADER), None, failed=True)
            return web.Response(status=503, text="no target is healthy")
        return await self._forward(request, group, target)

    def _location(self, redirect: Redirect, request: web.BaseRequest) -> str:
        """Where a redirect leads: to the listener on this machine where it is one of the same load balancer."""
        url = request.url
        location = redirect.location(
            protocol=self.protocol,
            host=url.host or "",
            port=str(self.public_port),
            path=request.path,
            query=request.query_string,
        )
        leads_to = URL(location)
        sibling = self._siblings.get(f"{leads_to.scheme}:{leads_to.port}")
        if sibling is None or leads_to.host != url.host:
            return location
        return sibling.replace("127.0.0.1", url.host or "127.0.0.1") + leads_to.raw_path_qs

    async def _forward(self, request: web.BaseRequest, group: TargetGroup, target: Target) -> web.StreamResponse:
        """Pass a request on, and count it as the load balancer does.

        A target was chosen, so the request counts for its group. An answer counts once its headers are there, whatever
        becomes of its body; a target that hangs or closes the connection has none, nor has a client that went away.
        """
        began = asyncio.get_running_loop().time()
        answer, blamed = TargetAnswer(), True
        asked = (target.revision, request.method, request.path)
        waits = self.idle_seconds if self._pace.is_real else self._silence.seconds(asked, self.idle_seconds)
        if (number := request.headers.get(REQUEST_HEADER)) is not None:
            self.sent_to[number] = target.revision
        handler = asyncio.current_task()
        assert handler is not None, "requests are handled in tasks"
        target.enter(handler)
        try:
            return await exchange(
                self._client,
                request,
                target,
                answer,
                protocol=self.protocol,
                public_port=self.public_port,
                settings=group.settings,
                idle_seconds=waits,
                name=self._name_of(request),
            )
        except ClientGoneError as error:
            blamed = False
            return web.Response(status=error.status)
        except asyncio.CancelledError:
            if not target.was_cut(handler):
                raise
            return self._answer_instead(request, 502, "the target's deregistration delay is over")
        except TimeoutError as error:
            if (metric := metric_of(error)) is not None:
                self._count(group, metric, 1)
            else:
                self._silence.silent(asked, began=began, ended=asyncio.get_running_loop().time())
                answer.added += max(self.idle_timeout - waits, 0.0)
            return self._answer_instead(request, 504, "the target did not answer in time")
        except (aiohttp.ClientError, ConnectionError) as error:
            if (metric := metric_of(error)) is not None:
                self._count(group, metric, 1)
            return self._answer_instead(request, 502, "the target closed the connection")
        finally:
            target.leave(handler)
            took = asyncio.get_running_loop().time() - began
            if answer.whole:
                self._silence.answered(asked, took)
            if blamed:
                target.answered(took + answer.added, failed=answer.failed)
                group.audience.note(request.headers.get(USER_HEADER), target.revision, failed=answer.failed)
            self._count(group, "RequestCount", 1)
            if answer.status is not None:
                self._count(group, f"HTTPCode_Target_{answer.status // 100}XX_Count", 1)
                self._count(group, "TargetResponseTime", answer.seconds)

    def _answer_instead(self, request: web.BaseRequest, status: int, text: str) -> web.Response:
        """Answer for a target that gave no answer, or not all of it."""
        if request.transport is not None and request.writer.output_size:
            request.transport.close()  # Half an answer went out: the client has to see that it is not whole.
        else:
            self._answered_itself(status)
        return web.Response(status=status, text=text)

    def _answered_itself(self, status: int) -> None:
        """Count an error of the load balancer's own, without a target group (ELB: cloudwatch-metrics)."""
        self._count(None, "HTTPCode_ELB_5XX_Count", 1)
        self._count(None, f"HTTPCode_ELB_{status}_Count", 1)

    def _count(self, group: TargetGroup | None, name: str, value: float) -> None:
        self._store.record(_metric(name, self.full_name, None), value)
        if group is not None:
            self._store.record(_metric(name, self.full_name, group.name), value)


@functools.cache
def _metric(name: str, load_balancer: str, group: str | None) -> Metric:
    """A metric of the load balancer or of a target group. Created once, because every request needs it."""
    dimensions = {"LoadBalancer": load_balancer} | ({"TargetGroup": group} if group is not None else {})
    return Metric.of("AWS/ApplicationELB", name, dimensions)
