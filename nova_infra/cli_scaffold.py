"""The commands that write a project: its services, and a project of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

_MOST_MENTIONS = 8


@click.group()
def service() -> None:
    """Add a container service, remove one or rename it."""


@service.command()
@click.argument("name")
@click.option(
    "--summary",
    default="Counts the characters, words and lines of a text.",
    show_default=True,
    help="What it does, in one sentence.",
)
def add(name: str, summary: str) -> None:
    """Write a service NAME that works, for you to change.

    It builds, passes its tests and is delivered like the others.
    """
    from nova_infra.scaffold.services import add_service

    for path in add_service(Path.cwd(), name, summary):
        click.echo(path)
    click.echo(f"next: change services/{name}, then make test")


@service.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also when git does not have all of it: that work is lost.")
def remove(name: str, force: bool) -> None:
    """Remove the service NAME from this project.

    Its directory goes, its entry in nova.toml, its packages in the lock and its lines in CODEOWNERS: all of it, or
    nothing. What runs in AWS stays until you delete it; the commands are printed.
    """
    from nova_infra.config import load_config
    from nova_infra.scaffold.leftovers import after_removal
    from nova_infra.scaffold.services import mentions, remove_service

    root = Path.cwd()
    config = load_config(root)
    for path in remove_service(root, name, force=force):
        click.echo(path)
    _say_mentions(name, list(mentions(root, name)))
    for line in after_removal(config, name):
        click.echo(line)


@service.command()
@click.argument("old")
@click.argument("new")
def rename(old: str, new: str) -> None:
    """Give the service OLD the name NEW.

    Its directory, package, routes and entries change: all of it, or nothing. For AWS it is a new service; what becomes
    of the old one, and what is left to do, is printed.
    """
    from nova_infra.config import load_config
    from nova_infra.scaffold.leftovers import after_renaming
    from nova_infra.scaffold.services import mentions, rename_service

    root = Path.cwd()
    config = load_config(root)
    for path in rename_service(root, old, new):
        click.echo(path)
    _say_mentions(old, list(mentions(root, old)))
    for line in after_renaming(config, old, new):
        click.echo(line)


def _say_mentions(name: str, places: Sequence[str]) -> None:
    if places:
        more = f" and {len(places) - _MOST_MENTIONS} more" if len(places) > _MOST_MENTIONS else ""
        click.echo(f"{name} is still named in {', '.join(places[:_MOST_MENTIONS])}{more}: change those, then make test")
    else:
        click.echo("next: make test")


COMMANDS = (service,)
