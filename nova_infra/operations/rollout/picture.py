"""The one picture of rollouts, for a real environment and for a rehearsal: lines that fit the terminal."""

from collections.abc import Sequence

from rich.text import Text

from nova_infra.machine.terminal import bar, clock, cut, fit
from nova_infra.operations.rollout.turns import job_in_words
from nova_infra.operations.rollout.view import AlarmView, JobView, ReleaseView, RevisionView, RolloutView, State

SIGNS: dict[State, tuple[str, str]] = {
    "running": ("▶", "bold cyan"),
    "waiting": ("‖", "bold yellow"),
    "going back": ("◀", "bold red"),
    "completed": ("✓", "green"),
    "rolled back": ("✗", "bold red"),
    "failed": ("✗", "bold red"),
}
"""State to its sign and style. Colour alone never carries meaning."""

_URGENT: tuple[State, ...] = ("going back", "failed", "rolled back", "waiting", "running", "completed")
"""States, those that people most want details about first."""


def release_lines(view: ReleaseView, *, elapsed: float, width: int, height: int) -> list[Text]:
    """All rollouts of an environment as a tree: no wider and no more lines than the terminal has room for."""
    ended = sum(rollout.over for rollout in view.rollouts)
    count = len(view.rollouts)
    figures = f"  {bar(100 * ended / count if count else 0)} {ended} of {count} services  {clock(elapsed)}"
    heading = Text(fit(view.environment, max(width - len(figures), 8)) + figures, "bold")[:width]
    unread = [Text(cut(f"not read: {line}", width), "yellow") for line in view.unread[: max(height - 2, 0)]]
    room = max(height - 1 - len(unread), 0)
    tree = _tree(view.rollouts, width, room)
    return [heading, *tree, *_jobs(view.jobs, width, room - len(tree)), *unread][:height]


def _jobs(jobs: Sequence[JobView], width: int, room: int) -> list[Text]:
    """A line for each job, those that run or failed first, as far as there is room below the tree."""
    shown = sorted(jobs, key=lambda job: (job.well, not job.running))[: max(room, 0)]
    longest = min(max((len(job.name) for job in shown), default=0), 40)
    lines = []
    for job in shown:
        sign, style = ("✗", "bold red") if not job.well else ("▶", "bold cyan") if job.running else ("·", "dim")
        lines.append(Text(cut(f"  {sign} {fit(job.name, 40):{longest}}  job  {job_in_words(job)}", width), style))
    return lines


def _tree(rollouts: Sequence[RolloutView], width: int, room: int) -> list[Text]:
    """One line for each rollout, and more below those that matter most, as far as there is room."""
    by_urgency = sorted(rollouts, key=lambda r: (not r.red, _URGENT.index(r.state)))
    shown = rollouts
    if len(rollouts) > room:
        chosen = {id(each) for each in by_urgency[: max(room - 1, 0)]}
        shown = [each for each in rollouts if id(each) in chosen]
    left = room - len(shown) - (len(shown) < len(rollouts))
    opened: dict[int, list[Text]] = {}
    for rollout in by_urgency:
        more = _details(rollout, width - 4)
        if any(rollout is each for each in shown) and len(more) <= left:
            opened[id(rollout)] = more
            left -= len(more)
    longest = max((len(rollout.service) for rollout in shown), default=0)
    lines: list[Text] = []
    for number, rollout in enumerate(shown):
        last = number == len(shown) - 1 and len(shown) == len(rollouts)
        lines.append(_branch("└ " if last else "├ ", _headline(rollout, width - 2, longest), width))
        lines += [_branch("    " if last else "│   ", line, width) for line in opened.get(id(rollout), ())]
    if len(shown) < len(rollouts) and room:
        lines.append(Text(cut(f"└ … and {len(rollouts) - len(shown)} more services", width), "dim"))
    return lines


def _branch(stem: str, line: Text, width: int) -> Text:
    return Text.assemble((stem, "dim"), line)[:width]


def _headline(rollout: RolloutView, width: int, longest: int) -> Text:
    sign, style = SIGNS[rollout.state]
    line = Text(f"{sign} ", style)
    line.append_text(compact(rollout, min(width - 2, 200), longest, figures=False))
    return line[:width]


