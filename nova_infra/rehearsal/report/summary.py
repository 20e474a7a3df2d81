"""Prints the end of a rehearsal to a terminal or log: tables in 80 columns, the verdict last."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.text import Text

from nova_infra.documents.text import counted
from nova_infra.machine.terminal import fit
from nova_infra.rehearsal.drills.blast_radius import compared
from nova_infra.rehearsal.drills.drill import DrillResult
from nova_infra.rehearsal.live.symbols import SIGNS
from nova_infra.rehearsal.record import USERS, ActionRecord, DeploymentRecord, Record, Requests, StageRecord
from nova_infra.rehearsal.report.alarm_samples import judged_by
from nova_infra.rehearsal.report.confidence import confidence
from nova_infra.rehearsal.report.verdict import Verdict, short_name

_NAME = 20
_DRILL = 18
_MOST_ROWS = 12
"""Above this number of deployments in an environment, completed ones are counted instead of listed."""
_MOST_MESSAGES = 6
_MOST_OUTPUT = 15


def show_summary(console: Console, record: Record, drills: Sequence[DrillResult]) -> None:
    """Print what happened, as wide as the console."""
    width = console.width
    for row in (*_pipeline(record, width), *_deployments(record, width), *_drills(drills, width)):
        console.print(row, no_wrap=True, crop=True, highlight=False)
    for stage in record.stages:
        for action in stage.actions:
            if action.status == "failed":
                _show_failure(console, stage, action)
    for line in _remarks(record, drills):
        console.print(line, style="dim", highlight=False, markup=False)


def show_verdict(console: Console, said: Verdict, report: Path) -> None:
    """Print the last lines, for a tired reader: the verdict, the reason, where to look, what to do."""
    console.print()
    style = "yellow" if said.warns else SIGNS["succeeded" if said.passed else "failed"][1].removeprefix("bold ")
    console.print(Text(f"{said.sign} {said.headline}.", f"bold {style}"))
    for line in filter(None, (said.tasks, said.why, f"Report: {report}", f"Next: {said.next_step}")):
        _print_whole(console, line)


def _pipeline(record: Record, width: int) -> Iterator[Text]:
    yield Text()
    yield Text(fit(f"{record.pipeline}: {record.candidate} over {record.baseline}", width), "bold")
    for stage in record.stages:
        sign, style = SIGNS[stage.status]
        line = Text(f"  {sign} {fit(stage.name, _NAME):{_NAME}} ", style)
        line.append(f"{stage.seconds:>6.1f} s  " if stage.seconds >= 0.05 else " " * 10, "dim")
        line.append(fit(_actions(stage), max(width - len(line), 0)), "default" if stage.status == "failed" else "dim")
        yield line


def _actions(stage: StageRecord) -> str:
    """How a stage's actions ended, counted: a stage may have a hundred."""
    if stage.status == "not reached":
        return "not reached"
    counts = {status: [a for a in stage.actions if a.status == status] for status in SIGNS}
    simulated = all(action.played == "simulated" for action in stage.actions)
    parts = [f"{len(actions)} {status}" for status, actions in counts.items() if actions]
    failed = ", ".join(short_name(action.name) for action in counts["failed"])
    return ", ".join(parts) + (" (simulated)" if simulated else "") + (f": {failed}" if failed else "")


def _deployments(record: Record, width: int) -> Iterator[Text]:
    shown = [deployment for deployment in record.deployments if not deployment.baseline]
    if not shown:
        return
    yield Text()
    room = min(max(width - 51, 16), 60)
    yield Text(f"{fit('Deployments', room + 2):{room + 2}}  {'traffic':16}  {'requests':>8}  {'failed':>6}", "bold")
    for environment, entries in groupby(shown, key=lambda deployment: deployment.environment):
        deployments = list(entries)
        good = [d for d in deployments if d.outcome == "completed"]
        counted = good if len(deployments) > _MOST_ROWS else []
        for deployment in deployments:
            if deployment not in counted:
                yield _deployment(deployment, room)
        if counted:
            requests = sum((_to_new(deployment) for deployment in counted), Requests())
            name = fit(f"{environment}: {len(counted)} went through", room)
            yield _row("✓", "green", name, room, "", requests)


def _deployment(deployment: DeploymentRecord, room: int) -> Text:
    sign, style = ("✓", "green") if deployment.outcome == "completed" else ("✗", "bold red")
    steps = [f"{step.percent:g}" for step in deployment.traffic]
    if len(steps) > 4:
        steps = [*steps[:2], "…", steps[-1]]
    shares = f"{' → '.join(steps)} %" if steps else "none"
    line = _row(sign, style, fit(deployment.service, room), room, shares, _to_new(deployment))
    if deployment.outcome != "completed":
        line.append(f"  {deployment.outcome}", style)
    return line


