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


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=Path())
@click.option("--name", help="Prefix of everything in AWS, such as acme.")
@click.option("--repository", metavar="OWNER/NAME", help="The project's repository on GitHub.")
@click.option("--engine", help="What delivers: codepipeline or github-actions.")
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="[WHERE=]ACCOUNT",
    help="AWS account, of everything or of WHERE: toolchain, dev, staging, prod. Repeatable.",
)
@click.option("--region", "regions", multiple=True, metavar="[WHERE=]REGION", help="AWS region, likewise. Repeatable.")
@click.option("--service", "services", multiple=True, metavar="NAME", help="A service to start with. Repeatable.")
@click.option("--yes", is_flag=True, help="Ask nothing: take the default of everything that is not given.")
def init(
    directory: Path,
    name: str | None,
    repository: str | None,
    engine: str | None,
    accounts: tuple[str, ...],
    regions: tuple[str, ...],
    services: tuple[str, ...],
    yes: bool,
) -> None:
    """Start a project of your own in DIRECTORY, from this one.

    It gets its own nova.toml, workflows and CODEOWNERS, and services to change instead of the examples. DIRECTORY is
    empty, or this project itself as it was cloned. What is not given is asked for; each question has a default.
    """
    from nova_infra.scaffold.interview import Given, interview
    from nova_infra.scaffold.project import create_project, require_place, source
    from nova_infra.scaffold.welcome import welcome

    root, target = source(), directory.resolve()
    require_place(root, target)
    answers = interview(Given(name, repository, engine, accounts, regions, services), target, ask=not yes)
    config = create_project(root, target, answers)
    for line in welcome(config, target, in_place=target == root):
        click.echo(line)


COMMANDS = (init, service)
