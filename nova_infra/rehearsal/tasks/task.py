"""What tasks in containers and in processes share: start, health checks, stop timeout, faults."""

import asyncio
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from nova_infra.documents.last_words import telling_first
from nova_infra.documents.text import listed, shortened
from nova_infra.errors import NovaError
from nova_infra.rehearsal.clock import COMPRESSED, Pace
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.faults import IGNORED_SIGNAL, WRONG_PORT
from nova_infra.rehearsal.usage.crowding import with_others
from nova_infra.rehearsal.usage.processes import Usage
from nova_infra.rehearsal.usage.signals import handles, ignores

STAY_SECONDS = 0.1
"""How long a task without a port has to stay, to count as started; its service looks at it again."""
ELSEWHERE_SECONDS = 30.0
"""How long a program that listens only on other ports is waited for: those of metrics and debuggers come first."""
DRILLED_ELSEWHERE_SECONDS = 1.0
"""The same when a drill keeps it from listening on its own port."""
HURRIED_ELSEWHERE_SECONDS = 3.0
"""The same once another task of its revision has been waited for in vain."""
SPARE_STOP_SECONDS = 1.0
SILENT = "it printed nothing"
_LINE_LENGTH = 240
_LAST_LINES = 60
SECRET = "stand-in-of-the-rehearsal"  # noqa: S105 - no secret: it stands for one


class TaskFailedError(Exception):
    """A task did not become healthy, or ended by itself. The message is the stopped-task reason."""


class NotAmongSourcesError(NovaError):
    """A task's program is not among its sources, and its image would make it: only an engine shows how it does."""


class ListensElsewhereError(TaskFailedError):
    """A task whose program listens, but where nothing asks it."""


