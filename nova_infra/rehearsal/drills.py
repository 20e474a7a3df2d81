"""Fault drills: a release with something wrong with it, and what must come of it.

A drill plays only the part of the pipeline that the fault can reach: the happy path has shown the rest. It releases the
candidate with a fault over the candidate itself, so that nothing but the fault differs, and in production over the one
service that has the fault, unless the drill is about its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from nova_infra.errors import NovaError
from nova_infra.rehearsal.assembly import Assembly
from nova_infra.rehearsal.blast import BlastRadius, blast_radius
from nova_infra.rehearsal.edits import Edit, fault_in, previous_images, repositories
from nova_infra.rehearsal.pipeline import Action, ApprovalAction, BuildAction, DeployAction, Pipeline, Stage
from nova_infra.rehearsal.record import NO_TARGET, DeploymentRecord, Record
from nova_infra.rehearsal.release import Release

Reach = Literal["first tests", "last tests", "approval", "production", "all of production"]
Check = Callable[[Record, str], list[str]]


@dataclass(frozen=True)
class Drill:
    """One fault and what must follow.

    Attributes:
        name: What to call it on the command line.
        title: What is wrong with the release.
        expected: What must follow, in a sentence.
        reach: The part of the pipeline that is played.
        check: What is missing of that, in clauses, from the record and the faulty service's name.
        fault: The fault in the candidate.
        baseline_fault: A fault in what ran before.
        approves: Whether the approval is given.
        minutes_before: Simulated minutes for which what ran before serves alone.
    """

    name: str
    title: str
    expected: str
    reach: Reach
    check: Check
    fault: str = ""
    baseline_fault: str = ""
    approves: bool = True
    minutes_before: int = 0


@dataclass
class DrillResult:
    """How a drill went.

    Attributes:
        drill: Its name.
        title: What was wrong with the release.
        expected: What had to follow.
        service: The service that had the fault.
        canary: Which canary it was played with.
        misses: What did not follow; empty when it passed.
        seconds: How long it took.
        record: What happened.
    """

    drill: str
    title: str
    expected: str
    service: str
    canary: str
    misses: list[str]
    seconds: float
    record: Record = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether everything that had to follow did."""
        return not self.misses

    @property
    def deployment(self) -> DeploymentRecord | None:
        """The faulty service's deployment, None where it did not come to one."""
        return _deployment_of(self.record, self.service)

    @property
    def blast(self) -> BlastRadius | None:
        """How far the fault got, None where it was not deployed."""
        return blast_radius(self.deployment) if self.deployment else None

    def as_json(self) -> dict[str, Any]:
        """The result as JSON-ready data."""
        blast = self.blast.as_json() if self.blast else None
        return {**asdict(self), "passed": self.passed, "blast_radius": blast}


def rolled_back(*, because: str, told: bool = False) -> Check:
    """The faulty service goes back, for a reason; the old revision answered every request; the pipeline stopped."""

    def check(record: Record, service: str) -> list[str]:
        deployment = _deployment_of(record, service)
        if deployment is None:
            return [f"{service} was not deployed"]
        misses = []
        if deployment.outcome != "rolled back":
            misses.append(f"{deployment.service} ended {deployment.outcome}, not rolled back")
        elif because not in deployment.reason:
            misses.append(f"{deployment.service} went back for another reason: {deployment.reason}")
        failed = sum(r.failed for s in deployment.samples for name, r in s.requests.items() if name == deployment.old)
        if failed:
            misses.append(f"the old revision failed {failed} requests meanwhile")
        if unserved := sum(s.requests[NO_TARGET].failed for s in deployment.samples if NO_TARGET in s.requests):
            misses.append(f"{unserved} requests found no target meanwhile")
        if told and not any("is in ALARM" in notification.message for notification in record.notifications):
            misses.append("nobody was told")
        if record.stages[0].status != "failed":
            misses.append(f"{record.stages[0].name} {record.stages[0].status}")
        return misses

    return check


def _others_go_through(record: Record, service: str) -> list[str]:
    misses = rolled_back(because="failed")(record, service)
    for deployment in record.deployments:
        if not deployment.baseline and service not in deployment.service and deployment.outcome != "completed":
            misses.append(f"{deployment.service} ended {deployment.outcome}")
    return misses


