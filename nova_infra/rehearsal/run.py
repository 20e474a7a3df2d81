"""One rehearsal from beginning to end: the pipeline, then the drills, then the report."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from nova_infra.assembly import Assembly
from nova_infra.config import CONFIG_FILE, load_config
from nova_infra.containers.errors import EngineError
from nova_infra.errors import NovaError
from nova_infra.machine.parallel import gather
from nova_infra.machine.terminal import open_console
from nova_infra.rehearsal.clock import COMPRESSED, REAL_TIME
from nova_infra.rehearsal.delivery.definition import DeployAction
from nova_infra.rehearsal.delivery.delivery import delivery_of
from nova_infra.rehearsal.drills.catalogue import choose
from nova_infra.rehearsal.drills.drill import CONFIGURED, Drill, DrillResult
from nova_infra.rehearsal.drills.plan import lacking, plan
from nova_infra.rehearsal.drills.steering import DrillSteering
from nova_infra.rehearsal.ecs.hooks import HookAnswer, HookCall
from nova_infra.rehearsal.live.live import View
from nova_infra.rehearsal.pipeline.edits import canary
from nova_infra.rehearsal.pipeline.forecast import forecast, note_refusals
from nova_infra.rehearsal.pipeline.player import Approve, Player, new_record
from nova_infra.rehearsal.pipeline.precheck import precheck
from nova_infra.rehearsal.pipeline.release import Release, baseline_of
from nova_infra.rehearsal.report.page import report
from nova_infra.rehearsal.report.summary import show_summary, show_verdict
from nova_infra.rehearsal.report.verdict import verdict
from nova_infra.rehearsal.requests.files import RequestFiles
from nova_infra.rehearsal.tasks.runtime import ImageRuntime, Kind, Runtime, choose_runtime

WORK_DIRECTORY = ".nova"
_AT_ONCE = 2
"""So many drills of a single service are played side by side: they wait for minutes more than they work."""


@dataclass(frozen=True)
class WhatIf:
    """Another canary to compare the configured one with.

    Attributes:
        percent: Share of the traffic that the new revision gets while it bakes.
        bake_minutes: How long it bakes.
    """

    percent: float
    bake_minutes: int

    @property
    def name(self) -> str:
        """What to call it."""
        return f"{self.percent:g} % for {self.bake_minutes} min"

    @classmethod
    def parse(cls, text: str) -> WhatIf:
        """Read ``percent=5,bake=10``.

        Raises:
            NovaError: It is something else, or outside what ECS takes.
        """
        try:
            values = dict(part.split("=") for part in text.replace(" ", "").split(","))
            percent, bake = float(values.pop("percent")), int(values.pop("bake"))
        except (KeyError, ValueError):
            values = {"": ""}
            percent, bake = 0.0, 0
        if values or not 0.1 <= percent <= 100 or not 0 <= bake <= 1440:
            raise NovaError(
                f"--what-if {text}: is not a canary: write percent=5,bake=10 (0.1 to 100 percent, 0 to 1440 minutes)"
            )
        return cls(percent, bake)


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    Attributes:
        root: The project's directory.
        assembly: The candidate's assembly.
        baseline: Git revision of the baseline.
        approve: Whether every approval is given without asking.
        drills: Names of the drills that follow the pipeline; ``all`` stands for every one.
        what_if: Another canary that the drills are repeated with, if any.
        json_file: Where to write the record, if anywhere.
        report_file: Where to write the report.
        until: Name of the last stage to play; without it, all are played.
        tasks: ``images`` or ``sources``; None for images where an engine answers.
        real_time: Whether a minute lasts a minute.
        app: The command that synthesizes somebody's own CDK app; empty for a project of Nova.
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

    Args:
        options: What the user asked for.

    Returns:
        Whether every stage succeeded and every drill ended as it must.

    Raises:
        NovaError: The rehearsal cannot be held.
        KeyboardInterrupt: It was interrupted; everything that it had started is stopped.
    """
    console = open_console()
    drills = choose(options.drills)
    if not options.approve and not (sys.stdin.isatty() and console.is_terminal):
        raise NovaError("approval: there is no terminal to ask on: approve in advance with --approve")
    for file in (options.json_file, options.report_file):
        if file is not None:
            _check_writable(file)
    files = RequestFiles.load(options.root)
    candidate = Release("working tree", Assembly(options.assembly), options.root, app=options.app)
    assets = candidate.assembly.docker_assets()
    dockerfiles = sorted(options.root.glob("services/*/Dockerfile"))
    dockerfiles += [asset.directory / asset.dockerfile for asset in assets.values()]
    runtime = choose_runtime(
        options.tasks, dockerfiles, tell=lambda line: console.print(line, highlight=False, markup=False)
    )
    if runtime.kind == "sources":
        _require_kit(options.root)
    runtime.pace = REAL_TIME if options.real_time else COMPRESSED
    left_out = [drill.name for drill in drills if drill.needs_images and runtime.kind == "sources"]
    drills = [drill for drill in drills if drill.name not in left_out]
    delivery = delivery_of(candidate)
    pipeline = delivery.pipeline.until(options.until)
    not_rehearsed = precheck(candidate)
    not_rehearsed += [f"jobs beside the delivery: {', '.join(delivery.beside)}"] if delivery.beside else []
    for drill in list(drills):
        if why := lacking(drill, candidate):
            drills.remove(drill)
            not_rehearsed.append(f"the drill {drill.name}: {why}")
    if options.what_if is not None:
        _check_what_if(options.what_if, candidate)
    with baseline_of(candidate, options.baseline) as baseline:
        precheck(baseline)
        runtime.assets = {**baseline.assembly.docker_assets(), **assets}
        record = new_record(pipeline, candidate=candidate, baseline=baseline, runtime=runtime)
        record.not_rehearsed += not_rehearsed
        record.real_time, record.unsafe = options.real_time, list(delivery.unsafe)
        if left_out:
            record.not_rehearsed.append(f"the drills {', '.join(left_out)}, which need images")
        record.until = options.until if pipeline != delivery.pipeline else None
        refused = note_refusals(forecast(candidate, baseline), pipeline, record)
        record.started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        began = time.monotonic()
        view = View(console, record)
        logs = options.root / WORK_DIRECTORY / "logs"
        player = Player(
            pipeline,
            candidate,
            baseline,
            record,
            approve=_approval(options, console, view),
            tell=view.tell,
            logs=logs,
            runtime=runtime,
            steering=_Asked(_approval(options, console, view)),
            files=files,
            seconds_per_minute=runtime.pace.seconds_per_minute,
        )
        if isinstance(runtime, ImageRuntime):
            logs.mkdir(parents=True, exist_ok=True)
            runtime.log = logs / "baseline-images.log"
        results: list[DrillResult] = []

        async def play() -> None:
            async with runtime:
                await play_all()

        async def play_all() -> None:
            await player.play()
            if record.succeeded:
                unplayable = [] if record.measured else [drill for drill in drills if drill.needs_measuring]
                if unplayable:
                    names = ", ".join(drill.name for drill in unplayable)
                    record.not_rehearsed.append(f"the drills {names}, which need to be measured")
                    view.tell(f"left out: the drills {names}: this machine does not show what containers use")
                played = [drill for drill in drills if drill not in unplayable]
                results.extend(await _play_drills(played, candidate, options.what_if, view, logs, runtime, files))

        if not refused:
            with view.following():
                try:
                    asyncio.run(_until_stopped(play()))
                except OSError as error:
                    raise NovaError(f"{error.filename or logs}: {error.strerror}: make room there") from None
        record.seconds = time.monotonic() - began
    show_summary(console, record, results)
    if options.json_file is not None:
        _write(options.json_file, json.dumps({**record.as_json(), "drills": [r.as_json() for r in results]}, indent=2))
    options.report_file.parent.mkdir(parents=True, exist_ok=True)
    _write(options.report_file, report(record, results))
    said = verdict(record, results)
    show_verdict(console, said, options.report_file)
    return said.passed


