"""The HTML report: what it says. How it looks is in ``report.html.j2`` and ``report.css``."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from nova_infra.documents.text import counted
from nova_infra.rehearsal.drills.blast_radius import BlastRadius, blast_radius, compared
from nova_infra.rehearsal.drills.catalogue import DRILLS
from nova_infra.rehearsal.drills.drill import DrillResult
from nova_infra.rehearsal.live.symbols import SIGNS
from nova_infra.rehearsal.record import (
    REQUESTS_PER_MINUTE,
    USERS,
    ActionRecord,
    DeploymentRecord,
    MinuteRecord,
    Record,
    Requests,
    StageRecord,
)
from nova_infra.rehearsal.report.alarm_samples import judged_by
from nova_infra.rehearsal.report.chart import Event, deployment_chart, events
from nova_infra.rehearsal.report.confidence import confidence
from nova_infra.rehearsal.report.verdict import short_name, verdict

_HERE = files("nova_infra.rehearsal.report")
_MANY = 8
"""Above this number, successes are folded away, so that failures stand out."""

_REAL = (
    "the order and parallelism of stages and actions, from the pipeline's template",
    "the build's and the tests' commands",
    "the services, with the command, environment, health check and stop timeout of their task definitions",
    "every request, through a load balancer that obeys the listener rules, their weights and the targets' health",
)
_SIMULATED = (
    "the decisions of ECS, CloudWatch and CloudFormation, from their documentation",
    f"the users: {USERS} of each service, who together send it a steady {REQUESTS_PER_MINUTE} requests a minute; none "
    "sticks to a target",
)


@dataclass(frozen=True)
class _Bar:
    """An action's start and length as percentages of the pipeline's time."""

    left: float
    width: float


@dataclass(frozen=True)
class _Action:
    """An action as it is shown."""

    record: ActionRecord
    name: str
    note: str
    bar: _Bar | None


@dataclass(frozen=True)
class _Stage:
    """A stage as it is shown, with many successes folded away."""

    record: StageRecord
    note: str
    shown: list[_Action]
    folded: list[_Action]


@dataclass(frozen=True)
class _Deployment:
    """A deployment as it is shown."""

    record: DeploymentRecord
    title: str
    canary: str
    chart: Markup
    events: list[Event]
    blast: BlastRadius

    @property
    def judged(self) -> list[str]:
        """By how many requests its alarms judged."""
        return judged_by(self.record)

    @property
    def minutes(self) -> list[MinuteRecord]:
        """The measurements, minute by minute, where somebody may want to check them."""
        return self.record.samples if self.record.outcome != "completed" or self.blast.failed else []


@dataclass(frozen=True)
class _EnvironmentDeployments:
    """An environment's deployments as they are shown."""

    name: str
    shown: list[_Deployment]
    folded: list[_Deployment]


def report(record: Record, drills: Sequence[DrillResult]) -> str:
    """The report as one HTML document."""
    requests = sum(record.load.values(), Requests())
    return _template().render(
        style=Markup(_HERE.joinpath("report.css").read_text(encoding="utf-8")),  # noqa: S704 - a file of this package
        record=record,
        verdict=verdict(record, drills),
        requests=requests,
        stages=_stages(record),
        drills=_by_drill(drills),
        drills_passed=sum(result.passed for result in drills if result.counts),
        drills_counted=sum(result.counts for result in drills),
        drill_deployments=_drill_deployments(drills),
        environments=_environments(record),
        told=_told(record, drills),
        real=_REAL,
        simulated=[*_time(record, drills), *_SIMULATED],
        foreseen=record.foreseen,
        confidence=confidence(record),
        not_rehearsed=[*record.not_rehearsed, *_not_played(drills)],
        no_requests=Requests(),
    )


@functools.cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(
        sign=lambda status: SIGNS[status][0], duration=duration, places=_places, compared=_compared
    )
    return environment.from_string(_HERE.joinpath("report.html.j2").read_text(encoding="utf-8"))


