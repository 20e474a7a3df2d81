"""The ``nova`` commands that steer a rollout: watch it, and answer it."""

from __future__ import annotations

import sys
from typing import Any

import click

from nova_infra.cli.releases import in_environment, wait_option
from nova_infra.cli.reports import whereabouts


@click.command()
@in_environment
@click.argument("service", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print every change as a line of JSON.")
@wait_option(0, "How long to wait for a deployment to begin.")
def watch(service: str | None, as_json: bool, patience: float, **where: Any) -> None:
    """Watch the deployments to ENV, whoever started them.

    Exits with 0 if every deployment was completed, with 1 if one was not, and with 2 if none is under way.
    """
    from nova_infra.deployed.connect import connect_followed
    from nova_infra.machine.terminal import open_console
    from nova_infra.operations.rollout.watch import looks
    from nova_infra.operations.rollout.watch import watch as show

    target = connect_followed(where["environment"], where=whereabouts(where["region"], where["platform"]))
    last = show(looks(target, (service,) if service else (), patience=patience), open_console(), as_json=as_json)
    sys.exit(0 if last.succeeded else 1)


@click.command()
@in_environment
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@click.option("--why", default="", metavar="TEXT", help="The reason, for the ledger.")
def promote(services: tuple[str, ...], why: str, **where: Any) -> None:
    """Let the deployments to ENV go on that wait at a gate.

    Without SERVICE, all that wait. The ledger records who did it and why.
    """
    from nova_infra.operations.rollout.answer import promote as answer

    _report(answer(_operated(where), services, why=why), "promoted", where["environment"])


@click.command()
@in_environment
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@click.option("--why", default="", metavar="TEXT", help="The reason, for the ledger.")
def abort(services: tuple[str, ...], why: str, **where: Any) -> None:
    """Stop deployments to ENV: ECS returns to what ran before.

    Without SERVICE, all that are under way. The ledger records who did it and why.
    """
    from nova_infra.operations.rollout.answer import abort as answer

    _report(answer(_operated(where), services, why=why), "aborted", where["environment"])


COMMANDS = (watch, promote, abort)


def _operated(where: dict[str, Any]) -> Any:
    from nova_infra.deployed.connect import connect_steered

    return connect_steered(where["environment"], where=whereabouts(where["region"], where["platform"]))


def _report(answered: Any, action: str, environment: str) -> None:
    for service, stood in answered.done.items():
        click.echo(f"{service}: {action} {stood}")
    for line in answered.left:
        click.echo(line, err=True)
    click.echo(f"next: nova watch {environment}")
    sys.exit(1 if any(f"not {action}: " in line for line in answered.left) else 0)
