"""Waits for the end of a container, and reads how it ended: exit code, or OutOfMemory by the kernel's kill."""

import asyncio
import os
from dataclasses import dataclass, field

import psutil

from nova_infra.containers.engine import Engine

_LOOKS = 20
_KILLED = 137
_FULL = 0.97
_POLL_SECONDS = 0.05
_LOG_LINES = 60


async def until_gone(pid: int, engine: Engine, name: str) -> None:
    """Wait for a process's end without polling, as the engine's own ``wait`` would."""
    if pid > 0 and hasattr(os, "pidfd_open"):
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except OSError:
            descriptor = -1
        if descriptor >= 0:
            loop, ended = asyncio.get_running_loop(), asyncio.Event()
            loop.add_reader(descriptor, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(descriptor)
                os.close(descriptor)
            return
    await engine.attempt("wait", name)


def has_ended(pid: int) -> bool:
    """Whether a process of this machine has ended, even if nobody has read its exit code yet."""
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


@dataclass(frozen=True)
class ContainerEnd:
    """How a container ended.

    Attributes:
        out_of_memory: Whether the engine says that the kernel killed it for its memory.
        said: The last lines that it printed; some versions of Podman lose those of a program that ends at once.
    """

    exit_code: int
    out_of_memory: bool
    said: list[str] = field(default_factory=list)


async def read_start(engine: Engine, name: str) -> tuple[str, int, str]:
    """The id of a container that has been started, its first process, or -1 if that has ended, and its address."""
    address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    said = await engine.call("inspect", f"--format={{{{.Id}}}} {{{{.State.Pid}}}} {address}", name)
    try:
        container_id, pid, *addresses = said.split()
        return container_id, int(pid) or -1, addresses[0] if addresses else ""
    except ValueError:
        raise engine.rubbish("inspect", said) from None


async def read_end(engine: Engine, name: str) -> ContainerEnd | None:
    """How a container ended that is gone; None where the engine does not know it any more."""
    exit_code = out_of_memory = ""
    for _ in range(_LOOKS):
        code, state, _ = await engine.attempt(
            "inspect", "--format={{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}}", name
        )
        if code:
            return None
        try:
            running, exit_code, out_of_memory = state.split()
            int(exit_code)
        except ValueError:
            raise engine.rubbish("inspect", state) from None
        if running == "false":
            break
        await asyncio.sleep(_POLL_SECONDS)
    return ContainerEnd(int(exit_code), out_of_memory == "true", await last_output(engine, name))


async def last_output(engine: Engine, name: str) -> list[str]:
    """The last lines that a container printed.

    Podman 4.3 was seen to answer with nothing about a container that had printed something, on a busy machine, and with
    an empty line in place of one that was printed in two parts. So nothing is believed only the second time, when all
    lines are read.
    """
    for only in (("--tail", str(_LOG_LINES)), ()):
        _, out, said = await engine.attempt("logs", *only, name)
        lines = [*out.splitlines(), *said.splitlines()]
        if any(line.strip() for line in lines):
            return lines[-_LOG_LINES:]
    return []


def end_in_words(exit_code: int | None, *, killed_for_memory: bool, peak: float, memory: int, said: str) -> str:
    """Why a container stopped, as ECS says it.

    Args:
        killed_for_memory: Whether the kernel killed any of its processes for its memory.
        peak: MiB that it held at the most, as far as that was seen.
    """
    if killed_for_memory and exit_code == _KILLED:
        return f"OutOfMemoryError: the kernel killed it at the {memory} MiB that it was granted"
    if exit_code == _KILLED:
        if peak >= _FULL * memory:
            return f"OutOfMemoryError: it held {peak:.0f} of the {memory} MiB that it was granted"
        return f"it was ended by SIGKILL from outside: {said}"
    return f"essential container exited with code {exit_code}: {said}"
