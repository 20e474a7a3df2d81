"""Printing where nobody may read any more."""

from __future__ import annotations

import os
import sys

import click


def tell(line: str) -> None:
    """Print a line. A pipe that was closed ends the printing, and not the work: a rollback goes on to its end."""
    try:
        click.echo(line)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
