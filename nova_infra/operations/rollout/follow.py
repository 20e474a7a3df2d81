"""Follows deployments by what ECS answers again and again: stage, time left, gate, why they rolled back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from nova_infra.deployed.rollouts import AlarmReading, LifecycleHook, Readings, RevisionState, ServiceDeployment
from nova_infra.names import WEB_ALARMS, alarm_name, together_name
from nova_infra.operations.rollout.view import AlarmView, ReleaseView, RevisionView, RolloutView, State

_STAGES = {
    "RECONCILE_SERVICE": "looks at what runs",
    "PRE_SCALE_UP": "before new tasks start",
    "SCALE_UP": "starts new tasks",
    "POST_SCALE_UP": "new tasks run, no traffic yet",
    "TEST_TRAFFIC_SHIFT": "test traffic moves",
    "POST_TEST_TRAFFIC_SHIFT": "tests, before any user",
    "PRE_PRODUCTION_TRAFFIC_SHIFT": "before the next share",
    "PRODUCTION_TRAFFIC_SHIFT": "traffic moves",
    "POST_PRODUCTION_TRAFFIC_SHIFT": "all traffic is on the new revision",
    "BAKE_TIME": "bakes",
    "CLEAN_UP": "stops old tasks",
}
"""Lifecycle stage to what happens in it.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/canary-deployment.html
"""


@dataclass(frozen=True)
class _Phase:
    """A part of a rollout that lasts a while.

    Attributes:
        key: What distinguishes it from the part before.
    """

    key: tuple[str, float]
    began: datetime
    seen_to_begin: bool


class Follower:
    """Remembers since when each rollout has been in its state: ECS does not say when a bake began."""

    def __init__(self, environment: str) -> None:
        self._environment = environment
        self._phases: dict[str, _Phase] = {}

    def view(self, deployments: Sequence[ServiceDeployment], readings: Readings, now: datetime) -> ReleaseView:
        """What there is to see now."""
        by_service: dict[str, list[ServiceDeployment]] = {}
        for deployment in deployments:
            by_service.setdefault(deployment.service, []).append(deployment)
        shown = (self._rollout(_told(theirs), readings, now) for theirs in by_service.values())
        return ReleaseView(self._environment, tuple(shown), readings.unread)

    def _rollout(self, deployment: ServiceDeployment, readings: Readings, now: datetime) -> RolloutView:
        wanted = deployment.new.weight
        actual = readings.weights.get(deployment.new.target_group)
        phase = self._phase(deployment, now)
        state = state_of(deployment)
        left, at_most = _left(deployment, state, phase, now)
        return RolloutView(
            service=deployment.service,
            state=state,
            stage=stage_in_words(deployment, state),
            wanted=wanted,
            actual=actual if wanted is not None else None,
            new=_revision(deployment.new, deployment, readings),
            old=_revision(deployment.old, deployment, readings) if deployment.old else None,
            alarms=tuple(
                _alarm(readings.alarms[name], deployment, readings)
                for name in (*deployment.watched, *_unlisted(deployment, readings))
                if name in readings.alarms
            ),
            seconds_left=left,
            at_most=at_most,
            why=why(deployment),
            next=next_commands(self._environment, deployment.service, state),
        )

    def _phase(self, deployment: ServiceDeployment, now: datetime) -> _Phase:
        key = (deployment.stage, deployment.new.weight or 0.0)
        before = self._phases.get(deployment.arn)
        if before is None or before.key != key:
            self._phases[deployment.arn] = _Phase(key, now, before is not None)
        return self._phases[deployment.arn]


def state_of(deployment: ServiceDeployment) -> State:
    """Where a deployment stands."""
    match deployment.status:
        case "SUCCESSFUL":
            return "completed"
        case "ROLLBACK_SUCCESSFUL":
            return "rolled back"
        case "ROLLBACK_FAILED" | "STOPPED":
            return "failed"
        case "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" | "STOP_REQUESTED":
            return "going back"
    return "waiting" if deployment.waiting else "running"


def stage_in_words(deployment: ServiceDeployment, state: State) -> str:
    """What a deployment does now."""
    if state in ("completed", "rolled back", "failed"):
        return state
    if state == "going back":
        return "rolls back to the old revision"
    if state == "waiting":
        return f"waits {gate_in_words(deployment)}"
    if any(_of_group(hook) and hook.status == "IN_PROGRESS" for hook in deployment.hooks):
        return "waits for the others of its release"
    if deployment.status == "PENDING":
        return "waits for its turn"
    share = deployment.new.weight or 0.0
    if 0 < share < 100 and deployment.percent is not None:
        return "the canary bakes" if deployment.strategy == "CANARY" else "a step bakes"
    return _STAGES.get(deployment.stage, deployment.stage.lower().replace("_", " ") or "begins")


def gate_in_words(deployment: ServiceDeployment) -> str:
    """What a waiting deployment waits before."""
    share = deployment.new.weight or 0.0
    if deployment.stage == "PRE_PRODUCTION_TRAFFIC_SHIFT":
        if share > 0:
            return "before full traffic" if deployment.strategy != "LINEAR" else f"before more than {share:g} %"
        return "before the canary" if deployment.strategy == "CANARY" else "before user traffic"
    return {
        "POST_TEST_TRAFFIC_SHIFT": "before user traffic",
        "POST_PRODUCTION_TRAFFIC_SHIFT": "before the bake",
        "PRE_SCALE_UP": "before new tasks start",
    }.get(deployment.stage, f"at {deployment.stage.lower().replace('_', ' ')}")


def _of_group(hook: LifecycleHook) -> bool:
    """Whether a hook waits for the other services of a release."""
    return hook.function.endswith(together_name(""))


def why(deployment: ServiceDeployment) -> str:
    """Why a deployment rolled back, or the event that stopped it; empty if nothing did."""
    state = state_of(deployment)
    if state not in ("going back", "rolled back", "failed"):
        return ""
    alarms = f"ALARM {', '.join(deployment.triggered)}" if deployment.triggered else ""
    hooks = [h for h in deployment.hooks if h.status in ("FAILED", "TIMED_OUT")]
    gate = ""
    if hooks:
        late = hooks[0].status == "TIMED_OUT"
        if hooks[0].kind == "PAUSE":
            gate = "nobody answered the gate in time"
        elif _of_group(hooks[0]):
            gate = (
                "the others of its release were not ready in time"
                if late
                else "another service of its release rolled back"
            )
        else:
            gate = f"its tests {'ran out of time' if late else 'failed'}"
    said = deployment.rollback_reason or deployment.reason or deployment.event
    return ": ".join(part for part in (alarms or gate, said) if part)


def next_commands(environment: str, service: str, state: State) -> tuple[str, ...]:
    """The commands that a person may want now."""
    match state:
        case "waiting":
            return (f"nova promote {environment} {service}", f"nova abort {environment} {service}")
        case "running":
            return (f"nova abort {environment} {service}",)
        case "rolled back" | "failed":
            return (f"nova explain {environment}",)
    return ()


def _told(deployments: Sequence[ServiceDeployment]) -> ServiceDeployment:
    """The deployment to show. One that only restores what ECS rolled back to is not a success."""
    *_, last = deployments
    bad = [each for each in deployments if state_of(each) in ("rolled back", "failed")]
    return bad[-1] if bad and last.over else last


def _left(deployment: ServiceDeployment, state: State, phase: _Phase, now: datetime) -> tuple[float | None, bool]:
    """Seconds until a bake or a gate ends, and whether that is an upper bound."""
    if state == "waiting":
        ends = [hook.expires for hook in deployment.waiting if hook.expires]
        return (max((min(ends) - now).total_seconds(), 0.0), False) if ends else (None, False)
    if state != "running":
        return None, False
    share = deployment.new.weight or 0.0
    minutes = 0
    if deployment.stage == "BAKE_TIME":
        minutes = deployment.bake
    elif 0 < share < 100:
        minutes = deployment.step_bake
    if not minutes:
        return None, False
    left = (phase.began + timedelta(minutes=minutes) - now).total_seconds()
    return max(left, 0.0), not phase.seen_to_begin


def _revision(state: RevisionState, deployment: ServiceDeployment, readings: Readings) -> RevisionView:
    view = RevisionView(state.revision, state.running, state.wanted_tasks)
    traffic = readings.traffic.get(state.target_group)
    if traffic is None:
        return view
    names = (*deployment.watched, *_unlisted(deployment, readings))
    needed = max((readings.alarms[name].needs_of_each for name in names if name in readings.alarms), default=0)
    latency = None if traffic.latency is None or traffic.per_minute < needed else 1000 * traffic.latency
    return replace(view, requests=traffic.requests, failed=traffic.errors, latency_ms=latency)


def _per_minute(deployment: ServiceDeployment, readings: Readings) -> int | None:
    """Requests of the latest minute over both revisions; None where they are not known."""
    groups = [each.target_group for each in (deployment.new, deployment.old) if each is not None]
    known = [readings.traffic[group] for group in groups if group in readings.traffic]
    return sum(traffic.per_minute for traffic in known) if known else None


def _unlisted(deployment: ServiceDeployment, readings: Readings) -> list[str]:
    """The alarms of its service that would end it, if ECS had them in its list."""
    stack = deployment.arn.split("/")[-2]
    names = (alarm_name(stack, kind) for kind in WEB_ALARMS)
    return [name for name in names if name in readings.alarms and name not in deployment.watched]


def _alarm(reading: AlarmReading, deployment: ServiceDeployment, readings: Readings) -> AlarmView:
    traffic = readings.traffic.get(deployment.new.target_group) if deployment.new.weight else None
    return AlarmView(
        kind=reading.name.rpartition(f"-{deployment.service}-")[2],
        red=reading.state == "ALARM",
        value=reading.value,
        threshold=reading.threshold,
        breaching=reading.breaching,
        watched=deployment.watching and reading.name in deployment.watched,
        requests=_per_minute(deployment, readings) if reading.needs else None,
        needs=reading.needs,
        of_new=traffic.per_minute if traffic is not None and reading.needs_of_each else None,
        needs_of_each=reading.needs_of_each,
    )
