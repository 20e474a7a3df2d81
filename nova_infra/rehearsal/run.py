"""One rehearsal from beginning to end: the pipeline, then the drills, then the report."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from nova_infra.assembly import Assembly
from nova_infra.config import CONFIG_FILE, Config, load_config
from nova_infra.containers.errors import EngineError
from nova_infra.errors import NovaError
from nova_infra.machine.scratch import remove_abandoned, stopped_by
from nova_infra.machine.terminal import open_console
from nova_infra.rehearsal.approvals import GateApprovals, approval
from nova_infra.rehearsal.clock import COMPRESSED, REAL_TIME
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.delivery.definition import Pipeline
from nova_infra.rehearsal.delivery.delivery import delivery_of
from nova_infra.rehearsal.delivery.removed_safeguards import misdirected, weakened
from nova_infra.rehearsal.delivery.schemes import chosen_protocols
from nova_infra.rehearsal.delivery.workflows.reader import Workflow
from nova_infra.rehearsal.dependencies.needed import engine_for, prepare_dependencies, provided, unreached
from nova_infra.rehearsal.drills.catalogue import choose
from nova_infra.rehearsal.drills.drill import Drill, DrillResult
from nova_infra.rehearsal.drills.plan import lacking
from nova_infra.rehearsal.drills.playing import DrillPlayer, drill_runs
from nova_infra.rehearsal.drills.what_if import WhatIf
from nova_infra.rehearsal.live.live import View
from nova_infra.rehearsal.pipeline.forecast import forecast, note_refusals
from nova_infra.rehearsal.pipeline.player import Player
from nova_infra.rehearsal.pipeline.precheck import precheck, taken_for_granted
from nova_infra.rehearsal.pipeline.release import Release, baseline_of
from nova_infra.rehearsal.pipeline.simulated import new_record
from nova_infra.rehearsal.record import Record
from nova_infra.rehearsal.report.page import report
from nova_infra.rehearsal.report.summary import show_summary, show_verdict
from nova_infra.rehearsal.report.verdict import verdict
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.runtime import ImageRuntime, Kind, SourceRuntime, TaskRuntime, choose_runtime
from nova_infra.synthesis import not_looked_up

WORK_DIRECTORY = ".nova"


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    Attributes:
        what_if: Another canary that the drills are repeated with, if any.
        until: Name of the last stage to play; without it, all are played.
        tasks: ``images`` or ``sources``; None for images where an engine answers.
        real_time: Whether a minute lasts a minute.
    """

    root: Path
    assembly: Path
    baseline: str
    approve: bool
    drills: tuple[str, ...]
    what_if: WhatIf | None
    json_file: Path | None
    report_file: Path
    until: str | None = None
    tasks: Kind | None = None
    real_time: bool = False
    app: str = ""


def rehearse(options: Options) -> bool:
    """Play the candidate's pipeline and the drills, and show what came of them.

    Returns:
        Whether every stage succeeded and every drill ended as expected.
    """
    remove_abandoned()
    console = open_console()
    prepared = _prepare(options, console)
    with baseline_of(prepared.candidate, options.baseline) as baseline:
        prepared.runtime.assets = {
            **baseline.assembly.docker_assets(),
            **prepared.candidate.assembly.docker_assets(),
        }
        record = _record(prepared, baseline)
        refused = note_refusals(forecast(prepared.candidate, baseline), prepared.pipeline, record)
        if not refused:
            # What AWS would refuse, the plan has said: what is left is what the rehearsal does not know.
            if prepared.unknown is not None:
                raise prepared.unknown
            record.granted += taken_for_granted(prepared.candidate, baseline, prepared.runtime.runs)
            record.granted += chosen_protocols(prepared.config, prepared.candidate.sources, baseline.sources)
        record.started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        began = time.monotonic()
        results = [] if refused else _play(prepared, baseline, record, console)
        record.seconds = time.monotonic() - began
        released = [each.new for each in record.deployments if not each.baseline]
        doubts = prepared.runtime.doubts
        record.not_rehearsed += prepared.runtime.gaps.values()
        record.granted += dict.fromkeys(doubts[each] for each in released if each in doubts)
    return _show(record, results, options, console)


