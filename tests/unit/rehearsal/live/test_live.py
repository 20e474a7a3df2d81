"""The view in a real terminal: a pseudo-terminal with a program in it; and where there is none."""

import fcntl
import functools
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable

import pytest
from rich.console import Console

from helpers.exhaustive import one_of_each
from nova_infra.rehearsal.live.live import View
from nova_infra.rehearsal.record import Record

PROGRAM = """
import sys
from rich.console import Console
from nova_infra.rehearsal.record import ActionRecord, Record, StageRecord
from nova_infra.rehearsal.live.live import View

stage = StageRecord("Prod", [ActionRecord("Deploy", "deploy", 1, "running")], "running")
view = View(Console(), Record("pipe", "working tree", "HEAD", [stage]))
with view.following():
    for number in range(60):
        view.tell(f"line {number} " + "x" * 300)
    if view._live is not None:
        view._live.refresh()
    with view.paused():
        print("a question?")
        view.tell("told while the terminal was left to the question")
    view.ended("over")
print("the end")
"""


@functools.cache
def in_terminal(program: str, *, columns: int = 80, **variables: str) -> str:
    """What a program prints on a terminal of 24 lines."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", **variables}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:
            pass  # The other end is closed: the program has ended.
        finally:
            os.close(ours)
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.exhaustive("test_while_a_question_is_asked_the_story_goes_on_in_lines")
def test_a_terminal_shows_a_picture_that_stays_within_it() -> None:
    text = in_terminal(PROGRAM)
    assert "\x1b[?25l" in text
    assert text.rstrip().endswith("the end")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert "▶ Prod" in plain
    assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= 80
    assert "\x1b[?25h" in text, "the cursor is back in the end"


def test_while_a_question_is_asked_the_story_goes_on_in_lines() -> None:
    after = in_terminal(PROGRAM).partition("a question?")[2]
    assert "told while the terminal was left to the question" in after.partition("\x1b[?25l")[0]


@pytest.mark.exhaustive("test_while_a_question_is_asked_the_story_goes_on_in_lines")
def test_without_colour_there_is_none() -> None:
    coloured, plain = in_terminal(PROGRAM), in_terminal(PROGRAM, NO_COLOR="1")
    colour = re.compile(r"\x1b\[(?:\d+;)*3[0-9](?:;\d+)*m")
    assert colour.search(coloured)
    assert not colour.search(plain)


@pytest.mark.exhaustive("test_while_a_question_is_asked_the_story_goes_on_in_lines")
def test_a_dumb_terminal_gets_lines() -> None:
    text = in_terminal(PROGRAM, TERM="dumb")
    assert "\x1b" not in text
    assert text.count("line ") == 60


@pytest.mark.exhaustive("test_while_a_question_is_asked_the_story_goes_on_in_lines")
@pytest.mark.parametrize("variables", one_of_each([{}, {"FORCE_COLOR": "1"}, {"COLUMNS": "40"}]))
def test_a_pipe_gets_whole_lines_and_no_control_codes(variables: dict[str, str]) -> None:
    environment = {**os.environ, "LANG": "C.UTF-8", **variables}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True, text=True
    )
    assert "\x1b" not in result.stdout
    assert len([line for line in result.stdout.splitlines() if line.endswith("x" * 300)]) == 60


def test_lines_carry_their_time_and_are_shown_unchanged(rehearsed: Callable[..., Record]) -> None:
    file = io.StringIO()
    view = View(Console(file=file, width=80), rehearsed())
    with view.following():
        view.announce("drill 1 of 2")
        view.tell("[bold]not markup[/bold]")
        view.ended("✓ drill errors")
    lines = file.getvalue().splitlines()
    assert all(re.match(r" +\d+\.\d s  ", line) for line in lines)
    assert [line.partition(" s  ")[2] for line in lines] == [
        "drill 1 of 2",
        "[bold]not markup[/bold]",
        "✓ drill errors",
    ]


BROKEN = """
import signal, sys
from rich.console import Console
from nova_infra.machine.terminal import open_console

def stop(*_):
    sys.stderr.write("told to stop")
    sys.exit(7)

signal.signal(signal.SIGTERM, stop)
console = open_console()
sys.stdin.readline()
for number in range(100000):
    console.print("✓ line", number)
"""


@pytest.mark.exhaustive("test_while_a_question_is_asked_the_story_goes_on_in_lines")
def test_where_nobody_reads_any_more_the_rehearsal_is_told_to_stop() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BROKEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, said = process.communicate(b"go\n", timeout=60)
    assert (process.returncode, said) == (7, b"told to stop")


def test_an_output_that_cannot_show_a_sign_shows_something_else() -> None:
    program = "from nova_infra.machine.terminal import open_console; open_console().print('✓ Prod')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)
    assert result.stdout == b"? Prod\n"
