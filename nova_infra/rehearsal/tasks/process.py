"""Runs a task as a process of its sources, without an engine; stops it by SIGTERM, then SIGKILL."""

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import socket
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nova_infra.assembly import DockerAsset
from nova_infra.containers.dockerfile import program_of, variables_of
from nova_infra.errors import NovaError
from nova_infra.machine.processes import Process, start_process
from nova_infra.machine.scratch import scratch_directory
from nova_infra.machine.tools import node
from nova_infra.rehearsal.tasks.own_port import doubted_port
from nova_infra.rehearsal.tasks.read_only import wrote_read_only
from nova_infra.rehearsal.tasks.task import (
    SECRET,
    STAY_SECONDS,
    NotAmongSourcesError,
    Task,
    TaskFailedError,
    free_port,
    last_words,
)
from nova_infra.rehearsal.usage.filling.disk import written
from nova_infra.rehearsal.usage.pressure import Pressure
from nova_infra.rehearsal.usage.processes import Usage, UsageMeter

FIXED_PORT = "{}: listens on port {} whatever PORT says: let it read PORT, or play it with a container engine"
_LOG_LINES = 200
_MADE = "{}: {} is not among its sources ({}): where its Dockerfile makes it, play it with a container engine"
_PLACES = ("home", "tmp", "work")
_LOOK_SECONDS = 0.5
_POLL_SECONDS = 0.05
_GUARD_SECONDS = 0.25
_LAST_WORDS_SECONDS = 1.0  # a child that was left behind may hold the output open for ever


