"""Processes end with all that they have started, however they are ended."""

import asyncio
import contextlib
import functools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest

from nova_infra.machine.processes import Process, run_to_end, start_process

FAMILY = "sleep 300 & echo $!; wait"
STUBBORN = "trap '' TERM; echo $$; while :; do sleep 0.1; done"
CHILD_ON_TERM = "trap 'sleep 0.3; kill -0 $child && echo spared; exit 0' TERM; {start} & child=$!; echo $!; wait"
"""Says on SIGTERM whether the child that it has started is there a moment later."""
SOON = 10.0


@contextlib.asynccontextmanager
async def started(script: str, directory: Path) -> AsyncIterator[tuple[Process, psutil.Process]]:
    """A shell that runs a script, and the process whose number the script says first."""
    process = await start_process(["sh", "-c", script], directory=directory, environment=os.environ)
    try:
        said = await asyncio.wait_for(process.output.readline(), SOON)
        yield process, psutil.Process(int(said))
    finally:
        process.kill()
        await process.wait()


def awaited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        asyncio.run(test(*arguments, **fixtures))

    return run


def is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


async def becomes_sleep(child: psutil.Process) -> None:
    """Wait until a child that was forked is the program that it becomes."""
    while child.name() != "sleep":  # noqa: ASYNC110 - Linux tells nobody
        await asyncio.sleep(0.01)


async def ends(process: psutil.Process) -> bool:
    """Whether it ends soon."""
    for _ in range(int(SOON / 0.02)):
        if not is_alive(process):
            return True
        await asyncio.sleep(0.02)
    return False


@awaited
async def test_one_that_is_asked_to_stop_ends_with_what_it_has_started(tmp_path: Path) -> None:
    async with started(FAMILY, tmp_path) as (process, child):
        assert await process.stop(SOON), "by itself"
        assert process.exit_code == -signal.SIGTERM
        assert await ends(child)
        assert not await process.stop(0) or process.exit_code == -signal.SIGTERM, "it is safe to ask twice"


@awaited
async def test_one_that_will_not_stop_is_ended_when_the_time_is_over(tmp_path: Path) -> None:
    async with started(STUBBORN, tmp_path) as (process, itself):
        assert not await process.stop(0.2)
        assert process.exit_code == -signal.SIGKILL
        assert not is_alive(itself)


@awaited
async def test_a_child_in_a_session_of_its_own_is_asked_and_ended_as_well(tmp_path: Path) -> None:
    own = f'setsid sh -c "{STUBBORN.replace("$", chr(92) + "$")}" & wait'
    async with started(own, tmp_path) as (process, child):
        await process.stop(0.2)
        assert await ends(child)


@awaited
async def test_a_child_that_is_spared_gets_no_signal_before_the_time_is_over(tmp_path: Path) -> None:
    own = CHILD_ON_TERM.format(start="setsid sleep 300 > /dev/null 2>&1")
    for spare in (("sleep",), ()):
        async with started(own, tmp_path) as (process, child):
            await becomes_sleep(child)
            assert await process.stop(SOON, spare=spare)
            assert (await process.output.read() == b"spared\n") is bool(spare)
            assert await ends(child), "when the time is over, or the parent has ended"


@awaited
async def test_alone_only_the_process_itself_is_asked(tmp_path: Path) -> None:
    async with started(CHILD_ON_TERM.format(start="sleep 300"), tmp_path) as (process, child):
        await becomes_sleep(child)
        assert await process.stop(SOON, alone=True)
        assert await ends(child)
        assert await process.output.read() == b"spared\n"


@awaited
async def test_one_is_gone_though_a_child_still_holds_its_output(tmp_path: Path) -> None:
    async with started("sleep 300 & echo $!", tmp_path) as (process, child):
        await asyncio.wait_for(process.gone(), SOON)
        assert process.exit_code == 0
        child.kill()


@awaited
async def test_one_that_is_killed_takes_what_it_has_started_with_it(tmp_path: Path) -> None:
    async with started(f"setsid {FAMILY}", tmp_path) as (process, child):
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        assert await ends(child)


@awaited
async def test_one_that_is_paused_goes_on_when_it_is_resumed(tmp_path: Path) -> None:
    async with started("echo $$; exec sleep 300", tmp_path) as (process, itself):
        process.pause()
        while itself.status() != psutil.STATUS_STOPPED:  # noqa: ASYNC110 - Linux tells nobody
            await asyncio.sleep(0.01)
        process.resume()
        while itself.status() == psutil.STATUS_STOPPED:  # noqa: ASYNC110 - Linux tells nobody
            await asyncio.sleep(0.01)


@awaited
async def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    seen = tmp_path / "pid"
    words = ["sh", "-c", f"echo $$ > {seen}; exec sleep 300"]
    starting = asyncio.create_task(start_process(words, directory=tmp_path, environment=os.environ))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
        assert not is_alive(psutil.Process(int(seen.read_text())))


AT_THE_END = """
import asyncio, os, psutil
from pathlib import Path
from nova_infra.machine.processes import nothing_left, start_process

async def main():
    words = ["sh", "-c", "setsid sleep 300 > /dev/null 2>&1 & echo $!"]
    process = await start_process(words, directory=Path("."), environment=os.environ)
    pid = (await process.output.readline()).decode().strip()
    await process.wait()
    return pid

with nothing_left():
    with nothing_left():
        pid = asyncio.run(main())
    print(len(psutil.wait_procs([psutil.Process(int(pid))], timeout=0.3)[1]))  # the outer block has not ended
print(pid)
"""


def test_what_has_slipped_away_is_found_by_its_mark_when_the_last_block_ends() -> None:
    ended = subprocess.run([sys.executable, "-c", AT_THE_END], capture_output=True, text=True, check=True)
    alive, pid = ended.stdout.split()
    assert alive == "1"
    with contextlib.suppress(psutil.NoSuchProcess):
        assert asyncio.run(ends(psutil.Process(int(pid))))


@pytest.mark.parametrize("ended", [True, False])
def test_an_interruption_ends_a_program_or_comes_after_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    began: list[subprocess.Popen[str]] = []

    def interrupted(process: subprocess.Popen[str]) -> None:
        began.append(process)
        if ended:
            process.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_to_end(["sh", "-c", "exit 3" if ended else "sleep 300 & wait"], directory=tmp_path)
    assert began[0].returncode in ((3,) if ended else (-signal.SIGTERM, -signal.SIGKILL))
