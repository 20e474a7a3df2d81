"""Starts processes, and ends them with all of their descendants, however their command ends.

Every process is started here, in a session of its own, and carries a mark in its environment that its descendants
inherit. Stopping one stops its descendants; whatever has slipped away from that (a daemon that was orphaned on
purpose) is found by its mark at the end. Where the rehearsal itself is killed, Linux ends what it had started.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from nova_infra.machine.scratch import scratch_directory

_GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.02

MARK = "NOVA_REHEARSAL"
"""Environment variable that every process of a rehearsal carries."""

_THIS_REHEARSAL = uuid.uuid4().hex
_watching = 0
_PR_SET_PDEATHSIG = 1


def run_to_end(
    words: Sequence[str], *, directory: Path, environment: Mapping[str, str] | None = None, quiet: bool = False
) -> tuple[int, str]:
    """Run a program to its end; on an interruption end it and all that it started.

    Args:
        environment: All of its environment variables; by default this process's own.
        quiet: Whether what it prints is kept, instead of shown.

    Returns:
        Its exit code and, where it was kept, what it printed to its error output.
    """
    inherited = os.environ if environment is None else environment
    # A program that is ended leaves its temporary files behind.
    with scratch_directory("command") as scratch:
        process = subprocess.Popen(
            words,
            cwd=directory,
            env={**inherited, MARK: _THIS_REHEARSAL, "TMPDIR": scratch},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if quiet else None,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches only this process, and it sees to the rest.
        )
        try:
            _, said = process.communicate()
        except BaseException:
            family = _descendants(process.pid)
            process.terminate()  # nothing where it has ended already
            _send(signal.SIGTERM, family)
            _, stubborn = psutil.wait_procs(family, timeout=_GRACE_SECONDS)
            process.kill()
            _send(signal.SIGKILL, stubborn)
            process.wait()
            raise
    return process.returncode, said or ""


async def start_process(words: Iterable[str], *, directory: Path, environment: Mapping[str, str]) -> Process:
    """Start a process whose output can be read as one stream."""
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *words,
            cwd=directory,
            env={**environment, MARK: _THIS_REHEARSAL},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_DIE_WITH_PARENT,
        )
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # It runs already, and may have children: asyncio itself would end it and leave them.
        await _process(await starting).stop(0)
        raise
    return _process(process)


class Process:
    """A process and its descendants."""

    def __init__(self, process: asyncio.subprocess.Process, output: asyncio.StreamReader) -> None:
        self.output = output
        self.pid = process.pid
        self._process = process

    @property
    def exit_code(self) -> int | None:
        """Its exit code; negative for a signal; None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        return await self._process.wait()

    async def gone(self) -> None:
        """Wait until it has ended, also where descendants go on: :meth:`wait` waits until they close its output."""
        while self.exit_code is None:  # noqa: ASYNC110 - asyncio's own wait needs closed pipes, too
            await asyncio.sleep(_POLL_SECONDS)

    async def stop(
        self,
        grace: float,
        number: signal.Signals = signal.SIGTERM,
        *,
        spare: tuple[str, ...] = (),
        alone: bool = False,
    ) -> bool:
        """Ask it and its descendants to end, and end them when the time is over. Safe to call twice.

        Args:
            grace: Seconds from the signal to SIGKILL.
            spare: Descendants with these names, and theirs, get no signal before the time is over.

        Returns:
            Whether it ended by itself.
        """
        family = _descendants(self.pid) if self.exit_code is None else []
        if alone:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
        else:
            self._signal_group(number)
            _send(number, [process for process in family if not _is_spared(process, spare)])
        try:
            await asyncio.wait_for(self.gone() if alone else self.wait(), grace)
            return True
        except TimeoutError:
            return False
        finally:
            # Also where this was cancelled: nothing is left to somebody else to do later.
            self._signal_group(signal.SIGKILL)
            _send(signal.SIGKILL, family)
            await self.wait()

    def listening_ports(self) -> set[int]:
        """The TCP ports that it and its descendants listen on."""
        return {port for _, port in self.listening()}

    def listening(self) -> list[tuple[str, int]]:
        """The addresses and TCP ports that it and its descendants listen on."""
        found: set[tuple[str, int]] = set()
        for pid in [self.pid, *(child.pid for child in _descendants(self.pid))]:
            with contextlib.suppress(psutil.Error):
                for connection in psutil.Process(pid).net_connections("tcp"):
                    if connection.status == psutil.CONN_LISTEN:
                        found.add((connection.laddr.ip, connection.laddr.port))
        return sorted(found)

    def pause(self) -> None:
        """Suspend it and its descendants until :meth:`resume`."""
        self._signal_group(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run again."""
        self._signal_group(signal.SIGCONT)

    def kill(self) -> None:
        """End it and its descendants at once."""
        family = _descendants(self.pid) if self.exit_code is None else []
        self._signal_group(signal.SIGKILL)
        _send(signal.SIGKILL, family)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _process(process: asyncio.subprocess.Process) -> Process:
    assert process.stdout is not None, "started with a pipe"
    return Process(process, process.stdout)


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """At the end of the block, and of all that overlap with it, kill whatever was left behind."""
    global _watching
    _watching += 1
    try:
        yield
    finally:
        _watching -= 1
        if not _watching:
            end_leftovers()


def end_leftovers() -> int:
    """Kill whatever a process of this rehearsal left behind; returns how many there were."""
    leftovers = [process for process in psutil.process_iter() if _is_ours(process)]
    _send(signal.SIGKILL, leftovers)
    return len(leftovers)


def _is_ours(process: psutil.Process) -> bool:
    try:
        return process.environ().get(MARK) == _THIS_REHEARSAL and process.pid != os.getpid()
    except (psutil.Error, OSError):
        return False


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _is_spared(process: psutil.Process, names: tuple[str, ...]) -> bool:
    try:
        return bool(names) and any(each.name() in names for each in (process, *process.parents()))
    except psutil.Error:
        return False


def _send(number: signal.Signals, processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _die_with_parent() -> Callable[[], None] | None:
    """What a child does before it becomes its program: ask Linux for a SIGKILL when its parent is gone."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # Looked up here: between fork and exec nothing may be loaded.
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


_DIE_WITH_PARENT = _die_with_parent()
