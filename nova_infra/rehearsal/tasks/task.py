"""ECS tasks as processes of this machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from nova_infra.processes import Process, start_process
from nova_infra.rehearsal.clock import HEALTH_CHECK_COMPRESSION
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.usage import Usage, UsageMeter

_LOG_LINES = 200
_LINE_LENGTH = 160
_ELSEWHERE_SECONDS = 1.0
_POLL_SECONDS = 0.05
_GUARD_SECONDS = 0.25
_SPARE_STOP_SECONDS = 1.0
_LAST_WORDS_SECONDS = 1.0  # a child that was left behind may hold the output open for ever
_SECRET = "stand-in-of-the-rehearsal"  # noqa: S105 - no secret: it stands for one


class TaskFailedError(Exception):
    """A task did not become healthy, or ended by itself. The message is the stopped-task reason."""


@dataclass
class Task:
    """One running task.

    Attributes:
        definition: What it runs.
        sources: Checkout whose ``services/`` hold what the image would contain.
        starts: Limits how many processes start side by side: they slow each other down, and nobody waits for less.
        patience: Seconds after which ECS gives up a task that is not healthy. They pass in real time until it listens
            on its port, as programs start in real time, and then as fast as all health checks.
        port: The port of this machine that stands for the container's port.
        log: The last lines it printed.
        stopped_because: Why it was ended from outside before its time, if it was.
        killed_at_stop: Whether it had to be killed because it did not end within its stop timeout.
    """

    definition: TaskDefinition
    sources: Path
    starts: asyncio.Semaphore
    patience: float
    port: int = field(default_factory=lambda: free_port())
    log: deque[str] = field(default_factory=lambda: deque(maxlen=_LOG_LINES))
    stopped_because: str = ""
    killed_at_stop: bool = False
    _process: Process | None = None
    _meter: UsageMeter | None = None
    _reader: asyncio.Task[None] | None = None
    _guard: asyncio.Task[None] | None = None
    _listening_since: float = 0.0
    _peak: float = 0.0
    _started_in: float = 0.0

    @property
    def running(self) -> bool:
        """Whether the process is there, and has not been killed for what it holds."""
        return self._process is not None and self._process.exit_code is None and not self.stopped_because

    async def start(self) -> None:
        """Start the process and wait until its container health check passes.

        Raises:
            TaskFailedError: It exited, never listened on its port, or its health check kept failing.
        """
        async with self.starts:
            await self._start_process()
            while not await self._wait_for_port():
                # Another program took the port between its choice and its use. That is no fault of the service.
                await self.stop()
                self.port = free_port()
                await self._start_process()
        await self._wait_for_health()

    async def _start_process(self) -> None:
        try:
            self._process = await start_process(
                self.definition.command, directory=self.sources, environment=self._environment()
            )
        except OSError as error:
            raise TaskFailedError(
                f"CannotStartContainerError: {self.definition.command[0]}: {error.strerror}"
            ) from None
        self._reader = asyncio.create_task(self._read_log(self._process))
        self._meter = UsageMeter(self._process.pid)
        self._guard = asyncio.create_task(self._guard_memory(self._process, self._meter))

    async def stop(self) -> None:
        """Send SIGTERM, and SIGKILL to whatever is left after the stop timeout. Safe to call twice."""
        if self._process is None:
            return
        grace = self.definition.stop_timeout / HEALTH_CHECK_COMPRESSION + _SPARE_STOP_SECONDS
        if not await self._process.stop(grace):
            self.killed_at_stop = True
        if self._guard is not None:
            self._guard.cancel()
        if self._reader is not None:
            await self._reader

    async def ended(self) -> None:
        """Wait until the process is gone."""
        if self._process is not None:
            await self._process.wait()

    @property
    def memory(self) -> float:
        """MiB that it holds now; 0 where it does not run."""
        return self._meter.memory() if self._meter is not None else 0.0

    def measure(self) -> Usage:
        """What it used since the last call; of its memory the most that it held meanwhile."""
        if self._meter is None:
            return Usage(0.0, 0.0)
        usage = self._meter.read()
        self._limit_memory(usage.memory)
        held, self._peak = self._peak, 0.0
        return replace(usage, memory=held)

    def _limit_memory(self, held: float) -> None:
        self._peak = max(self._peak, held)
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

    async def check(self) -> str | None:
        """Run the container health check once.

        Returns:
            None when it passes, else what it said.
        """
        check = self.definition.health_check
        if check is None:
            return None if self.running else "the container does not run"
        kind, *words = check.command
        process = await start_process(
            ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words,
            directory=self.sources,
            environment=self._environment(),
        )
        try:
            output = await asyncio.wait_for(process.output.read(), check.timeout)
            code = await process.wait()
        except TimeoutError:
            return f"it did not end within {check.timeout:g} s"
        finally:
            process.kill()
            await process.wait()
        if code == 0:
            return None
        said = tail(output.decode(errors="replace").splitlines(), 1)
        return said[0] if said else f"it exited with {code}"

    def _environment(self) -> dict[str, str]:
        definition = self.definition
        services = self.sources / "services"
        return {
            **definition.environment,
            **dict.fromkeys(definition.secrets, _SECRET),
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(str(services / name / "src") for name in (definition.repository, "kit")),
            "PYTHONUNBUFFERED": "1",
        }

    async def _wait_for_port(self) -> bool:
        """Wait until it listens on its port, for as long as ECS would wait for it to become healthy.

        Returns:
            False where another program has the port.

        Raises:
            TaskFailedError: It ended, listens elsewhere, or the time is over.
        """
        assert self._process is not None, "called by start"
        assert self._meter is not None, "called by start"
        port, elsewhere = self.definition.port, 0.0
        while True:
            taken = _listens(self.port)
            if taken and self._process.exit_code is None and self.port in self._process.listening_ports():
                self._listening_since = time.monotonic()
                self._started_in = self._meter.seconds_with_a_processor()
                return True
            if taken:
                return False
            if self._process.exit_code is not None:
                await self._hear_out()
                raise TaskFailedError(self.stopped_reason())
            self._started_in = self._meter.seconds_with_a_processor()
            if elsewhere > _ELSEWHERE_SECONDS:
                ports = self._process.listening_ports()
                if ports and self.port not in ports:  # It may have begun to listen since the look above.
                    raise TaskFailedError(
                        f"nothing listens on port {port}, the one in its task definition: the program listens on "
                        f"{' and '.join(map(str, ports))} instead"
                    )
            if self._started_in > self.patience:
                raise TaskFailedError(
                    f"nothing listens on port {port} after {self.patience:g} s, all the time that its health checks "
                    f"give it to start: {self._last_words()}"
                )
            await asyncio.sleep(_POLL_SECONDS)
            elsewhere += _POLL_SECONDS

    async def _hear_out(self) -> None:
        """Wait for what it said last, which may still be on its way when its end is known."""
        if self._reader is not None:
            await asyncio.wait([self._reader], timeout=_LAST_WORDS_SECONDS)

    async def _wait_for_health(self) -> None:
        check = self.definition.health_check
        failures = 0
        while (fault := await self.check()) is not None:
            if not self.running:
                await self._hear_out()
                raise TaskFailedError(self.stopped_reason())
            failures += 1
            assert check is not None, "without a check there is no failure"
            if failures >= check.retries and self.patience_left() <= 0:
                raise TaskFailedError(f"its container health check failed {failures} times: {fault}")
            await asyncio.sleep(check.interval / HEALTH_CHECK_COMPRESSION)

    def patience_left(self) -> float:
        """Seconds of this machine until ECS gives the task up, once it listens on its port."""
        listening = time.monotonic() - self._listening_since
        return (self.patience - self._started_in) / HEALTH_CHECK_COMPRESSION - listening

    def stopped_reason(self) -> str:
        """Why it is not running."""
        if self._process is None:
            return "it was never started"
        if self.stopped_because:
            return self.stopped_because
        code = self._process.exit_code
        if code is not None and code < 0:
            return f"it was ended by {signal.Signals(-code).name} from outside: {self._last_words()}"
        return f"essential container exited with code {code}: {self._last_words()}"

    def _last_words(self) -> str:
        return in_a_line((tail(self.log, 1) or ["it printed nothing"])[0])

    async def _read_log(self, process: Process) -> None:
        rest = b""
        while chunk := await process.output.read(2**16):
            *lines, rest = (rest + chunk).split(b"\n")
            self.log.extend(line.decode(errors="replace").rstrip() for line in lines)
        self.log.append(rest.decode(errors="replace").rstrip())


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def in_a_line(said: str) -> str:
    """What a program said, short enough for a sentence; of a log line in JSON its level and message alone."""
    try:
        entry = json.loads(said)
        said = f"{entry['level']}: {entry['message']}"
    except (ValueError, KeyError, TypeError):
        pass
    return said if len(said) <= _LINE_LENGTH else f"{said[:_LINE_LENGTH]}…"


def tail(lines: Iterable[str], count: int) -> list[str]:
    """The last lines that say something."""
    return [line for line in lines if line.strip()][-count:]