def _goes_through(record: Record, service: str) -> list[str]:
    deployment = _deployment_of(record, service)
    outcome = deployment.outcome if deployment else "not deployed"
    return [] if outcome == "completed" else [f"{service} ended {outcome}"]


def _without_a_lost_request(record: Record, service: str) -> list[str]:
    failed = sum(requests.failed for requests in record.load.values())
    return _goes_through(record, service) + ([f"{failed} requests failed"] if failed else [])


def _unwatched(record: Record, service: str) -> list[str]:
    deployment = _deployment_of(record, service)
    unwatched = deployment is not None and bool(deployment.unwatched)
    return _goes_through(record, service) + ([] if unwatched else ["ECS watched its alarms all the same"])


def _replaced(record: Record, service: str) -> list[str]:
    deployment = _deployment_of(record, service)
    if deployment is None:
        return [f"{service} was not deployed"]
    misses = [] if deployment.lost else ["no task was killed"]
    return (
        misses if deployment.outcome == "rolled back" or deployment.running else [*misses, "no task serves in the end"]
    )


def _stopped_at(kind: str) -> Check:
    """The first stage stops at an action of that kind, and the ones after it are not reached."""

    def check(record: Record, _: str) -> list[str]:
        first, *later = record.stages
        failed = [action.kind for action in first.actions if action.status == "failed"]
        misses = [] if failed == [kind] else [f"{first.name} {first.status}, and its {kind} did not stop it"]
        return misses + [f"{stage.name} was reached" for stage in later if stage.status != "not reached"]

    return check


DRILLS = (
    Drill(
        "crash-at-start",
        "the service crashes while it starts",
        "the circuit breaker rolls it back before it gets any traffic",
        "production",
        rolled_back(because="circuit breaker"),
        fault="crash",
    ),
    Drill(
        "never-healthy",
        "the service answers its health check with 500",
        "the circuit breaker rolls it back before it gets any traffic",
        "production",
        rolled_back(because="circuit breaker"),
        fault="unhealthy",
    ),
    Drill(
        "errors",
        "the service answers four of five requests with 500",
        "the errors alarm rolls it back while it has the canary's share of the traffic",
        "production",
        rolled_back(because="-errors went to ALARM", told=True),
        fault="errors:0.8",
    ),
    Drill(
        "slow",
        "the service takes three seconds for an answer",
        "the latency alarm rolls it back",
        "production",
        rolled_back(because="-latency went to ALARM", told=True),
        fault="slow:3",
    ),
    Drill(
        "cpu-burn",
        "the service keeps a processor busy all the time",
        "the CPU alarm rolls it back",
        "production",
        rolled_back(because="-cpu went to ALARM", told=True),
        fault="cpu",
    ),
    Drill(
        "memory-growth",
        "the service takes memory until it is killed",
        "its tasks are killed and replaced, and what is lost meanwhile is shown: no alarm names this fault",
        "production",
        _replaced,
        fault="memory",
    ),
    Drill(
        "hang-on-sigterm",
        "what runs now does not stop when it is told to",
        "its tasks are killed after their stop timeout, and the new release goes through without a lost request",
        "production",
        _without_a_lost_request,
        baseline_fault="deaf-to-sigterm",
    ),
    Drill(
        "alarm-already-red",
        "what runs now fails requests, and so does the release",
        "ECS watches no alarm, so the release goes through: this is what the preflight is for",
        "production",
        _unwatched,
        fault="errors:0.8",
        baseline_fault="errors:0.8",
        minutes_before=2,
    ),
    Drill(
        "full-traffic",
        "the service begins to fail after thirty requests, which the canary's share does not reach",
        "the errors alarm rolls it back from full traffic",
        "production",
        rolled_back(because="-errors went to ALARM at 100 %", told=True),
        fault="errors-after:30",
    ),
    Drill(
        "one-of-four",
        "one service crashes while it starts, the others are good",
        "that one is rolled back alone, the others go through",
        "all of production",
        _others_go_through,
        fault="crash",
    ),
    Drill(
        "integration-red",
        "the service looks healthy and finds nothing that it is asked for",
        "the integration tests stop the pipeline in the first environment",
        "first tests",
        _stopped_at("build"),
        fault="wrong-answers",
    ),
    Drill(
        "browser-red",
        "the service looks healthy and does not find its own page",
        "the browser tests stop the pipeline before production",
        "last tests",
        _stopped_at("build"),
        fault="wrong-answers",
    ),
    Drill(
        "approval-rejected",
        "nobody approves the release",
        "the pipeline stops there, and production is not reached",
        "approval",
        _stopped_at("approval"),
        approves=False,
    ),
)


