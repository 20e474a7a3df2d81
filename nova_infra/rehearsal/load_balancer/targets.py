"""A load balancer's target groups: their settings, their targets, and which target gets the next request."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nova_infra.rehearsal.load_balancer.interference import Interference
from nova_infra.rehearsal.tasks.task import Task
from nova_infra.rehearsal.usage.crowding import with_others

_SHORTEST_SECONDS = 1e-6
"""Shortest time of an answer: a clock may not have moved."""

SLOW_SECONDS = 1.0
"""What an answer may take before a person loses the thread: https://www.nngroup.com/articles/response-times-3-important-limits/"""


@dataclass
class Audience:
    """Who sent requests since the last look, and the answers.

    Attributes:
        reached: Revision to the users whose requests it got.
        hit: Users who got a 5xx or no answer.
        unserved: Requests that found no target.
    """

    reached: dict[str, set[str]] = field(default_factory=dict)
    hit: set[str] = field(default_factory=set)
    unserved: int = 0

    def note(self, user: str | None, revision: str | None, *, failed: bool) -> None:
        """Note a request."""
        self.unserved += revision is None
        if user is None:
            return
        if revision is not None:
            self.reached.setdefault(revision, set()).add(user)
        if failed:
            self.hit.add(user)


@dataclass
class Target:
    """A task registered with a target group.

    Attributes:
        healthy: Whether it passes its health checks; None until it has been checked for the first time.
        draining: Whether it only finishes what it has.
        failed: Number of those that it answered with a 5xx, or not at all.
        seconds: How long the answers took, together.
        log_seconds: The natural logarithms of those times, together.
        slow: Number of good answers that took `SLOW_SECONDS` or longer, on a machine that has nothing else to do.
        last_fault: What the last failed health check saw.
        unusable: Why the load balancer could not pass on an answer, in a clause of the answer; empty where it could.
        checked_as: The address that a process lets health checks name; empty while that is not known.
        interference: A drill's fault on the way to it.
        added_seconds: How much longer it would take for an answer with no more than its CPU units.
    """

    task: Task
    healthy: bool | None = None
    draining: bool = False
    served: int = 0
    failed: int = 0
    seconds: float = 0.0
    log_seconds: float = 0.0
    slow: int = 0
    last_fault: str = "no health check has answered yet"
    unusable: str = ""
    checked_as: str = ""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    interference: Interference = field(default_factory=lambda: Interference("", "/"))
    added_seconds: float = 0.0
    _in_flight: int = 0
    _handlers: set[asyncio.Task[Any]] = field(default_factory=set)
    _cut: set[asyncio.Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.idle.set()

    @property
    def revision(self) -> str:
        """Name of the revision that the task is of."""
        return self.task.definition.revision

    def enter(self, handler: asyncio.Task[Any] | None = None) -> None:
        """Register a request to the target. `cut_off` cancels the task that handles it."""
        self._in_flight += 1
        if handler is not None:
            self._handlers.add(handler)
        self.idle.clear()

    def longer_by(self, seconds: float) -> float:
        """How many more seconds an answer would take, because it waits for CPU or a fault slows it."""
        return self.added_seconds + self.interference.added_seconds(seconds + self.added_seconds)

    def answered(self, seconds: float, *, failed: bool) -> None:
        """Count a request that it answered, or should have."""
        self.served += 1
        self.failed += failed
        self.slow += seconds >= with_others(SLOW_SECONDS) and not failed
        self.seconds += seconds
        self.log_seconds += math.log(max(seconds, _SHORTEST_SECONDS))

    def leave(self, handler: asyncio.Task[Any] | None = None) -> None:
        """Note that a request was answered or given up."""
        self._in_flight -= 1
        if handler is not None:
            self._handlers.discard(handler)
        if not self._in_flight:
            self.idle.set()

    def cut_off(self) -> None:
        """End the requests under way: each is cancelled, and `was_cut` tells its handler why."""
        self._cut |= self._handlers
        for handler in self._handlers:
            handler.cancel()

    def was_cut(self, handler: asyncio.Task[Any]) -> bool:
        """Whether a handler was cancelled only because its target was cut off, in which case it goes on."""
        if handler not in self._cut:
            return False
        self._cut.remove(handler)
        return handler.uncancel() == 0


@dataclass(frozen=True)
class TargetGroupSettings:
    """How a target group checks and drains its targets.

    Attributes:
        unhealthy_threshold: Failed checks in a row until a healthy target is unhealthy.
        healthy_threshold: Good checks in a row until an unhealthy target is healthy.
        codes: Status codes that are good, such as ``200`` or ``200-299``; gRPC's own where it speaks that.
        drain: Seconds that a target may take to finish its requests.
        version: Protocol that it speaks to its targets: ``HTTP1``, ``HTTP2`` or ``GRPC``.
        tls: Whether requests go to its targets over TLS, whatever their certificates: see "Routing configuration" in
            https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html.
        checks_tls: Whether its health checks do.
        by_connection: Whether a target that takes a connection is healthy.
        is_sticky: Whether users return to the target that they have met.
        check_port: The port that its checks ask; 0 for that of the requests. To another, any answer is good.
    """

    health_path: str
    interval: float
    timeout: float
    unhealthy_threshold: int
    healthy_threshold: int
    codes: str
    drain: float
    version: str = "HTTP1"
    check_port: int = 0
    by_connection: bool = False
    is_sticky: bool = False
    tls: bool = False
    checks_tls: bool = False

    def accepts(self, status: int, port: int = 0) -> bool:
        """Whether a status code counts as healthy, if a task whose requests go to a port answers so."""
        if self.check_port not in (0, port):
            return True
        for part in self.codes.split(","):
            low, _, high = part.partition("-")
            if int(low) <= status <= int(high or low):
                return True
        return False


@dataclass
class TargetGroup:
    """A target group.

    Attributes:
        name: Its full name, the ``TargetGroup`` dimension of its metrics.
        audience: Who asked, and what they met.
    """

    name: str
    settings: TargetGroupSettings
    targets: list[Target] = field(default_factory=list)
    audience: Audience = field(default_factory=Audience)
    _turn: int = 0

    @property
    def healthy(self) -> int:
        """How many of its targets are healthy and take new requests."""
        return sum(target.healthy is True and not target.draining for target in self.targets)

    def next_target(self) -> Target | None:
        """The target that the next request goes to, in turns; None where there is none.

        Where none is healthy, all that have been checked are used: the load balancer fails open. A target that has
        just been registered gets nothing before its first good check. See
        https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html.
        """
        checked = [target for target in self.targets if not target.draining and target.healthy is not None]
        candidates = [target for target in checked if target.healthy] or checked
        if not candidates:
            return None
        self._turn += 1
        return candidates[self._turn % len(candidates)]


def health_port(properties: Mapping[str, Any]) -> int:
    """The port that a target group's health checks ask, where it is not the one that requests go to; 0 otherwise."""
    port = str(properties.get("HealthCheckPort", "traffic-port"))
    return int(port) if port.isdigit() else 0


def read_target_group(properties: dict[str, Any]) -> TargetGroupSettings:
    """The settings of the target group that a resource's resolved properties define."""
    attributes = {entry["Key"]: entry["Value"] for entry in properties.get("TargetGroupAttributes", ())}
    version = properties.get("ProtocolVersion", "HTTP1")
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    path, matcher, good = ("/AWS.ALB/healthcheck", "GrpcCode", "12") if version == "GRPC" else ("/", "HttpCode", "200")
    is_of_network = properties.get("Protocol") == "TCP"
    by_connection = is_of_network and properties.get("HealthCheckProtocol", "TCP") == "TCP"
    if is_of_network:
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html
        good = "200-399"
    return TargetGroupSettings(
        health_path=properties.get("HealthCheckPath", path),
        interval=float(properties.get("HealthCheckIntervalSeconds", 30)),
        timeout=float(
            properties.get("HealthCheckTimeoutSeconds", (10 if by_connection else 6) if is_of_network else 5)
        ),
        unhealthy_threshold=int(properties.get("UnhealthyThresholdCount", 2)),
        healthy_threshold=int(properties.get("HealthyThresholdCount", 5)),
        codes=properties.get("Matcher", {}).get(matcher, good),
        drain=float(attributes.get("deregistration_delay.timeout_seconds", 300)),
        version=version,
        check_port=health_port(properties),
        by_connection=by_connection,
        is_sticky=str(attributes.get("stickiness.enabled")).lower() == "true",
        tls=properties.get("Protocol") == "HTTPS",
        # The default is HTTP, whatever the group speaks:
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
        checks_tls=properties.get("HealthCheckProtocol") == "HTTPS",
    )