def _check_what_if(what_if: WhatIf, candidate: Release) -> None:
    """Say before a minute's work that another canary would change nothing."""
    edit = canary(what_if.percent, what_if.bake_minutes)
    actions = [action for stage in candidate.pipeline().stages for action in stage.actions]
    templates = [candidate.template(action) for action in actions if isinstance(action, DeployAction)]
    if all(edit(template) == template for template in templates):
        raise NovaError(
            f"--what-if: {what_if.name} is already configured, or no service shifts traffic: "
            "name another canary, or set another strategy than rolling"
        )


def _drill_runs(drills: list[Drill], candidate: Release, what_if: WhatIf | None) -> list[tuple[Drill, Release, str]]:
    """Each drill with the release to play it on and the name of its canary."""
    runs = []
    for drill in drills:
        runs.append((drill, candidate, CONFIGURED))
        if what_if is not None and drill.reach == "production":
            other = replace(candidate, edits=(canary(what_if.percent, what_if.bake_minutes),))
            runs.append((drill, other, what_if.name))
    return runs


async def _play_drills(
    drills: list[Drill],
    candidate: Release,
    what_if: WhatIf | None,
    view: View,
    logs: Path,
    runtime: Runtime,
    files: RequestFiles,
) -> list[DrillResult]:
    """Play the drills, those of a single service two at a time, and give their results in the drills' order."""
    runs = _drill_runs(drills, candidate, what_if)
    places = asyncio.Semaphore(_AT_ONCE)

    async def play(number: int, drill: Drill, release: Release, canary_name: str) -> DrillResult:
        async with places:
            view.announce(f"drill {number} of {len(runs)}, {drill.name}, {canary_name}: {drill.title}")
            return await _play_drill(drill, release, canary_name, view, logs, runtime, files)

    numbered = [(number, *run) for number, run in enumerate(runs, start=1)]
    single = [run for run in numbered if run[1].reach == "production"]
    results = dict(zip((run[0] for run in single), await gather(*(play(*run) for run in single)), strict=True))
    for run in numbered:
        if run not in single:
            results[run[0]] = await play(*run)
    return [results[number] for number, *_ in numbered]


