"""``nova init``, ``import copilot``, ``service``, ``config``: for a project's own files."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from nova_infra.errors import NovaError

_MOST_MENTIONS = 8


@click.group()
def service() -> None:
    """Add, remove or rename a container service."""


@service.command()
@click.argument("name")
@click.option(
    "--summary",
    default="Counts the characters, words and lines of a text.",
    show_default=True,
    help="What it does, in one sentence.",
)
@click.option(
    "--template",
    type=click.Choice(["python", "node", "go", "dockerfile"]),
    default="python",
    show_default=True,
    help="What it begins as: python is built on services/kit.",
)
def add(name: str, summary: str, template: str) -> None:
    """Add a working service NAME for you to change.

    It builds, passes its tests and is delivered like the others.
    """
    from nova_infra.scaffold.editing.services import add_service

    for path in add_service(Path.cwd(), name, summary, template):
        click.echo(path)
    click.echo(f"next: change services/{name}, then make test")


@service.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Remove it even if git does not have all of it: that work is lost.")
def remove(name: str, force: bool) -> None:
    """Remove the service NAME from this project.

    Removes its directory, its entry in nova.toml, its packages in the lock and its lines in CODEOWNERS: all of it or
    nothing. What runs in AWS stays until you delete it; this prints the commands.
    """
    from nova_infra.config import load_config
    from nova_infra.scaffold.editing.leftovers import after_removal
    from nova_infra.scaffold.editing.services import mentions, remove_service

    root = Path.cwd()
    config, has_resources = load_config(root), _has_resources(root, name)
    for path in remove_service(root, name, force=force):
        click.echo(path)
    _say_mentions(name, list(mentions(root, name)))
    for line in after_removal(config, name, own_resources=has_resources):
        click.echo(line)


@service.command()
@click.argument("old")
@click.argument("new")
def rename(old: str, new: str) -> None:
    """Rename the service OLD to NEW.

    Changes its directory, package, routes and entries: all of it or nothing. To AWS it is a new service; this prints
    what happens to the old one and what is left to do.
    """
    from nova_infra.config import load_config
    from nova_infra.scaffold.editing.leftovers import after_renaming
    from nova_infra.scaffold.editing.services import mentions, rename_service

    root = Path.cwd()
    config, has_resources = load_config(root), _has_resources(root, old)
    for path in rename_service(root, old, new):
        click.echo(path)
    _say_mentions(old, list(mentions(root, old)))
    for line in after_renaming(config, old, new, own_resources=has_resources):
        click.echo(line)


def _has_resources(root: Path, name: str) -> bool:
    """Whether a service makes resources of its own."""
    return (root / "services" / name / "infrastructure.py").is_file()


def _say_mentions(name: str, places: Sequence[str]) -> None:
    from nova_infra.documents.text import listed

    if places:
        found = listed(places, _MOST_MENTIONS)
        click.echo(f"{name} is still mentioned in {found}: change what means the service, then make test")
    else:
        click.echo("next: make test")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=Path())
@click.option("--name", help="Prefix of everything in AWS, such as acme.")
@click.option("--repository", metavar="OWNER/NAME", help="The project's repository on GitHub.")
@click.option("--engine", help="The delivery engine: codepipeline or github-actions.")
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="[WHERE=]ACCOUNT",
    help="AWS account for everything, or for WHERE: toolchain, dev, staging, prod. Repeatable.",
)
@click.option(
    "--region", "regions", multiple=True, metavar="[WHERE=]REGION", help="AWS region, in the same way. Repeatable."
)
@click.option("--service", "services", multiple=True, metavar="NAME", help="A service to start with. Repeatable.")
@click.option("--yes", is_flag=True, help="Ask nothing; use the default for every answer not given as an option.")
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
    """Start your own project in DIRECTORY, from this one.

    It gets its own nova.toml, workflows and CODEOWNERS, and new services instead of the examples. DIRECTORY has to be
    empty, or this project as freshly cloned. Asks for every answer not given as an option; each question has a default.
    """
    from nova_infra.scaffold.projects.interview import Given, interview
    from nova_infra.scaffold.projects.project import create_project, require_place, source, welcome

    root, target = source(), directory.resolve()
    require_place(root, target)
    answers = interview(Given(name, repository, engine, accounts, regions, services), target, ask=not yes)
    config = create_project(root, target, answers)
    for line in welcome(config, target, in_place=target == root):
        click.echo(line)


@click.group(name="import")
def import_() -> None:
    """Take over what another tool delivers."""


@import_.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("nova.toml"),
    show_default=True,
    help="Where to write the result. A file that exists is left alone unless --force is given.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="WHERE=ACCOUNT",
    help="AWS account of an environment, or of 'toolchain'. Repeatable; Copilot's manifests do not name them.",
)
@click.option(
    "--region", "regions", multiple=True, metavar="[WHERE=]REGION", help="AWS region, in the same way. Repeatable."
)
def copilot(directory: Path, output: Path, force: bool, accounts: tuple[str, ...], regions: tuple[str, ...]) -> None:
    """Write nova.toml from the manifests of AWS Copilot below DIRECTORY.

    Each key that has no answer becomes a comment that says why, and what to do instead. Exits with 1 if the result
    still needs a change by hand before it can be used.
    """
    from nova_infra.scaffold.copilot.project import import_copilot, placed

    if output.exists() and not force:
        raise NovaError(f"{output}: exists already: give --output another file, or --force to replace it")
    imported = import_copilot(directory, **placed(accounts, regions))
    try:
        output.write_text(imported.text, encoding="utf-8")
    except OSError as error:
        raise NovaError(f"{output}: cannot be written: {error.strerror}: name another file with --output") from None
    click.echo(
        f"{output}: {imported.services} services, {imported.environments} environments; "
        f"{imported.unanswered} keys became comments, and docs/copilot.md says more about them"
    )
    for line in imported.refused:
        click.echo(f"still to change: {line}")
    click.echo("next: replace what is marked TODO, then nova config check")
    sys.exit(1 if imported.refused else 0)


@click.group()
def config() -> None:
    """Check nova.toml, or show what it says of a service."""


@config.command()
def check() -> None:
    """Check nova.toml and summarize it.

    Exits with 2 if it is invalid.
    """
    from nova_infra.config import load_config
    from nova_infra.config.rules.service.queues import notes
    from nova_infra.documents.text import counted

    found = load_config(Path.cwd())
    environments = ", ".join(environment.name for environment in found.environments)
    click.echo(f"nova.toml is valid: {counted(len(found.services), 'service')} in {environments}")
    for note in notes(found.services, found.environments):
        click.echo(f"note: {note}")


@config.command()
@click.argument("service")
@click.argument("environment")
@click.option("--all", "whole", is_flag=True, help="Also show the values that are defaults.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: key to value and source.")
def show(service: str, environment: str, whole: bool, as_json: bool) -> None:
    """Show what SERVICE is in ENVIRONMENT, and where each value comes from.

    The most specific value wins, key by key: [services.environments.NAME], then [[services]], then [[environments]],
    then the default.
    """
    from nova_infra.config import load_config
    from nova_infra.config.resolved import origins

    found = load_config(Path.cwd())
    values = list(origins(found.service(service), found.environment(environment), found.services))
    if as_json:
        click.echo(json.dumps({each.key: {"value": each.value, "source": each.source} for each in values}, indent=2))
        return
    shown = [each for each in values if whole or each.source != "default"]
    keys = max(len(each.key) for each in shown)
    texts = {each.key: json.dumps(each.value, ensure_ascii=False) for each in shown}
    width = min(max(map(len, texts.values())), 60)
    for each in shown:
        click.echo(f"{each.key:{keys}}  {texts[each.key]:{width}}  {each.source}")
    if not whole:
        click.echo(f"{len(values) - len(shown)} more have their default: --all shows them")


COMMANDS = (init, import_, service, config)