@dataclass(frozen=True)
class _Prepared:
    """What is played, once nothing refuses it.

    Attributes:
        unknown: What the rehearsal does not know, and what only the plan may say better.
    """

    options: Options
    candidate: Release
    config: Config | None
    runtime: TaskRuntime
    delivery: Workflow
    files: RequestFiles
    drills: list[Drill]
    gaps: list[str]
    unknown: UnresolvableError | None = None

    @property
    def pipeline(self) -> Pipeline:
        """The stages to play."""
        return self.delivery.pipeline.until(self.options.until)


def _prepare(options: Options, console: Console) -> _Prepared:
    """Refuse what cannot be played before spending a minute on it."""
    drills = choose(options.drills)
    if not options.approve and not (sys.stdin.isatty() and console.is_terminal):
        raise NovaError("approval: there is no terminal to ask on: approve in advance with --approve")
    for file in (options.json_file, options.report_file):
        if file is not None:
            _check_writable(file)
    files = RequestFiles.load(options.root)
    candidate = Release("working tree", Assembly(options.assembly), options.root, app=options.app)
    config = load_config(options.root) if (options.root / CONFIG_FILE).is_file() else None
    runtime = _runtime(options, candidate, config, console)
    delivery = delivery_of(candidate)
    delivery.pipeline.until(options.until)  # refuses a stage that there is not
    try:
        gaps = precheck(candidate, provided(config), runtime.runs)
    except UnresolvableError as error:
        return _Prepared(options, candidate, config, runtime, delivery, files, [], [], unknown=error)
    gaps += [f"jobs outside the delivery: {', '.join(delivery.beside)}"] if delivery.beside else []
    gaps += [f"workflows of other repositories: {', '.join(delivery.elsewhere)}"] if delivery.elsewhere else []
    gaps += [f"steps of the workflow: {', '.join(delivery.unplayed)}"] if delivery.unplayed else []
    gaps += delivery.assumed
    gaps += not_looked_up(candidate.assembly.directory)
    drills = _playable(drills, candidate, runtime, gaps)
    if options.what_if is not None:
        options.what_if.require_difference(candidate)
    return _Prepared(options, candidate, config, runtime, delivery, files, drills, gaps)


def _record(prepared: _Prepared, baseline: Release) -> Record:
    """An empty record, with what is known before anything is played."""
    candidate, delivery, config = prepared.candidate, prepared.delivery, prepared.config
    record = new_record(prepared.pipeline, candidate=candidate, baseline=baseline, runtime=prepared.runtime)
    record.not_rehearsed += prepared.gaps
    record.borrowed = list(baseline.doubts)
    record.granted += record.borrowed
    if baseline.lacks:
        record.not_rehearsed.append(f"links that point outside the baseline: {', '.join(baseline.lacks)}")
    record.not_rehearsed += unreached(config) if config is not None else []
    record.unsafe = [*delivery.unsafe, *delivery.pipeline.unsafe, *misdirected(delivery.pipeline)]
    try:
        makefile = candidate.sources / "Makefile"
        targets = makefile.read_text(encoding="utf-8", errors="replace") if makefile.is_file() else ""
        record.unsafe += weakened(delivery_of(baseline).pipeline, delivery.pipeline, makefile=targets)
    except NovaError:  # its workflow or its nova.toml is older than this code: its assembly is not
        record.unsafe += weakened(baseline.pipeline(), candidate.pipeline())
    record.real_time = prepared.options.real_time
    record.until = prepared.options.until if prepared.pipeline != delivery.pipeline else None
    return record


def _play(prepared: _Prepared, baseline: Release, record: Record, console: Console) -> list[DrillResult]:
    """Play the pipeline, and then the drills if the release went through."""
    options, candidate, runtime, config = prepared.options, prepared.candidate, prepared.runtime, prepared.config
    logs = options.root / WORK_DIRECTORY / "logs"
    if isinstance(runtime, ImageRuntime):
        logs.mkdir(parents=True, exist_ok=True)
        runtime.log = logs / "baseline-images.log"
    view = View(console, record)
    approve = approval(console, view, in_advance=options.approve)
    player = Player(
        prepared.pipeline,
        candidate,
        baseline,
        record,
        approve=approve,
        tell=view.tell,
        logs=logs,
        runtime=runtime,
        steering=GateApprovals(approve),
        files=prepared.files,
        seconds_per_minute=runtime.pace.seconds_per_minute,
        ahead=not options.real_time,
    )

    async def play() -> list[DrillResult]:
        async with runtime:
            if config is not None:
                await prepare_dependencies(runtime, config, options.root, logs, baseline=baseline.sources)
            await player.play()
            if not record.succeeded:
                return []
            runs = drill_runs(_measurable(prepared.drills, record, view), candidate, options.what_if)
            return await DrillPlayer(view, logs, runtime, prepared.files).play(runs)

    with view.following():
        try:
            return asyncio.run(until_stopped(play()))
        except OSError as error:
            raise NovaError(stopped_by(error, logs)) from None