def choose(names: Sequence[str]) -> list[Drill]:
    """The drills of these names; ``all`` stands for every one.

    Raises:
        NovaError: There is no such drill.
    """
    known = {drill.name: drill for drill in DRILLS}
    if unknown := [name for name in names if name not in known and name != "all"]:
        raise NovaError(f"--drill {unknown[0]}: there is no such drill: choose among {', '.join(known)} and all")
    return [drill for drill in DRILLS if "all" in names or drill.name in names]


@dataclass(frozen=True)
class Plan:
    """What is played in a drill.

    Attributes:
        pipeline: The part of the pipeline.
        candidate: The release with the fault.
        baseline: What runs before.
        service: The service that has the fault.
    """

    pipeline: Pipeline
    candidate: Release
    baseline: Release
    service: str


def plan(drill: Drill, candidate: Release) -> Plan:
    """What to play for a drill.

    Args:
        drill: The drill.
        candidate: The release that the drill takes as good.

    Raises:
        NovaError: The pipeline has no such part.
    """
    pipeline = candidate.pipeline()
    service = _first_service(pipeline, candidate.assembly)
    stages = _stages(pipeline, drill.reach)
    if drill.reach == "production":
        stages = [_only(stages[0], service, candidate.assembly)]
    edits: tuple[Edit, ...] = candidate.edits
    faulty = (*edits, fault_in(service, drill.fault)) if drill.fault else edits
    before = (*edits, fault_in(service, drill.baseline_fault)) if drill.baseline_fault else edits
    return Plan(
        Pipeline(pipeline.name, tuple(stages)),
        replace(candidate, name=f"a release in which {drill.title}", edits=faulty),
        replace(candidate, name="the same release without the fault", edits=(*before, previous_images)),
        service,
    )


def _stages(pipeline: Pipeline, reach: Reach) -> list[Stage]:
    stages = pipeline.stages
    deployed = [number for number, stage in enumerate(stages) if _has(stage, DeployAction)]
    tested = [number for number in deployed if _has(stages[number], BuildAction)]
    approvals = [number for number, stage in enumerate(stages) if _has(stage, ApprovalAction)]
    places = {
        "first tests": tested[:1],
        "last tests": tested[-1:],
        "approval": approvals[:1],
        "production": deployed[-1:],
        "all of production": deployed[-1:],
    }[reach]
    if not places:
        raise NovaError(f"--drill: the pipeline has no stage for a drill about its {reach}: leave that drill out")
    return list(stages[places[0] :])


def _has(stage: Stage, kind: type[Action]) -> bool:
    return any(isinstance(action, kind) for action in stage.actions)


def _only(stage: Stage, service: str, assembly: Assembly) -> Stage:
    """The stage without the services other than one, and without what runs after the services."""
    names = {a: repositories(assembly.template(a.template_path)) for a in stage.actions if isinstance(a, DeployAction)}
    order = max(action.run_order for action, services in names.items() if service in services)
    kept = [a for a, services in names.items() if a.run_order <= order and (not services or service in services)]
    return replace(stage, actions=tuple(kept))


def _first_service(pipeline: Pipeline, assembly: Assembly) -> str:
    for stage in reversed(pipeline.stages):
        for action in stage.actions:
            if isinstance(action, DeployAction):
                for repository in repositories(assembly.template(action.template_path)):
                    return repository
    raise NovaError("--drill: the pipeline deploys no service: there is nothing to put a fault into")


def _deployment_of(record: Record, service: str) -> DeploymentRecord | None:
    return next((d for d in record.deployments if not d.baseline and d.service.endswith(service)), None)