@dataclass
class Task(ABC):
    """One task.

    Attributes:
        starts: Limits how many tasks start side by side: they slow each other down, and nobody waits for less.
        patience: Seconds after which ECS gives up a task that is not healthy. They pass in real time until it listens
            on its port, as programs start in real time, and then as fast as all health checks. Where nothing shows
            that it listens (a worker, a container beside another), they pass in real time until it is healthy.
        port: The port of this machine that stands for the container's port.
        address: What it takes for its own address.
        hurried: Whether another task of its revision has listened elsewhere to the end.
        doubts: What only its image, or AWS, would show is written here, a clause by its revision.
        stopped_because: Why it was ended from outside before its time, if it was.
        killed_at_stop: Whether it had to be killed because it did not end within its stop timeout.
        ended_at: When it was seen to have ended, by the clock that only goes forward; 0 before.
    """

    definition: TaskDefinition
    starts: asyncio.Semaphore
    patience: float
    pace: Pace = field(default=COMPRESSED, kw_only=True)
    port: int = field(default_factory=lambda: free_port(), kw_only=True)
    address: str = field(default="127.0.0.1", kw_only=True)
    hurried: bool = field(default=False, kw_only=True)
    doubts: dict[str, str] = field(default_factory=dict, kw_only=True)
    stopped_because: str = field(default="", kw_only=True)
    killed_at_stop: bool = field(default=False, kw_only=True)
    ended_at: float = field(default=0.0, kw_only=True)
    _listening_since: float = field(default=0.0, kw_only=True)
    _seen_listening: bool = field(default=False, kw_only=True)
    _started_in: float = field(default=0.0, kw_only=True)
    _peak: float = field(default=0.0, kw_only=True)

    def doubt(self, clause: str) -> None:
        """Note what only its image, or AWS, would show."""
        self.doubts[self.definition.revision] = clause

    @property
    def elsewhere_seconds(self) -> float:
        """How long to wait while it listens only on other ports. ECS would wait until its patience ends."""
        if self.definition.fault == WRONG_PORT:
            return DRILLED_ELSEWHERE_SECONDS
        return with_others(HURRIED_ELSEWHERE_SECONDS if self.hurried else ELSEWHERE_SECONDS)

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether its program is there, and has not been killed for what it holds."""

    @property
    @abstractmethod
    def exit_code(self) -> int | None:
        """The exit code of its program, once it has ended."""

    @property
    def ending(self) -> bool:
        """Whether its program has ended, and why is not known yet."""
        return False

    @property
    @abstractmethod
    def pid(self) -> int | None:
        """Its first process, as this machine numbers it; not above 0 where there is none."""

    @abstractmethod
    async def start(self) -> None:
        """Start it and wait until its container health check passes.

        Raises:
            TaskFailedError: It exited, never listened on its port, or its health check kept failing.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Send it its stop signal, and SIGKILL to whatever is left after the stop timeout. Safe to call twice."""

    @abstractmethod
    async def ended(self) -> None:
        """Wait until its program is gone."""

    @property
    @abstractmethod
    def memory(self) -> float:
        """MiB that it holds now; 0 where it does not run."""

    @property
    @abstractmethod
    def disk(self) -> float:
        """MiB that it has written to its disk and not deleted; 0 where this machine does not say."""

    @abstractmethod
    def read_usage(self) -> Usage | None:
        """What it used since the last call; None where this machine does not show it."""

    @abstractmethod
    def listens_on(self, port: int) -> bool | None:
        """Whether it can be reached on another of its ports; None where this machine does not show it."""

    @abstractmethod
    def listened_on(self) -> list[tuple[str, int]]:
        """The addresses and ports that its program listens on; none where this machine does not show them."""

    def places(self) -> list[str]:
        """The same in words, with the port of its definition for the one that stands for it here."""
        found = ((address, self.definition.port if port == self.port else port) for address, port in self.listened_on())
        return [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address, port in found]

    def explained(self, fault: str) -> str:
        """What a health check said, with where the program does listen if it was refused a connection."""
        places = self.places() if "refuse" in fault.lower() else []
        return f"{fault}; its program listens on {listed(places)}" if places else fault

    @abstractmethod
    async def run_check(self, words: Sequence[str], seconds: float) -> tuple[int, list[str]]:
        """Run the program of the container health check where the task's own program runs.

        Returns:
            Its exit code, and the lines that it printed.
        """

    @abstractmethod
    def stopped_reason(self) -> str:
        """Why it is not running."""

    @abstractmethod
    async def suffer(self) -> None:
        """Start the fault in its container, if its definition names one. It serves by now."""

    @abstractmethod
    async def hear_out(self) -> None:
        """Wait for its last output, which may arrive after its end is known."""

    async def check(self) -> str | None:
        """Run the container health check once.

        Returns:
            None when it passes, else what it said.
        """
        check = self.definition.health_check
        if check is None:
            return None if self.running else "the container does not run"
        try:
            code, lines = await self.run_check(check.words, with_others(check.timeout))
        except TimeoutError:
            return f"it did not end within {check.timeout:g} s"
        return None if code == 0 else (tail(lines, 1) or [f"it exited with {code}"])[0]

    def listens_nowhere(self, last_words: str) -> TaskFailedError:
        """The error of a task whose program listened on no port while ECS would have waited for it."""
        places = self.places()
        elsewhere = f"; its program listens on {listed(places)}, where nothing reaches it" if places else ""
        return TaskFailedError(
            f"nothing listens on port {self.definition.port} after {self.patience:g} s, which is all that its health "
            f"checks give it to start: {last_words}{elsewhere}"
        )

    def listens_elsewhere(self, reachable: Iterable[int], inside: Iterable[int] = ()) -> ListensElsewhereError:
        """The error of a task whose program listens, but not on the port in its task definition."""
        port = self.definition.port
        if port in inside:
            return ListensElsewhereError(
                f"the program listens on port {port} of 127.0.0.1 or ::1 only, where nothing reaches it: bind 0.0.0.0"
            )
        ports = " and ".join(map(str, sorted({*reachable, *inside})))
        return ListensElsewhereError(
            f"nothing listens on port {port}, the one in its task definition: the program listens on {ports} instead"
        )

    def measure(self) -> Usage | None:
        """What it used since the last call (memory: the peak); None, not 0, where this machine does not show it."""
        usage = self.read_usage()
        if usage is None:
            return None
        held, self._peak = max(self._peak, usage.memory), 0.0
        return replace(usage, memory=held)

    def note_memory(self, held: float) -> None:
        """Note what it holds between two measurements: peaks count."""
        self._peak = max(self._peak, held)

    def patience_left(self) -> float:
        """Seconds of this machine until ECS gives the task up, once it listens on its port or has none to show."""
        listening = time.monotonic() - self._listening_since
        if not self._seen_listening:
            return with_others(self.patience) - listening
        return (self.patience - self._started_in) / self.pace.checks - listening

    async def wait_for_health(self) -> None:
        """Check it until its container health check passes."""
        check = self.definition.health_check
        failures = 0
        while (fault := await self.check()) is not None:
            if not self.running:
                await self.hear_out()
                raise TaskFailedError(self.stopped_reason())
            failures += 1
            assert check is not None, "without a check there is no failure"
            if failures >= check.retries and self.patience_left() <= 0:
                raise TaskFailedError(f"its container health check failed {failures} times: {self.explained(fault)}")
            await asyncio.sleep(check.interval / self.pace.checks)

    def grace(self) -> float:
        """Real seconds from the stop signal to SIGKILL; none for a task that does not hear the signal."""
        if self.is_spared:
            return self.definition.stop_timeout / self.pace.checks + SPARE_STOP_SECONDS
        return self.definition.stop_timeout

    @property
    def is_spared(self) -> bool:
        """Whether its stop signal makes no difference to it."""
        return self.ignores_its_signal or (self._is_deaf() and not self.ends_at_once)

    @property
    def ends_at_once(self) -> bool:
        """Whether its stop signal ends it without a handler of its own: an init process passes the signal on to it.

        The kernel spares the first process of a container a signal that it does not handle, and lets it end any other,
        unless that ignores the signal: https://man7.org/linux/man-pages/man7/pid_namespaces.7.html.
        """
        number, pid = self.stop_signal, self.pid
        return self.definition.init and self._is_deaf() and not (number and pid and ignores(pid, number))

    @property
    @abstractmethod
    def stop_signal(self) -> signal.Signals | None:
        """The signal that asks it to end; None where this machine has none of that name."""

    def _is_deaf(self) -> bool:
        """Whether its program has no handler of its stop signal. One that does not run any more is not called deaf."""
        number, pid = self.stop_signal, self.pid or 0
        return number is not None and self.running and pid > 0 and not handles(pid, number)

    @property
    def uptime(self) -> float:
        """Seconds since it began to listen, until it ended if that is noted; 0 where it has not."""
        return (self.ended_at or time.monotonic()) - self._listening_since if self._listening_since else 0.0

    @property
    @abstractmethod
    def is_limited(self) -> bool:
        """Whether it gets no more processor time than its CPU units."""

    def check_secrets(self) -> None:
        """Refuse a task whose secrets ECS cannot read."""
        if self.definition.fault == "missing-secret":
            raise TaskFailedError(
                "ResourceInitializationError: unable to pull secrets or registry auth: a secret that the task "
                "definition names does not exist"
            )

    @property
    def ignores_its_signal(self) -> bool:
        """Whether its definition names the fault of ignoring its stop signal."""
        return self.definition.fault == IGNORED_SIGNAL


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def last_words(lines: Iterable[str]) -> str:
    """Which of a program's last lines says why it ended, short enough for a sentence: Node's last one names Node."""
    return shortened((telling_first(tail(lines, _LAST_LINES)) or [SILENT])[0], _LINE_LENGTH)


def tail(lines: Iterable[str], count: int) -> list[str]:
    """The last lines that are not blank."""
    return [line for line in lines if line.strip()][-count:]
