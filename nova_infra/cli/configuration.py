"""``nova config …``: checks nova.toml and shows the values that a service ends up with."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group()
def config() -> None:
    """Check nova.toml, or show what it says of a service."""


@config.command()
def check() -> None:
    """Check nova.toml and summarize it.

    Exits with 2 if it is invalid.
    """
    from nova_infra.config import load_config

    found = load_config(Path.cwd())
    environments = ", ".join(environment.name for environment in found.environments)
    click.echo(f"nova.toml is valid: {len(found.services)} services in {environments}")


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


COMMANDS = (config,)
