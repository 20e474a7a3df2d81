"""Draws the live view of a running rehearsal: lines that fit the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from nova_infra.machine.terminal import bar, clock, cut, fit
from nova_infra.operations.rollout.picture import compact
from nova_infra.operations.rollout.view import AlarmView, RevisionView, RolloutView
from nova_infra.rehearsal.live.symbols import SIGNS
from nova_infra.rehearsal.record import DeploymentRecord, Record, Requests, StageRecord
from nova_infra.rehearsal.report.verdict import short_name

_LEAST_STORY = 3
_MOST_DEPLOYMENTS = 8


@dataclass(frozen=True)
class Scene:
    """What is going on.

    Attributes:
        elapsed: Real seconds since the rehearsal began.
        story: The lines so far, the latest last.
        done: What went before, one short line each, such as drills that have ended.
    """

    record: Record
    title: str
    elapsed: float
    story: Sequence[str]
    done: Sequence[str] = ()


def picture(scene: Scene, *, width: int, height: int) -> list[Text]:
    """The lines to show, no wider and no more than the terminal has room for."""
    stages = [_stage(stage, width) for stage in scene.record.stages]
    running = [d for d in scene.record.deployments if d.outcome == "in progress" and not d.baseline]
    room = height - 1 - len(stages) - _LEAST_STORY
    done = [Text(cut(line, width), "dim") for line in scene.done][-max(min(room // 2, 6), 0) :] if room > 1 else []
    shown = min(len(running), max(room - len(done) - 1, 0), _MOST_DEPLOYMENTS)
    longest = max((len(deployment.service) for deployment in running[:shown]), default=0)
    deployments = [_deployment(deployment, width, longest) for deployment in running[:shown]]
    if len(running) > shown > 0:
        deployments.append(Text(fit(f"  … and {len(running) - shown} more deployments", width), "dim"))
    lines = [_heading(scene, width), *done, *stages, *deployments]
    story = [Text(cut(line, width), "dim") for line in scene.story[-max(height - len(lines), 1) :]]
    return [*lines[: max(height - 1, 1)], *story][:height]


def _heading(scene: Scene, width: int) -> Text:
    actions = [action for stage in scene.record.stages for action in stage.actions]
    ended = sum(action.status not in ("not reached", "running") for action in actions)
    share = 100 * ended / len(actions) if actions else 0
    progress = f"  {bar(share)} {ended} of {len(actions)} actions  {clock(scene.elapsed)}"
    return Text(fit(scene.title, max(width - len(progress), 8)) + progress, "bold")[:width]


def _stage(stage: StageRecord, width: int) -> Text:
    sign, style = SIGNS[stage.status]
    line = Text(f"{sign} {fit(stage.name, 20):20} ", style)
    if stage.status == "not reached":
        return line[:width]
    ended = sum(action.status not in ("not reached", "running") for action in stage.actions)
    failed = [short_name(action.name) for action in stage.actions if action.status == "failed"]
    running = [short_name(action.name) for action in stage.actions if action.status == "running"]
    line.append(f"{ended:>3} of {len(stage.actions):<3} ", "default")
    if stage.status == "running":
        names = [f"✗ {name}" for name in failed] + running
        line.append(_names(names, width - len(line)), "default")
    elif failed:
        line.append(_names([f"✗ {name}" for name in failed], width - len(line)), style)
    elif stage.seconds >= 0.05:
        line.append(f"{stage.seconds:.1f} s", "dim")
    return line[:width]


def _names(names: list[str], width: int) -> str:
    """As many names as fit, and how many more there are."""
    for count in range(len(names), 0, -1):
        more = f", and {len(names) - count} more" if count < len(names) else ""
        text = ", ".join(names[:count]) + more
        if len(text) <= width:
            return text
    more = f", and {len(names) - 1} more" if len(names) > 1 else ""
    return fit(names[0], max(width - len(more), 0)) + more if names else ""


def rollout_view(deployment: DeploymentRecord) -> RolloutView:
    """A rehearsed deployment, as the renderer of real ones takes it."""
    percent = deployment.traffic[-1].percent if deployment.traffic else 0.0
    new, old = (
        sum((sample.requests.get(revision or "", Requests()) for sample in deployment.samples), Requests())
        for revision in (deployment.new, deployment.old)
    )
    red = deployment.samples[-1].red if deployment.samples else []
    return RolloutView(
        service=deployment.service,
        state="running",
        stage="",
        wanted=percent if deployment.shifts_traffic else None,
        actual=percent if deployment.shifts_traffic else None,
        new=RevisionView(
            deployment.new,
            deployment.running,
            deployment.desired,
            new.served if deployment.has_requests else None,
            new.failed,
        ),
        old=RevisionView(deployment.old, requests=old.served, failed=old.failed) if deployment.old else None,
        alarms=tuple(AlarmView(name, red=True) for name in red),
    )


def _deployment(deployment: DeploymentRecord, width: int, longest: int) -> Text:
    line = compact(rollout_view(deployment), width - 2, longest)
    return Text("  ").append_text(line)[:width]