async def _play_drill(
    drill: Drill,
    release: Release,
    canary_name: str,
    view: View,
    logs: Path,
    runtime: Runtime,
    files: RequestFiles,
) -> DrillResult:
    planned = plan(drill, release)
    record = new_record(planned.pipeline, candidate=planned.candidate, baseline=planned.baseline, runtime=runtime)

    async def approve(_: str) -> bool:
        return drill.approves

    view.follow(record)
    began = asyncio.get_running_loop().time()
    player = Player(
        planned.pipeline,
        planned.candidate,
        planned.baseline,
        record,
        approve=approve,
        tell=lambda line: view.tell(f"  {line}"),
        logs=logs / (drill.name if canary_name == CONFIGURED else f"{drill.name}, {canary_name}"),
        minutes_before=drill.minutes_before,
        seconds_per_minute=runtime.pace.seconds_per_minute,
        runtime=runtime,
        steering=DrillSteering(drill.answers, planned.service),
        files=files,
    )
    await player.play()
    result = DrillResult(
        drill.name,
        drill.title,
        drill.expected,
        planned.service,
        canary_name,
        drill.check(record, planned.service),
        asyncio.get_running_loop().time() - began,
        record,
        drill.place,
    )
    came = "; ".join(result.misses) or "all that must follow did"
    view.ended(f"{'✓' if result.passed else '✗'} drill {drill.name}, {canary_name}: {came}")
    return result


class _Asked:
    """Asks whoever gives the approvals, too, whether a deployment goes on."""

    def __init__(self, approve: Approve) -> None:
        self._approve = approve
        self._terminal = asyncio.Lock()

    async def answer(self, call: HookCall, /) -> HookAnswer:
        async with self._terminal:
            goes_on = await self._approve(f"{call.service} waits at {call.stage}")
        return HookAnswer("CONTINUE") if goes_on else HookAnswer("ROLLBACK", "its gate was refused")

    def aborts(self, _: str, __: float, /) -> str:
        return ""


def _approval(options: Options, console: Console, view: View) -> Approve:
    async def approve(name: str) -> bool:
        if options.approve:
            return True
        with view.paused():
            console.print(f"{name}: go on? \\[y/N] ", end="")
            answer = await _read_line()
        return answer.strip().lower() in ("y", "yes")

    return approve


async def _read_line() -> str:
    """A line from the terminal. Not read in a thread: a thread would keep Ctrl-C waiting for the Enter key."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()


async def _until_stopped(play: Coroutine[object, object, None]) -> None:
    """Play; on SIGTERM or a hang-up stop as cleanly as on Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None, "runs in a task"
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await play
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _require_kit(root: Path) -> None:
    """Refuse to run from their sources what only their images can run.

    Raises:
        EngineError: There is a service that is not built on the kit.
    """
    if not (root / CONFIG_FILE).is_file():
        return
    if names := [service.name for service in load_config(root).services if not service.kit]:
        raise EngineError(
            f"{', '.join(names)}: not built on the kit, so nothing but the image can run: start Docker or Podman"
        )


def _check_writable(path: Path) -> None:
    """Say before a minute's work that its result has no place."""
    place = next(parent for parent in path.resolve().parents if parent.exists())
    if path.is_dir() or not place.is_dir():
        raise NovaError(f"{path}: cannot be written (it is a directory, or below a file): name another file")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise NovaError(f"{path}: cannot be written ({error.strerror}): name another file") from None