def _row(sign: str, style: str, name: str, room: int, shares: str, requests: Requests) -> Text:
    line = Text(f"{sign} ", style)
    return line.append(f"{name:{room}}  {shares:16}  {requests.served:>8}  {requests.failed:>6}", "default")


def _to_new(deployment: DeploymentRecord) -> Requests:
    return sum((sample.requests.get(deployment.new, Requests()) for sample in deployment.samples), Requests())


def _drills(drills: Sequence[DrillResult], width: int) -> Iterator[Text]:
    if not drills:
        return
    yield Text()
    yield Text(f"{'Drills':{_DRILL + 2}}{'minutes to':^21}{'failed/requests':>20}", "bold")
    yield Text(f"{'':{_DRILL + 2}}{'alarm':>6} {'back':>6} {'alone':>6} {'old':>9} {'new':>9}  users hit", "bold")
    for _, entries in groupby(drills, key=lambda result: result.drill):
        results = list(entries)
        for result in results:
            yield _drill(result)
            for miss in result.misses:
                yield _sentence(miss, width, "bold red" if result.counts else "yellow")
        first, *others = results
        for other in others:
            if first.blast is not None and other.blast is not None:
                yield _sentence(compared(first.blast, other.blast, other.canary), width)
    yield _sentence(
        "Simulated minutes from the first bad answer until an alarm, until the traffic is back, until only the old "
        "runs. "
        f"Users hit: those of {USERS} who got a 5xx or no answer.",
        width,
        "dim",
    )


def _sentence(text: str, width: int, style: str = "default") -> Text:
    return Text(textwrap.fill(text, max(width, 20), initial_indent="    ", subsequent_indent="    "), style)


def _drill(result: DrillResult) -> Text:
    if result.counts:
        sign, style = SIGNS["succeeded" if result.passed else "failed"]
        line = Text(f"{sign} {fit(result.drill, _DRILL):{_DRILL}}", style)
    else:
        line = Text(f"    {fit(result.canary, _DRILL - 2):{_DRILL - 2}}")
    blast = result.blast
    if blast is None:
        return line.append("  the fault met no request: no user reached it", "dim")
    minutes = [f"{m:g}" if m is not None else "–" for m in (blast.to_alarm, blast.to_traffic_back, blast.to_old_alone)]
    requests = [f"{r.failed}/{r.served}" for r in (blast.old, blast.new)]
    users = f"{blast.hit:>3}" + (f" ({100 * blast.share_hit:.1f} %)" if blast.hit else "")
    return line.append(
        f"{minutes[0]:>6} {minutes[1]:>6} {minutes[2]:>6} {requests[0]:>9} {requests[1]:>9}  {users}", "default"
    )


def _show_failure(console: Console, stage: StageRecord, action: ActionRecord) -> None:
    console.print()
    console.print(Text(f"{stage.name}, {short_name(action.name)} failed:", "bold red"))
    _print_whole(console, action.note)
    for line in action.output[-_MOST_OUTPUT:]:
        console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)


def _print_whole(console: Console, text: str) -> None:
    """Print a sentence: wrapped in a terminal, on one line in a log, where people search."""
    if console.is_terminal:
        text = textwrap.fill(text, max(console.width, 20), initial_indent="  ", subsequent_indent="  ")
    else:
        text = f"  {text}"
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _remarks(record: Record, drills: Sequence[DrillResult]) -> Iterator[str]:
    load = "; ".join(f"{name} {r.served}, {r.failed} failed" for name, r in record.load.items())
    if load:
        yield f"Requests of the synthetic users: {load}."
    told = [f"{n.topic}: {n.message}" for n in record.notifications]
    for line in told[:_MOST_MESSAGES]:
        yield f"Notified {line}"
    if len(told) > _MOST_MESSAGES:
        yield f"… and {len(told) - _MOST_MESSAGES} more messages: see the report."
    judged = [
        f"{d.service}: {'; '.join(told)}" for d in record.deployments if not d.baseline and (told := judged_by(d))
    ]
    for line in judged[-_MOST_MESSAGES:]:
        yield f"Alarms of {line}."
    for line in record.foreseen[:_MOST_MESSAGES]:
        yield f"Foreseen: {line}."
    if len(record.foreseen) > _MOST_MESSAGES:
        yield f"… and {len(record.foreseen) - _MOST_MESSAGES} more: see the report."
    if slow := record.slow_minutes + sum(result.record.slow_minutes for result in drills):
        yield f"The machine was busy, so the clock waited: {counted(slow, 'simulated minute')} took longer."
    yield from confidence(record)