def duration(seconds: float) -> str:
    """Real time as people say it."""
    if seconds < 0.05:
        return "0 s"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _stages(record: Record) -> list[_Stage]:
    end = max((stage.began + stage.seconds for stage in record.stages), default=0.0)
    stages = []
    for stage in record.stages:
        # What all of them say is said once.
        notes = {action.note for action in stage.actions}
        note = notes.pop() if len(notes) == 1 and stage.status == "succeeded" else ""
        actions = [
            _Action(action, short_name(action.name), "" if note else action.note, _bar(action, end))
            for action in stage.actions
        ]
        folded = [action for action in actions if action.record.status in ("succeeded", "not reached")]
        if len(folded) <= _MANY:
            folded = []
        stages.append(_Stage(stage, note, [action for action in actions if action not in folded], folded))
    return stages


def _bar(action: ActionRecord, end: float) -> _Bar | None:
    if not action.seconds or not end:
        return None
    width = max(100 * action.seconds / end, 0.6)
    return _Bar(round(min(100 * action.began / end, 100 - width), 1), round(width, 1))


def _environments(record: Record) -> list[_EnvironmentDeployments]:
    found: dict[str, list[_Deployment]] = {}
    for number, deployment in enumerate(record.deployments):
        if not deployment.baseline:
            found.setdefault(deployment.environment, []).append(_deployment(deployment, f"d{number}"))
    environments = []
    for name, deployments in found.items():
        quiet = [d for d in deployments if d.record.outcome == "completed" and not d.blast.failed]
        folded = quiet if len(quiet) > _MANY else []
        environments.append(_EnvironmentDeployments(name, [d for d in deployments if d not in folded], folded))
    # The last environment is production: what happened there is what people look for first.
    return environments[::-1]


def _deployment(deployment: DeploymentRecord, key: str, *, title: str = "", canary: str = "") -> _Deployment:
    chart = Markup(deployment_chart(deployment, key=key))  # noqa: S704 - it escapes the names in it
    return _Deployment(
        deployment, title or deployment.service, canary, chart, events(deployment), blast_radius(deployment)
    )


def _by_drill(drills: Sequence[DrillResult]) -> list[list[DrillResult]]:
    """The results, those of one drill with each canary together."""
    return [list(results) for _, results in groupby(_ordered(drills), key=lambda result: result.drill)]


def _ordered(drills: Sequence[DrillResult]) -> list[DrillResult]:
    order = list(dict.fromkeys(result.drill for result in drills))
    return sorted(drills, key=lambda result: order.index(result.drill))


def _drill_deployments(drills: Sequence[DrillResult]) -> list[_Deployment]:
    """The deployments of the drills, those with each canary side by side."""
    return [
        _deployment(result.deployment, f"x{number}", title=result.drill, canary=result.canary)
        for number, result in enumerate(_ordered(drills))
        if result.deployment is not None and result.deployment.samples
    ]


def _told(record: Record, drills: Sequence[DrillResult]) -> list[tuple[str, str, str, int]]:
    """Topic, message, when it was, and the simulated minute."""
    told = [(n.topic, n.message, n.environment, n.minute) for n in record.notifications]
    for result in drills:
        where = f"drill {result.drill}" + ("" if result.counts else f", {result.canary}")
        told += [(n.topic, n.message, where, n.minute) for n in result.record.notifications]
    return told


def _compared(results: Sequence[DrillResult]) -> list[str]:
    """What other canaries would change, in sentences."""
    first, *others = results
    return [
        compared(first.blast, other.blast, other.canary)
        for other in others
        if first.blast is not None and other.blast is not None
    ]


def _time(record: Record, drills: Sequence[DrillResult]) -> list[str]:
    if record.real_time:
        return []
    slow = record.slow_minutes + sum(result.record.slow_minutes for result in drills)
    waited = f"; the machine was busy, so the clock waited: {counted(slow, 'simulated minute')} took longer"
    return [f"time: a minute of bake or alarm period lasts a second{waited if slow else ''}"]


def _not_played(drills: Sequence[DrillResult]) -> list[str]:
    played = {result.drill for result in drills}
    missing = [drill.name for drill in DRILLS if drill.name not in played]
    return [f"other drills: {', '.join(missing)}"] if missing else []


def _places(share: float) -> str:
    """A share in percent, as the summary in the terminal has it, so that both say the same."""
    return f"{100 * share:.1f} %" if 0 < share < 1 else f"{100 * share:.0f} %"
