"""ECS tasks as processes of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from nova_infra.rehearsal.clock import HEALTH_CHECK_COMPRESSION
from nova_infra.rehearsal.intrinsics import UnresolvableError

_LOG_LINES = 200
_IDLE_SECONDS = 3.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class HealthCheck:
    """A container health check. Times are in seconds, as in the task definition."""

    command: tuple[str, ...]
    interval: float
    timeout: float
    retries: int


@dataclass(frozen=True)
class TaskDefinition:
    """What one revision of a task runs.

    Attributes:
        revision: ``family:number``.
        image: The container image, with its tag.
        command: The container's command.
        environment: Its environment variables.
        port: The port it listens on.
        health_check: Its health check, if it has one.
        stop_timeout: Seconds from SIGTERM to SIGKILL.
        memory: MiB of the task.
    """

    revision: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    health_check: HealthCheck | None
    stop_timeout: float
    memory: int

    @property
    def repository(self) -> str:
        """Last part of the image's name, without the tag."""
        return self.image.rpartition("/")[2].partition(":")[0]

    @property
    def release(self) -> str:
        """The image's tag."""
        return self.image.rpartition(":")[2]


def read_task_definition(properties: Mapping[str, Any], revision: str) -> TaskDefinition:
    """The task definition that a resource's resolved properties define.

    Raises:
        UnresolvableError: It has several containers, or one without a command or port.
    """
    containers = properties["ContainerDefinitions"]
    if len(containers) != 1:
        raise UnresolvableError(
            f"{revision}: ContainerDefinitions has {len(containers)} entries; the rehearsal runs one"
        )
    [container] = containers
    if not container.get("Command"):
        raise UnresolvableError(
            f"{revision}: ContainerDefinitions[0].Command is missing: without an image, only it says what to run"
        )
    if not container.get("PortMappings"):
        raise UnresolvableError(
            f"{revision}: ContainerDefinitions[0].PortMappings is missing: add the container's port"
        )
    check = container.get("HealthCheck")
    return TaskDefinition(
        revision=revision,
        image=container["Image"],
        command=tuple(container["Command"]),
        environment={variable["Name"]: str(variable["Value"]) for variable in container.get("Environment", ())},
        port=int(container["PortMappings"][0]["ContainerPort"]),
        health_check=check
        and HealthCheck(
            command=tuple(check["Command"]),
            interval=check.get("Interval", 30),
            timeout=check.get("Timeout", 5),
            retries=check.get("Retries", 3),
        ),
        stop_timeout=container.get("StopTimeout", 30),
        memory=int(properties["Memory"]),
    )


class TaskFailedError(Exception):
    """A task did not become healthy, or ended by itself. The message is the stopped-task reason."""


@dataclass
class Task:
    """One running task.

    Attributes:
        definition: What it runs.
        sources: Checkout whose ``services/`` hold what the image would contain.
        starts: Limits how many processes start side by side: they slow each other down, and nobody waits for less.
        port: The port of this machine that stands for the container's port.
        log: The last lines it printed.
    """

    definition: TaskDefinition
    sources: Path
    starts: asyncio.Semaphore
    port: int = field(default_factory=lambda: free_port())
    log: deque[str] = field(default_factory=lambda: deque(maxlen=_LOG_LINES))
    _process: asyncio.subprocess.Process | None = None
    _usage: psutil.Process | None = None
    _reader: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process and wait until its container health check passes.

        Raises:
            TaskFailedError: It exited, never listened on its port, or its health check kept failing.
        """
        async with self.starts:
            self._process = await asyncio.create_subprocess_exec(
                *self.definition.command,
                env=self._environment(),
                cwd=self.sources,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
            self._usage = psutil.Process(self._process.pid)
            self._reader = asyncio.create_task(self._read_log())
            await self._wait_for_port()
        await self._wait_for_health()

    async def stop(self) -> None:
        """Send SIGTERM, and SIGKILL to whatever is left after the stop timeout. Safe to call twice."""
        process = self._process
        if process is None:
            return
        try:
            if process.returncode is None:
                self._signal(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), self.definition.stop_timeout / HEALTH_CHECK_COMPRESSION + 1)
        finally:
            self._signal(signal.SIGKILL)
            await process.wait()
            if self._reader is not None:
                await self._reader

    def usage(self) -> tuple[float, float]:
        """CPU since the last call, in percent of one core, and memory, in MiB."""
        assert self._usage is not None, "only running tasks are measured"
        try:
            return self._usage.cpu_percent(), self._usage.memory_info().rss / 2**20
        except psutil.Error:
            return 0.0, 0.0

    async def check(self) -> str | None:
        """Run the container health check once.

        Returns:
            None when it passes, else what it said.
        """
        check = self.definition.health_check
        if check is None:
            return None if self.running else "the container does not run"
        kind, *words = check.command
        process = await asyncio.create_subprocess_exec(
            *(["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words),
            env=self._environment(),
            cwd=self.sources,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), check.timeout)
        except TimeoutError:
            return f"it did not end within {check.timeout:g} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == 0:
            return None
        said = tail(output.decode(errors="replace").splitlines(), 1)
        return said[0] if said else f"it exited with {process.returncode}"

    def _environment(self) -> dict[str, str]:
        definition = self.definition
        services = self.sources / "services"
        return {
            **definition.environment,
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(str(services / name / "src") for name in (definition.repository, "kit")),
            "PYTHONUNBUFFERED": "1",
        }

    async def _wait_for_port(self) -> None:
        """Until something listens on the port. A process that neither listens nor works will never do."""
        assert self._process is not None, "called by start"
        idle, used = 0.0, 0.0
        while True:
            if self._process.returncode is not None:
                raise TaskFailedError(self._exited())
            if _listens(self.port):
                return
            await asyncio.sleep(_POLL_SECONDS)
            now = self._cpu_seconds()
            idle = idle + _POLL_SECONDS if now - used < 0.01 else 0.0
            used = now if now - used >= 0.01 else used
            if idle >= _IDLE_SECONDS:
                raise TaskFailedError(
                    f"nothing listens on port {self.definition.port}: the container runs, but does not answer there"
                )

    async def _wait_for_health(self) -> None:
        check = self.definition.health_check
        failures = 0
        while (fault := await self.check()) is not None:
            if not self.running:
                raise TaskFailedError(self._exited())
            failures += 1
            assert check is not None, "without a check there is no failure"
            if failures >= check.retries:
                raise TaskFailedError(f"its container health check failed {failures} times: {fault}")
            await asyncio.sleep(check.interval / HEALTH_CHECK_COMPRESSION)

    def _exited(self) -> str:
        assert self._process is not None, "only a started process exits"
        last = tail(self.log, 1) or ["it printed nothing"]
        return f"essential container exited with code {self._process.returncode}: {last[0]}"

    def _cpu_seconds(self) -> float:
        assert self._usage is not None, "called after the start"
        try:
            times = self._usage.cpu_times()
        except psutil.Error:
            return 0.0
        return times.user + times.system

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "only a started process is signalled"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    async def _read_log(self) -> None:
        assert self._process is not None, "called by start"
        assert self._process.stdout is not None, "started with a pipe"
        rest = b""
        while chunk := await self._process.stdout.read(2**16):
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


def tail(lines: Iterable[str], count: int) -> list[str]:
    """The last lines that say something."""
    return [line for line in lines if line.strip()][-count:]
