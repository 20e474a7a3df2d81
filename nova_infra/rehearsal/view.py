"""Showing a rehearsal: live in a terminal, line by line in a pipe, and as tables at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from nova_infra.rehearsal.drills import DrillResult
from nova_infra.rehearsal.record import ActionRecord, DeploymentRecord, Record, StageRecord, Status

_STYLES: dict[Status, tuple[str, str]] = {
    "not reached": ("·", "dim"),
    "running": ("▶", "bold cyan"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "stopped": ("■", "yellow"),
}
_STORY_LINES = 8


class View:
    """Shows what happens while it happens.

    Where the console is not a terminal, it prints the same story line by line.
    """

    def __init__(self, console: Console, record: Record) -> None:
        """Follow a record.

        Args:
            console: Where to show it.
            record: What happens.
        """
        self._console = console
        self._record = record
        self._story: list[str] = []
        self._began = time.monotonic()
        self._live: Live | None = None

    @contextmanager
    def following(self) -> Iterator[None]:
        """Show the record until the block ends."""
        if not self._console.is_terminal:
            yield
            return
        with Live(get_renderable=self._picture, console=self._console, refresh_per_second=8, transient=True) as live:
            self._live = live
            yield
        self._live = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to a question."""
        if self._live is not None:
            self._live.stop()
        try:
            yield
        finally:
            if self._live is not None:
                self._live.start()

    def tell(self, line: str) -> None:
        """Add a line to the story."""
        stamped = f"{time.monotonic() - self._began:6.1f} s  {line}"
        self._story.append(stamped)
        if self._live is None:
            self._console.print(stamped, highlight=False, markup=False, soft_wrap=True)

    def _picture(self) -> RenderableType:
        story = Text("\n".join(self._story[-_STORY_LINES:]), style="dim", no_wrap=True, overflow="ellipsis")
        return Group(stages_table(self._record), story)


def show_summary(console: Console, record: Record) -> None:
    """Print what came of it."""
    console.print(stages_table(record))
    shown = [deployment for deployment in record.deployments if not deployment.baseline]
    if shown:
        console.print(_deployments_table(shown))
    for stage in record.stages:
        for action in stage.actions:
            if action.status == "failed":
                _show_failure(console, stage, action)
    requests = ", ".join(f"{name} {r.served} ({r.failed} failed)" for name, r in record.load.items())
    console.print(f"Synthetic requests: {requests or 'none'}", highlight=False)
    if record.notifications:
        console.print(
            "Notified: " + "; ".join(f"{n.topic}: {n.message}" for n in record.notifications), highlight=False
        )
    if record.slow_minutes:
        console.print(
            f"This machine was busy: {record.slow_minutes} simulated minutes lasted longer than they should. "
            "The clock waited, so the outcome is the same.",
            highlight=False,
        )
    console.print(f"[dim]Not rehearsed: {'; '.join(record.not_rehearsed)}.[/dim]", highlight=False)
    if record.succeeded:
        console.print("[bold green]Prod would take this release.[/bold green]")
    else:
        counts = record.counts()
        console.print(
            f"[bold red]This release would be stopped[/bold red]: {counts['succeeded']} stages succeeded, "
            f"{counts['failed']} failed, {counts['not reached']} not reached.",
            highlight=False,
        )


def show_drills(console: Console, results: Sequence[DrillResult]) -> None:
    """Print how the drills went; nothing where there were none."""
    if not results:
        return
    table = Table(
        title="Drills (times in simulated minutes after the first bad answer)", title_justify="left", box=None
    )
    for heading in ("", "Drill", "What must follow", "Alarm", "Traffic back", "Old alone", "Failed requests"):
        table.add_column(heading)
    for result in results:
        sign, style = ("✓", "green") if result.passed else ("✗", "bold red")
        name = result.drill if result.canary == "as configured" else f"{result.drill} at {result.canary}"
        table.add_row(Text(sign, style), Text(name, style), result.expected, *blast_cells(result))
    console.print(table)
    for result in results:
        for miss in result.misses:
            console.print(f"[bold red]drill {result.drill} failed[/bold red]: {escape(miss)}", highlight=False)


def blast_cells(result: DrillResult) -> tuple[str, str, str, str]:
    """Time to alarm, to traffic back, to the old revision alone, and failed requests."""
    blast = result.blast
    if blast is None:
        return "", "", "", ""
    failed = f"{blast.failed} of {blast.served}" + (f" ({blast.share_failed:.1%})" if blast.failed else "")
    times = [
        f"{time:g} min" if time is not None else ""
        for time in (blast.to_alarm, blast.to_traffic_back, blast.to_old_alone)
    ]
    return times[0], times[1], times[2], failed if blast.served else "none served"


def stages_table(record: Record) -> Table:
    """The pipeline's stages and actions with their states."""
    table = Table(title=f"{record.pipeline}: {record.candidate} over {record.baseline}", title_justify="left", box=None)
    for heading in ("", "Stage", "Actions", "Time"):
        table.add_column(heading, justify="right" if heading == "Time" else "left")
    for stage in record.stages:
        sign, style = _STYLES[stage.status]
        seconds = f"{stage.seconds:.1f} s" if stage.seconds else ""
        table.add_row(Text(sign, style), Text(stage.name, style), _actions(stage), seconds)
    return table


def _actions(stage: StageRecord) -> Text:
    text = Text()
    for action in stage.actions:
        sign, style = _STYLES[action.status]
        name = action.name.removesuffix(".Deploy")
        text.append(f"{sign} {name}" + (" (simulated)" if action.played == "simulated" else "") + "  ", style)
    if stage.status == "not reached":
        text.append("not reached", "dim")
    return text


def _deployments_table(deployments: list[DeploymentRecord]) -> Table:
    table = Table(title="Deployments", title_justify="left", box=None)
    for heading in ("Environment", "Service", "Strategy", "Traffic to the new revision", "Requests to it", "Outcome"):
        table.add_column(heading)
    for deployment in deployments:
        served = sum(
            step.requests[deployment.new].served for step in deployment.traffic if deployment.new in step.requests
        )
        failed = sum(
            step.requests[deployment.new].failed for step in deployment.traffic if deployment.new in step.requests
        )
        table.add_row(
            deployment.environment,
            deployment.service,
            deployment.strategy,
            " → ".join(f"{step.percent:g} %" for step in deployment.traffic) or "none",
            f"{served}, {failed} failed",
            Text(deployment.outcome, "green" if deployment.outcome == "completed" else "bold red"),
        )
    return table


def _show_failure(console: Console, stage: StageRecord, action: ActionRecord) -> None:
    console.print(f"\n[bold red]{stage.name}.{action.name} failed[/bold red]: ", end="")
    console.print(action.note, markup=False, highlight=False, soft_wrap=True)
    for line in action.output[-15:]:
        console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)