def _runtime(options: Options, candidate: Release, config: Config | None, console: Console) -> TaskRuntime:
    """What runs the candidate's tasks, at the pace that was asked for."""
    assets = candidate.assembly.docker_assets()
    dockerfiles = sorted(options.root.glob("services/*/Dockerfile"))
    dockerfiles += [asset.directory / asset.dockerfile for asset in assets.values()]
    runtime = choose_runtime(
        options.tasks, dockerfiles, tell=lambda line: console.print(line, highlight=False, markup=False)
    )
    if runtime.kind == "sources" and config is not None:
        _require_kit(config)
        if config.rehearsal.dependencies:
            runtime = SourceRuntime(engine_for(config))
    runtime.assets = assets
    runtime.pace = REAL_TIME if options.real_time else COMPRESSED
    return runtime


def _playable(drills: list[Drill], candidate: Release, runtime: TaskRuntime, not_rehearsed: list[str]) -> list[Drill]:
    """The drills that the candidate and the runtime allow; the others are noted in ``not_rehearsed``."""
    played, left_out = [], []
    for drill in drills:
        if drill.needs_images and runtime.kind == "sources":
            left_out.append(drill.name)
        elif why := lacking(drill, candidate):
            not_rehearsed.append(f"the drill {drill.name}: {why}")
        else:
            played.append(drill)
    if left_out:
        not_rehearsed.append(f"the drills {', '.join(left_out)}: they need images")
    return played


def _measurable(drills: list[Drill], record: Record, view: View) -> list[Drill]:
    """The drills whose outcome this machine can measure; the others are noted in the record."""
    left_out = [] if record.measured else [drill for drill in drills if drill.needs_measuring]
    if left_out:
        names = ", ".join(drill.name for drill in left_out)
        record.not_rehearsed.append(f"the drills {names}: this machine cannot measure what they use")
        view.tell(f"left out the drills {names}: this machine does not show what containers use")
    return [drill for drill in drills if drill not in left_out]


def _show(record: Record, results: list[DrillResult], options: Options, console: Console) -> bool:
    """Show what came of it on the terminal and in the files; returns whether it passed."""
    show_summary(console, record, results)
    if options.json_file is not None:
        _write(options.json_file, json.dumps({**record.as_json(), "drills": [r.as_json() for r in results]}, indent=2))
    options.report_file.parent.mkdir(parents=True, exist_ok=True)
    _write(options.report_file, report(record, results))
    said = verdict(record, results)
    show_verdict(console, said, options.report_file)
    return said.passed


async def until_stopped(play: Coroutine[object, object, list[DrillResult]]) -> list[DrillResult]:
    """Play, and stop cleanly on Ctrl-C, SIGTERM or a hang-up. Further signals are ignored while it stops."""
    task = asyncio.current_task()
    assert task is not None, "runs in a task"

    def stop() -> None:
        if not task.cancelling():
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        return await play
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _require_kit(config: Config) -> None:
    """Refuse to run from their sources what only their images can run."""
    if names := [service.name for service in config.services if not service.kit]:
        raise EngineError(
            f"{', '.join(names)}: not built on the kit, so nothing but the image can run: start Docker or Podman"
        )


def _check_writable(path: Path) -> None:
    """Refuse an output that cannot be written before spending a minute on it."""
    place = next(parent for parent in path.resolve().parents if parent.exists())
    if path.is_dir() or not place.is_dir():
        raise NovaError(f"{path}: cannot be written (it is a directory, or below a file): name another file")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise NovaError(f"{path}: cannot be written ({error.strerror}): name another file") from None