def compact(rollout: RolloutView, width: int, longest: int, *, figures: bool = True) -> Text:
    """A rollout in one line: its share of the traffic, its requests and what is red.

    Args:
        longest: Length of the longest name that stands above or below it.
    """
    share = f"  {bar(rollout.percent or 0)} {rollout.percent or 0:>4g} %"
    if rollout.wanted is None:
        tasks = f"{rollout.new.running}/{rollout.new.wanted}"
        share = f"  {bar(_replaced(rollout))} {tasks:>6}" if figures else f"  {bar(_replaced(rollout))}  tasks"
    said = (
        "  tasks"
        if rollout.wanted is None and rollout.new.requests is None
        else f"  {rollout.new.requests or 0:>4} requests, {rollout.new.failed:>3} failed"
    )
    said = said if figures else ""
    room = max(min(width - len(share) - len(said) - (0 if figures else 24), 40), 8)
    line = Text(f"{fit(rollout.service, room):{min(longest, room)}}{share}{said}")
    if rollout.new.failed and figures:
        line.stylize("yellow")
    if rollout.red:
        line.append(fit("  ALARM " + " ".join(rollout.red), max(width - len(line), 0)), "bold red")
    if not figures:
        style = SIGNS[rollout.state][1]
        line.append(cut(f"  {_stage(rollout)}", max(width - len(line), 0)), style)
    return line[:width]


def _stage(rollout: RolloutView) -> str:
    left = ""
    if rollout.seconds_left is not None:
        left = f", {'at most ' if rollout.at_most else ''}{clock(rollout.seconds_left)} left"
    return f"{rollout.stage}{left}"


def _replaced(rollout: RolloutView) -> float:
    return 100 * rollout.new.running / rollout.new.wanted if rollout.new.wanted else 0


def _details(rollout: RolloutView, width: int) -> list[Text]:
    if rollout.state == "completed":
        return []
    lines = [Text(cut(rollout.why, width), "red")] if rollout.why else []
    if rollout.actual is not None and rollout.wanted is not None and abs(rollout.actual - rollout.wanted) >= 0.5:
        said = f"the listener rule gives it {rollout.actual:g} %, ECS wants {rollout.wanted:g} %"
        lines.append(Text(cut(said, width), "yellow"))
    if not rollout.over:
        lines.append(Text(cut(_revision("new", rollout.new), width)))
        if rollout.old is not None:
            lines.append(Text(cut(_revision("old", rollout.old), width), "dim"))
        if rollout.queue:
            lines.append(Text(cut(f"queue {rollout.queue}", width)))
        if rollout.alarms:
            lines.append(_alarms(rollout.alarms, width))
    lines += [Text(cut(f"$ {command}", width), "bold") for command in rollout.next]
    return lines


def _revision(side: str, revision: RevisionView) -> str:
    said = f"{side} {revision.name.rpartition(':')[2] or '?':>5}  {revision.running}/{revision.wanted} tasks"
    if revision.requests is not None:
        said += f"  {revision.requests:>5} requests, {revision.failed} failed"
    if revision.latency_ms is not None:
        said += f", p95 {revision.latency_ms:.0f} ms"
    return said


def _alarms(alarms: Sequence[AlarmView], width: int) -> Text:
    line = Text()
    for alarm in alarms:
        style = "bold red" if alarm.red else "yellow" if alarm.breaching else "dim"
        part = alarm_in_words(alarm)
        if len(line) + len(part) + 2 > width and line:
            line.append(" …", "dim")
            break
        line.append(("  " if line else "") + part, style)
    return line[:width]


def alarm_in_words(alarm: AlarmView) -> str:
    """An alarm's value and its threshold, such as ``errors 0.5 of 5``."""
    said = alarm.kind
    if not alarm.judges and not alarm.red:
        return f"{said} says nothing: {alarm.requests} of {alarm.needs} requests/min"
    if alarm.threshold is not None:
        said += f" {'no data' if alarm.value is None else f'{alarm.value:.3g}'} of {alarm.threshold:g}"
    if alarm.requests is not None and alarm.needs:
        said += f" by {alarm.requests}/min"
    if not alarm.judges_new and not alarm.red:
        said += f", not of the new one: {alarm.of_new} of {alarm.needs_of_each}/min"
    if not alarm.watched and (alarm.red or alarm.breaching):
        said += " (would stop it, not watched)"
    return said