@dataclass
class ProcessTask(Task):
    """A process of the sources, with a home, a working directory and temporary files of its own.

    Attributes:
        sources: Checkout whose ``services/`` hold what the image would contain.
        asset: What the image would be built from, where an assembly holds it: the process runs in a copy of that.
    """

    sources: Path
    asset: DockerAsset | None = None
    log: deque[str] = field(default_factory=lambda: deque(maxlen=_LOG_LINES))
    _process: Process | None = None
    _meter: UsageMeter | None = None
    _reader: asyncio.Task[None] | None = None
    _guard: asyncio.Task[None] | None = None
    _scratch: tempfile.TemporaryDirectory[str] | None = None
    _pressure: Pressure | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there, and has not been killed for what it holds."""
        return self._process is not None and self._process.exit_code is None and not self.stopped_because

    async def start(self) -> None:
        self.check_secrets()
        self._note_own_port()
        async with self.starts:
            await self._start_process()
            while not await (self._wait_for_port() if self.definition.port else self._stay()):
                # Another program took the port between its choice and its use. That is not the service's fault.
                await self.stop()
                self.port = free_port()
                await self._start_process()
        await self.wait_for_health()

    async def launch(self) -> None:
        """Start the process, and wait for nothing."""
        self.check_secrets()
        async with self.starts:
            await self._start_process()

    @property
    def exit_code(self) -> int | None:
        """The exit code of its program, once it has ended."""
        return self._process.exit_code if self._process is not None else None

    @property
    def said(self) -> list[str]:
        """What it printed last."""
        return list(self.log)

    async def said_now(self) -> list[str]:
        """What it has printed last, while it runs."""
        return self.said

    @property
    def pid(self) -> int | None:
        """The number of its process; None before it has one."""
        return self._process.pid if self._process is not None else None

    async def _start_process(self) -> None:
        if not (words := self._words()):
            raise TaskFailedError(
                "its task definition has no command, and without a container engine its image's own command is unknown"
            )
        self._make_scratch()
        try:
            self._process = await start_process(words, directory=self._place("work"), environment=self._environment())
        except OSError as error:
            if not (self.definition.entry_point or self.definition.command):
                raise NotAmongSourcesError(_MADE.format(self.definition.revision, words[0], error.strerror)) from None
            raise TaskFailedError(f"CannotStartContainerError: {words[0]}: {error.strerror}") from None
        self._reader = asyncio.create_task(self._read_log(self._process))
        self._meter = UsageMeter(self._process.pid, self.definition.cpu / 1024)
        self._guard = asyncio.create_task(self._guard_memory(self._process, self._meter))

    def _words(self) -> tuple[str, ...]:
        """Its program, as its task definition or its image says; empty where that is not known."""
        words = (*self.definition.entry_point, *self.definition.command)
        if self.asset is not None and not self.definition.entry_point:
            words = words or program_of(self.asset.directory / self.asset.dockerfile, self.asset.target)
        return words

    def _make_scratch(self) -> None:
        self._scratch = scratch_directory("task")
        for name in _PLACES:
            Path(self._scratch.name, name).mkdir()
        if self.asset is not None:
            shutil.copytree(self.asset.directory, self._place("work"), dirs_exist_ok=True, symlinks=True)

    def _place(self, name: str) -> Path:
        assert self._scratch is not None, "made before the process"
        return Path(self._scratch.name, name)

    async def stop(self) -> None:
        if self._pressure is not None:
            await self._pressure.end()
        if self._process is not None:
            self._process.resume()
            number = signal.SIGURG if self.is_spared else self.stop_signal  # nobody hears SIGURG
            if not await self._process.stop(self.grace(), number, alone=True):
                self.killed_at_stop = True
        if self._guard is not None:
            self._guard.cancel()
        if self._reader is not None:
            await self._reader
        if self._scratch is not None:
            self._note_written()
            self._scratch.cleanup()

    @property
    def stop_signal(self) -> signal.Signals:
        """The stop signal of most images, as its own image is unknown."""
        return signal.SIGTERM

    @property
    def is_limited(self) -> bool:
        """It may use all of this machine's processor time."""
        return False

    async def ended(self) -> None:
        """Wait until the process is gone: with the first one of a container, all others end."""
        if self._process is not None:
            await self._process.gone()

    @property
    def memory(self) -> float:
        return self._meter.memory() if self._meter is not None else 0.0

    @property
    def disk(self) -> float:
        return written([self._place(each) for each in _PLACES]) if self._scratch is not None else 0.0

    def read_usage(self) -> Usage:
        if self._meter is None:
            return Usage(0.0, 0.0)
        usage = self._meter.read()
        self._limit_memory(usage.memory)
        return usage

    def _limit_memory(self, held: float) -> None:
        self.note_memory(held)
        if held > self.definition.memory and self._process is not None and self.running:
            self.stopped_because = (
                f"OutOfMemoryError: it held {held:.0f} MiB and was granted {self.definition.memory} MiB"
            )
            self._process.kill()

    async def _guard_memory(self, process: Process, meter: UsageMeter) -> None:
        """Kill the task when it holds more memory than it may, as ECS does."""
        while process.exit_code is None:
            self._limit_memory(meter.memory())
            await asyncio.sleep(_GUARD_SECONDS)

    def listens_on(self, port: int) -> bool:
        return self._process is not None and port in self._process.listening_ports()

    def listened_on(self) -> list[tuple[str, int]]:
        return self._process.listening() if self._process is not None else []

    async def run_check(self, words: Sequence[str], seconds: float) -> tuple[int, list[str]]:
        process = await start_process(words, directory=self._place("work"), environment=self._environment())
        try:
            output = await asyncio.wait_for(process.output.read(), seconds)
            return await process.wait(), output.decode(errors="replace").splitlines()
        finally:
            process.kill()
            await process.wait()

    def _environment(self) -> dict[str, str]:
        """Only this machine's programs: no home, no credentials."""
        definition = self.definition
        services = self.sources / "services"
        return {
            **self._image_variables,
            **definition.environment,
            **dict.fromkeys(definition.secrets, SECRET),
            "PORT": str(self._told_port()),
            "HOST": "127.0.0.1",
            "HOME": str(self._place("home")),
            "TMPDIR": str(self._place("tmp")),
            # A program in Python that stands before Node would get its signals.
            "PATH": os.pathsep.join([str(Path(node()).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(str(services / name / "src") for name in (definition.repository, "kit")),
            "PYTHONUNBUFFERED": "1",
        }

    @functools.cached_property
    def _image_variables(self) -> dict[str, str]:
        """The variables that its image would set."""
        asset = self.asset
        return variables_of(asset.directory / asset.dockerfile, asset.target) if asset is not None else {}

    def _note_own_port(self) -> None:
        """Note a program that seems to take another port where nothing sets PORT; here PORT is always set."""
        if self.asset is not None and (doubt := doubted_port(self.asset, self.definition, self._words())):
            self.doubt(doubt)

    def _note_written(self) -> None:
        """Note a program that wrote where the definition lets nobody write; here it may write anywhere."""
        if wrote := wrote_read_only(self.definition, self.asset, self._place("work"), self._place("tmp")):
            self.doubt(
                f"only its image shows whether a task can do without {wrote}, which it wrote: its root file system "
                "is read-only (mount a volume there, or play it with a container engine)"
            )

    def _told_port(self) -> int:
        """The port of this machine that stands for the one that its definition's variable names.

        Where the variable names another port than the definition's port mapping, the program listens where nothing
        sends requests to.
        """
        named = {**self._image_variables, **self.definition.environment}.get("PORT", "")
        if named and self.definition.port and named != str(self.definition.port):
            return free_port()
        return self.port

    async def _stay(self) -> bool:
        """See that it does not end at once: nothing asks a task without a port how it is."""
        assert self._process is not None, "called by start"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.gone(), STAY_SECONDS)
        if self._process.exit_code is not None:
            await self.hear_out()
            raise TaskFailedError(self.stopped_reason())
        self._listening_since = time.monotonic()
        return True

    async def _wait_for_port(self) -> bool:
        """Wait until it listens on its port, for as long as ECS would wait for it to become healthy.

        Returns:
            False where another program has the port.
        """
        assert self._process is not None, "called by start"
        assert self._meter is not None, "called by start"
        look_at, elsewhere_since = time.monotonic(), float("inf")
        while True:
            taken = _listens(self.port)
            if taken and self._process.exit_code is None and self.port in self._process.listening_ports():
                self._listening_since, self._seen_listening = time.monotonic(), True
                self._started_in = self._meter.seconds_with_a_processor()
                self._limit_memory(self._meter.memory())  # the kernel would not wait for the next look
                if self.stopped_because:
                    raise TaskFailedError(self.stopped_because)
                return True
            if taken:
                return False
            if self._process.exit_code is not None:
                await self.hear_out()
                raise TaskFailedError(self.stopped_reason())
            self._started_in = self._meter.seconds_with_a_processor()
            if (now := time.monotonic()) >= look_at:
                look_at, ports = now + _LOOK_SECONDS, self._process.listening_ports()
                if self.definition.port in ports and self.port not in ports:
                    raise NovaError(FIXED_PORT.format(self.definition.revision, self.definition.port))
                # It may have begun to listen since the look above.
                elsewhere_since = min(elsewhere_since, now) if ports and self.port not in ports else float("inf")
                if now - elsewhere_since > self.elsewhere_seconds:
                    raise self.listens_elsewhere(ports)
            if self._started_in > self.patience:
                raise self.listens_nowhere(last_words(self.log))
            await asyncio.sleep(_POLL_SECONDS)

    async def hear_out(self) -> None:
        if self._reader is not None:
            await asyncio.wait([self._reader], timeout=_LAST_WORDS_SECONDS)

    async def suffer(self) -> None:
        assert self._process is not None, "it serves"
        if self.definition.fault == "killed":
            self._process.kill()
        elif self.definition.fault == "paused":
            self._process.pause()
        else:
            self._pressure = await Pressure.start(self.definition, parent=self._process.pid)
            if self._pressure is not None and self._meter is not None:
                self._meter.add(self._pressure.pid)
                await self._pressure.wait_for_kill(self.definition, self._process.wait)

    def stopped_reason(self) -> str:
        if self._process is None:
            return "it was never started"
        if self.stopped_because:
            return self.stopped_because
        code = self._process.exit_code
        if code is not None and code < 0:
            return f"it was ended by {signal.Signals(-code).name} from outside: {last_words(self.log)}"
        return f"essential container exited with code {code}: {last_words(self.log)}"

    async def _read_log(self, process: Process) -> None:
        rest = b""
        while chunk := await process.output.read(2**16):
            *lines, rest = (rest + chunk).split(b"\n")
            self.log.extend(line.decode(errors="replace").rstrip() for line in lines)
        self.log.append(rest.decode(errors="replace").rstrip())


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
