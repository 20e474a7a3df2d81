import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from helpers.exhaustive import one_of_each
from nova_infra.machine.commands import run_command
from nova_infra.machine.processes import end_leftovers, nothing_left


@pytest.fixture
def no_leftovers() -> Iterator[None]:
    yield
    assert end_leftovers() == 0


def run(command: str, directory: Path, **environment: str) -> tuple[int, list[str]]:
    return asyncio.run(run_command(command, directory=directory, environment=environment, log=directory / "log"))


def gone(pid: int, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def wait_for(path: Path) -> int:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if path.exists() and (text := path.read_text().strip()):
            return int(text)
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written")


def test_a_command_gives_its_exit_code_and_last_lines_and_logs_all(tmp_path: Path) -> None:
    code, lines = run("seq 1 100; echo $GREETING >&2; printf tail; exit 3", tmp_path, GREETING="hello")
    assert (code, lines[-3:], len(lines)) == (3, ["100", "hello", "tail"], 40)
    assert (tmp_path / "log").read_text().startswith("$ seq 1 100;")
    assert "\n1\n2\n" in (tmp_path / "log").read_text()


def test_what_a_command_leaves_running_is_stopped_and_not_waited_for(tmp_path: Path) -> None:
    code, [pid] = run("sleep 600 & echo $!; exit 3", tmp_path)
    assert code == 3
    assert gone(int(pid))


def test_what_goes_on_printing_in_the_background_keeps_no_command(tmp_path: Path) -> None:
    code, _ = run("yes & exit 5", tmp_path)
    assert code == 5


@pytest.mark.exhaustive("test_an_enclosing_make_is_not_passed_on")
def test_a_line_without_an_end_is_logged_whole_and_kept_in_part(tmp_path: Path) -> None:
    code, [line] = run("head -c 3000000 /dev/zero | tr '\\0' x", tmp_path)
    assert code == 0
    assert len(line) < 200_000
    assert (tmp_path / "log").stat().st_size > 3_000_000


def test_an_enclosing_make_is_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "-j8")
    assert run('echo "flags:$MAKEFLAGS"', tmp_path)[1] == ["flags:"]


@pytest.mark.usefixtures("no_leftovers")
@pytest.mark.parametrize(
    "child",
    one_of_each(["sleep 60", "setsid sleep 60", "(trap '' TERM; sleep 60)"]),
    ids=["child", "child in a session of its own", "child that ignores SIGTERM"],
)
def test_a_cancelled_command_leaves_no_grandchild(tmp_path: Path, child: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nova_infra.machine.commands.GRACE_SECONDS", 0.3)

    async def play() -> None:
        command = f"{child} & echo $! > pid; wait"
        task = asyncio.create_task(run_command(command, directory=tmp_path, environment={}, log=tmp_path / "log"))
        await asyncio.to_thread(wait_for, tmp_path / "pid")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(play())
    assert gone(int((tmp_path / "pid").read_text()))


def test_what_was_orphaned_on_purpose_is_found_by_its_mark(tmp_path: Path) -> None:
    orphan = "setsid sh -c 'echo $$ > pid; exec sleep 60' > /dev/null 2>&1 &"
    run(f"({orphan}) ; while [ ! -s pid ]; do sleep 0.01; done", tmp_path)
    pid = wait_for(tmp_path / "pid")
    assert psutil.pid_exists(pid)
    assert end_leftovers() >= 1
    assert gone(pid)


def test_what_plays_beside_another_ends_nothing_of_the_other(tmp_path: Path) -> None:
    orphan = "setsid sh -c 'echo $$ > pid; exec sleep 60' > /dev/null 2>&1 &"
    with nothing_left():
        with nothing_left():
            run(f"({orphan}) ; while [ ! -s pid ]; do sleep 0.01; done", tmp_path)
        pid = wait_for(tmp_path / "pid")
        assert psutil.pid_exists(pid)
    assert gone(pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child that its parent is gone")
def test_a_process_ends_when_the_rehearsal_itself_is_killed(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from nova_infra.machine.processes import start_process
async def main():
    process = await start_process(["sleep", "60"], directory=Path("."), environment={"PATH": sys.argv[2]})
    Path(sys.argv[1]).write_text(str(process.pid))
    await process.wait()
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", program, tmp_path / "pid", os.environ["PATH"]])
    try:
        pid = wait_for(tmp_path / "pid")
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert gone(pid)
