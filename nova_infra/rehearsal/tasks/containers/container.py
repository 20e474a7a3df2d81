"""Runs a task as a container, and stops it as ECS does: stop signal (SIGTERM), stop timeout, then SIGKILL."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError, last_lines
from nova_infra.rehearsal.tasks.containers import watching
from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.containers.labels import empty_directories, remove_directories
from nova_infra.rehearsal.tasks.containers.listening import ListeningWatch, listening, listening_places
from nova_infra.rehearsal.tasks.containers.options import ContainerNetwork, bare_mounts, create_options
from nova_infra.rehearsal.tasks.containers.seccomp import profile_option
from nova_infra.rehearsal.tasks.containers.start_errors import end_error, lacks_working_directory, start_error
from nova_infra.rehearsal.tasks.task import STAY_SECONDS, Task, TaskFailedError, free_port, last_words
from nova_infra.rehearsal.usage.cgroup import ControlGroup, GroupMeter
from nova_infra.rehearsal.usage.crowding import with_others
from nova_infra.rehearsal.usage.filling.disk import of_container, written
from nova_infra.rehearsal.usage.pressure import Pressure
from nova_infra.rehearsal.usage.processes import Usage

_POLL_SECONDS = 0.05
GONE_SECONDS = 3.0
_GUARD_SECONDS = 0.25
_UNSEEN_SECONDS = 1.0
_TRIES = 5
_DONE = {"pause": "already paused", "unpause": "not paused"}  # what engines say to what an earlier try has done


@dataclass
class ContainerTask(Task):
    """A container.

    Attributes:
        label: Label by which everything of the rehearsal is found.
        directory: Where the engine is called: its monitor may leave files there.
        volumes: Each of its shared volumes to the place of it.
        pid: Its first process; 0 before it starts, -1 where it has ended before it was seen.
    """

    engine: Engine
    image: EngineImage
    network: ContainerNetwork
    name: str
    label: str
    directory: str
    volumes: Mapping[str, str] = field(default_factory=dict)
    _created: bool = False
    _id: str = ""
    pid: int = 0
    _group: ControlGroup | None = None
    _meter: GroupMeter | None = None
    _gone: asyncio.Event = field(default_factory=asyncio.Event)
    _watching: list[asyncio.Task[None]] = field(default_factory=list)
    _exit_code: int | None = None
    _oom_kills: int = 0
    _log: list[str] = field(default_factory=list)
    _pressure: Pressure | None = None
    _stopping: bool = False
    _removed: bool = False
    _lacks_directory: bool = False

    @property
    def running(self) -> bool:
        """Whether the container runs."""
        return bool(self.pid) and not self._gone.is_set()

    async def create(self) -> None:
        """Create the container, which takes seconds with some storage drivers; it starts when :meth:`start` says so."""
        if self._created:
            return
        paths = bare_mounts(self.definition, self.image)
        paths += [self.definition.working_directory] if self._lacks_directory else []
        options = create_options(
            self.definition, self.image, self.network, name=self.name, label=self.label, port=self.port,
            podman=not self.engine.is_docker, directories=empty_directories(self.directory, self.name, paths),
            volumes=self.volumes,
        )  # fmt: skip
        profile = profile_option(self.directory)
        code, _, said = await self.engine.attempt("create", *profile, *options, directory=self.directory)
        if code:
            raise start_error(said, self.definition, self.image, self.engine)
        self._created = True

    async def start(self) -> None:
        """Start the container and wait until its container health check passes.

        Raises:
            TaskFailedError: It exited, never listened on its port, or its health check kept failing.
            EngineError: This machine cannot run it.
        """
        await self._prepare()
        async with self.starts:
            await self._run()
            await (self._wait_for_port() if self.definition.port else self._stay())
        await self.limit_processor()
        await self.wait_for_health()
        if self._meter is not None:
            self._meter.restart()

    async def launch(self) -> None:
        """Start the container, and wait for nothing."""
        await self._prepare()
        async with self.starts:
            await self._run()

    @property
    def ending(self) -> bool:
        return self.running and self._group is not None and self.pid > 0 and watching.has_ended(self.pid)

    @property
    def exit_code(self) -> int | None:
        """The exit code of its program, once it has ended."""
        return self._exit_code

    @property
    def said(self) -> list[str]:
        """What it printed last, once it has ended."""
        return self._log

    async def said_now(self) -> list[str]:
        """What it has printed last, while it runs."""
        return await watching.last_output(self.engine, self.name)

    async def _prepare(self) -> None:
        self.check_secrets()
        wanted, given = self.definition.architecture, self.image.architecture
        if given and wanted != given:
            raise TaskFailedError(
                f"CannotStartContainerError: exec format error: the image is for {given}, and the task definition "
                f"says {wanted}"
            )
        await self.create()

    async def _run(self) -> None:
        for attempt in range(1, _TRIES + 1):
            code, _, said = await self.engine.attempt("start", self.name, directory=self.directory)
            if not code:
                break
            if lacks_working_directory(said) and not self._lacks_directory:
                self._lacks_directory = True
            elif "address already in use" not in said.lower() or attempt == _TRIES:
                raise start_error(said, self.definition, self.image, self.engine)
            # Another program took the port between its choice and its use. That is not the service's fault.
            await self._remove(ends=False)
            self._created = self._removed = False
            self.port = self.port if self.network.is_anothers else free_port()
            await ContainerTask.create(self)  # Of a task of several containers, this one alone.
        self._id, self.pid, address = await watching.read_start(self.engine, self.name)
        self.address = address or self.address
        self._group = ControlGroup.of(self.pid, self._id) if sys.platform == "linux" else None
        if self._group is not None:
            self._meter = GroupMeter(self._group, self.definition.cpu)
            self._watching.append(asyncio.create_task(self._guard_memory(self._group)))
        self._watching.append(asyncio.create_task(self._watch()))
        self._listening_since = time.monotonic()
        if self.pid < 0:  # It has ended already, and shows nothing of what it did.
            await self._gone.wait()

    async def _watch(self) -> None:
        """Wait for its end, and note how it ended."""
        try:
            await watching.until_gone(self.pid if self._group is not None else 0, self.engine, self.name)
            self._count_kills()
            # Nobody asks how a task ended that was asked to: each question costs the engine a tenth of a second.
            end = None if self._stopping else await watching.read_end(self.engine, self.name)
            if end is None:
                return
            self._exit_code = end.exit_code
            self._oom_kills += end.out_of_memory
            self._log = end.said
        finally:
            self._gone.set()

    async def _guard_memory(self, group: ControlGroup) -> None:
        """Note memory peaks and kills by the kernel: the control group disappears with the container."""
        while not self._gone.is_set():
            self._count_kills()
            self.note_memory(group.memory() or 0.0)
            await asyncio.sleep(_GUARD_SECONDS)

    def _count_kills(self) -> None:
        if self._group is not None:
            self._oom_kills = max(self._oom_kills, self._group.killed_for_memory())

    async def _stay(self, seconds: float = STAY_SECONDS) -> None:
        """See that it does not end at once: nothing asks a task without a port how it is."""
        if await self._ends_within(seconds):
            await self.hear_out()
            raise end_error(self._log, self.stopped_reason(), self.image, self.engine)
        self._listening_since = time.monotonic()

    async def _ends_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), seconds)
        return not self.running

    async def _wait_for_port(self) -> None:
        """Wait until it listens on its port, for as long as ECS would wait for it to become healthy."""
        began, watch, elsewhere_since = time.monotonic(), ListeningWatch(self.pid), float("inf")
        while True:
            if not self.running:
                await self.hear_out()
                raise end_error(self._log, self.stopped_reason(), self.image, self.engine)
            found = watch.look() if self._group is not None else None
            self._started_in = self._meter.seconds_on_its_share() if self._meter else time.monotonic() - began
            if found is None:  # This machine does not show it: the health checks decide, unless it ends at once.
                return await self._stay(_UNSEEN_SECONDS)
            if self.definition.port in found.reachable:
                self._listening_since, self._seen_listening = time.monotonic(), True
                return None
            elsewhere_since = min(elsewhere_since, time.monotonic()) if found.anywhere else float("inf")
            if time.monotonic() - elsewhere_since > self.elsewhere_seconds:
                raise self.listens_elsewhere(found.reachable, found.inside)
            if self._started_in > self.patience and found.anywhere:
                raise self.listens_elsewhere(found.reachable, found.inside)
            if self._started_in > self.patience:
                raise self.listens_nowhere(last_words(await self.said_now()))
            await asyncio.sleep(_POLL_SECONDS)

    async def limit_processor(self) -> None:
        """Limit it to its CPU units from now on. While it starts, its time is counted as if it were limited already."""
        share = min(self.definition.cpu / 1024, float(os.cpu_count() or 1))
        if not (self._group and self._group.limit_processor(share)):
            await self.insist("update", f"--cpus={share:g}", otherwise="it cannot limit processor time")

    async def insist(self, command: str, *options: str, otherwise: str) -> None:
        """Run an engine's command on it, with retries: runc cannot always freeze a group."""
        for _ in range(_TRIES):
            code, _, said = await self.engine.attempt(command, *options, self.name, directory=self.directory)
            done = not code or (command in _DONE and _DONE[command] in said.lower())
            # It may have ended meanwhile, which takes time to show: waiting for its health then says so.
            if done or await self._ends_within(GONE_SECONDS):
                return
        raise EngineError(f"{self.engine.program} {command}: {last_lines(said, 2)}: {otherwise}")

    async def kill_for_memory(self) -> None:
        """End it as the kernel does where the task holds more memory than it may."""
        self._oom_kills += 1
        await self.engine.attempt("kill", "--signal=KILL", self.name)

    def listens_on(self, port: int) -> bool | None:
        found = listening(self.pid) if self._group is not None else None
        return None if found is None else port in found.reachable

    def listened_on(self) -> list[tuple[str, int]]:
        return listening_places(self.pid) if self._group is not None else []

    async def run_check(self, words: Sequence[str], seconds: float) -> tuple[int, list[str]]:
        code, out, said = await self.engine.attempt("exec", self.name, *words, seconds=seconds)
        return code, [*out.splitlines(), *said.splitlines()]

    async def suffer(self) -> None:
        match self.definition.fault.partition(":")[0]:
            case "killed":
                await self.insist("kill", "--signal=KILL", otherwise="play that drill again")
            case "paused":
                await self.insist("pause", otherwise="play that drill again")
            case "cpu" | "memory" | "children" | "killed-by-kernel":
                if self._group is None:
                    raise EngineError("this drill needs the control groups of Linux: leave it out on this machine")
                groups = self._group.joined(for_memory=self.definition.fault != "cpu")
                self._pressure = await Pressure.start(self.definition, parent=self.pid, groups=groups)
                assert self._pressure is not None, "the fault is one of pressure"
                await self._pressure.wait_for_kill(self.definition, self._gone.wait)

    async def stop(self) -> None:
        """Send the image's stop signal, SIGKILL after the stop timeout, and remove it. Safe to call twice."""
        try:
            if self._pressure is not None:
                await self._pressure.end()
            if self.running:
                await self._end()
        finally:
            for each in self._watching:
                each.cancel()
            await self._remove()

    async def _end(self) -> None:
        self._stopping = True
        if self.definition.fault == "paused":
            await self.insist("unpause", otherwise="play that drill again")
        number = "SIGURG" if self.ignores_its_signal else "SIGKILL" if self.ends_at_once else self.image.stop_signal
        await self.engine.attempt("kill", f"--signal={number}", self.name)
        if not await self._ends_within(self.grace()):
            self.killed_at_stop = True
            await self.engine.attempt("kill", "--signal=KILL", self.name)

    async def _remove(self, *, ends: bool = True) -> None:
        if self._created and not self._removed:
            self._removed = True
            await self.engine.attempt("rm", "--force", "--volumes", self.name, directory=self.directory)
            if ends:  # Otherwise it is made again, with what is mounted in it.
                remove_directories(self.directory, self.name)
                self._gone.set()

    @property
    def stop_signal(self) -> signal.Signals | None:
        """That of its image."""
        return self.image.numbered_stop_signal

    @property
    def is_limited(self) -> bool:
        return True

    async def ended(self) -> None:
        await self._gone.wait()

    async def hear_out(self) -> None:
        for each in (await asyncio.wait(self._watching, timeout=with_others(2)))[0] if self._watching else ():
            if not each.cancelled():  # by stop()
                each.result()  # Raises what kept it from being heard.

    @property
    def memory(self) -> float:
        """MiB that the whole container holds now; 0 where it does not run or this machine does not say."""
        return (self._group.memory() or 0.0) if self._group is not None else 0.0

    @property
    def disk(self) -> float:
        return written(of_container(self.pid)) if self._group is not None else 0.0

    def read_usage(self) -> Usage | None:
        """What the whole container used since the last call; None where it runs and this machine does not say."""
        if self._meter is not None:
            return self._meter.read()
        return None if self.running else Usage(0.0, 0.0)

    def stopped_reason(self) -> str:
        if not self.pid:
            return "it was never started"
        return watching.end_in_words(
            self._exit_code,
            killed_for_memory=self._oom_kills > 0,
            peak=self._peak,
            memory=self.definition.memory,
            said=last_words(self._log),
        )
