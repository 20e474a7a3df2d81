"""Prints reports and lines, to a pipe that may close; reads what is typed, or nothing without a terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from nova_infra.documents.model import Document
    from nova_infra.documents.render import Format

_Command = TypeVar("_Command", bound=Callable[..., Any])


def format_option(command: _Command) -> _Command:
    """The option ``--format`` of a command that prints a report, given as ``form``."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["text", "markdown", "html", "json"]),
        default="text",
        show_default=True,
        help="How to print the report.",
    )(command)


def show(document: Document, form: Format = "text") -> None:
    """Print a report."""
    click.echo(rendered(document, form), nl=False)


def rendered(document: Document, form: Format = "text") -> str:
    """A report as it is printed: folded to the width of a terminal, and not at all in a pipe, which has none."""
    from nova_infra.documents.render import render
    from nova_infra.documents.terminal import UNLIMITED

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED
    # click leaves the colours out where there is no terminal. https://no-color.org
    return render(document, form, width=width, colour=not os.environ.get("NO_COLOR"))


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
    """Open a closed standard stream as an empty one: the next file would take its number otherwise."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  open until the end
