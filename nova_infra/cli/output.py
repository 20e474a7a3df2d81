"""Prints to a pipe that may close, and asks questions on a terminal that may be missing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


def notify(line: str, *, err: bool = False) -> None:
    """Print a line. A closed pipe stops the printing but not the work: a rollback still runs to its end."""
    try:
        click.echo(line, err=err)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (sys.stderr if err else sys.stdout).fileno())
        os.close(nowhere)


def ask(question: str) -> str:
    """What a person types; nothing where the terminal is gone. The question is not part of the output."""
    try:
        click.echo(f"{question}: ", nl=False, err=True)
        return sys.stdin.readline().strip()
    except (OSError, ValueError):
        return ""


def open_closed_streams() -> None:
    """Give a command whose caller closed its standard input, output or error an empty one.

    Otherwise Python has none, and the next file or connection takes its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  open until the end
