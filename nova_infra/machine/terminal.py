"""The terminal: opens it, and fits names, bars and times into its width."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_WIDTH = 150
_BAR = 10


def open_console() -> Console:
    """The standard output, wide where it is no terminal. A command whose reader goes away stops cleanly."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            signal.raise_signal(signal.SIGTERM)

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # A sign that the output cannot show is no reason to stop.
    console = Output()
    return console if console.is_terminal else Output(width=_PIPE_WIDTH)


def can_redraw(console: Console) -> bool:
    """Whether a picture can be redrawn there. Colour in a file does not make it a terminal."""
    return console.is_terminal and not console.is_dumb_terminal and console.file.isatty()


def fit(text: str, width: int) -> str:
    """The text in that many columns; a long one loses its middle, because names differ at their ends."""
    if len(text) <= width:
        return text
    if width < 2:
        return text[:width]
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[-end:] if end else ''}"


def cut(line: str, width: int) -> str:
    """The line in that many columns; a long one loses its end."""
    return line if len(line) <= width else f"{line[: max(width - 1, 0)]}…"[:width]


def bar(percent: float) -> str:
    """Ten blocks, as many of them full as there are tens of percent."""
    full = round(_BAR * min(max(percent, 0), 100) / 100)
    return "█" * full + "░" * (_BAR - full)


def clock(seconds: float) -> str:
    """A span as ``4:05``, or ``1:04:05``."""
    minutes, rest = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
