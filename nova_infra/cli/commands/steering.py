"""``nova watch``, ``promote``, ``abort``, ``gate``, ``rollback`` (asks, unless ``--yes``): they steer a rollout."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nova_infra.cli.built import built_assembly
from nova_infra.cli.commands.releases import in_environment, wait_option
from nova_infra.cli.commands.reports import whereabouts
from nova_infra.cli.output import ask, format_option, notify, rendered
from nova_infra.errors import CheckFailedError, NovaError, RefusedError

if TYPE_CHECKING:
    from nova_infra.documents.render import Format


class InterruptedOperationError(NovaError):
    """The command was interrupted while AWS works on."""

    exit_code = 130


@click.command()
@in_environment
@click.argument("service", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print every change as a line of JSON.")
@wait_option(0, "How long to wait for a deployment to begin.")
def watch(service: str | None, as_json: bool, patience: float, **where: Any) -> None:
    """Watch the deployments to ENV, whoever started them.

    Exits with 0 if every deployment was completed, with 1 if one was not, and with 2 if none is under way. Ctrl-C ends
    only the watching.
    """
    from nova_infra.deployed.connect import connect_followed
    from nova_infra.machine.terminal import open_console
    from nova_infra.operations.rollout.watch import looks
    from nova_infra.operations.rollout.watch import watch as show

    target = connect_followed(where["environment"], where=whereabouts(where["region"], where["platform"]))
    try:
        last = show(looks(target, (service,) if service else (), patience=patience), open_console(), as_json=as_json)
    except KeyboardInterrupt:
        name = where["environment"]
        raise InterruptedOperationError(
            f"interrupted: the deployments in {name} go on: `nova watch {name}` shows them again"
        ) from None
    sys.exit(0 if last.succeeded else 1)


@click.command()
@in_environment
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@click.option("--why", default="", metavar="TEXT", help="The reason, for the ledger.")
def promote(services: tuple[str, ...], why: str, **where: Any) -> None:
    """Let the deployments to ENV that wait at a gate continue.

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


@click.command()
@in_environment
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@click.option(
    "--load", "loaded", multiple=True, metavar="NAME", help="Also load this service while it bakes. Repeatable."
)
@click.option("--run", "command", required=True, metavar="COMMAND", help="The suite, as in --run 'make integration'.")
@wait_option(3600, "How long to wait for the first deployment to begin.")
@built_assembly
def gate(
    services: tuple[str, ...],
    loaded: tuple[str, ...],
    command: str,
    patience: float,
    assembly: Path | None,
    **where: Any,
) -> None:
    """Run a test suite on new revisions in ENV, and answer for it.

    COMMAND finds an address in BASE_URL that leads to the new revisions. If it succeeds, and each new revision got some
    of its requests, the deployments that wait at a gate continue; otherwise they roll back.

    For a service with --load, COMMAND runs again and again while its new revision bakes, so that its alarms have
    requests to judge by. Then only the alarms decide.

    Exits with 0 if every run was green, with 1 if one was red, and with 2 if nothing can be asked.
    """
    from nova_infra.deployed.connect import connect_gate
    from nova_infra.operations.rollout.suite.answer import answer_by_suite

    if not (services or loaded):
        raise RefusedError("service: not given: name the services that wait for the suite, or pass --load NAME")
    target = connect_gate(where["environment"], where=whereabouts(where["region"], where["platform"]))
    red = answer_by_suite(target, services, loaded, command, patience=patience, assembly=assembly, notify=click.echo)
    if red:
        raise CheckFailedError("\n".join(f"rolled back: {line}" for line in red))


@click.command()
@in_environment
@click.option("--to", metavar="RELEASE", help="A release from the ledger. Default: the last good one before this.")
@click.option("--service", "services", multiple=True, metavar="NAME", help="Only this service. Repeatable.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--canary", is_flag=True, help="Use the normal rollout with its alarms, instead of all at once.")
@click.option(
    "--allow-other-changes", is_flag=True, help="Proceed even if more than task definitions and services would change."
)
@click.option("--why", default="", metavar="TEXT", help="The reason, for the ledger and the hold.")
@wait_option(600, "How long to wait for alarms and tasks to settle afterwards.")
@click.option("--cancel", is_flag=True, help="First cancel the updates in progress and wait for them.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed without a terminal.")
@format_option
def rollback(
    to: str | None,
    services: tuple[str, ...],
    plan_only: bool,
    canary: bool,
    allow_other_changes: bool,
    why: str,
    patience: float,
    cancel: bool,
    yes: bool,
    form: Format,
    **where: Any,
) -> None:
    """Roll ENV back to an earlier release: only its images.

    Shows what CloudFormation will do, and asks first. If it was interrupted, run it again to finish.
    """
    from nova_infra.deployed.connect import connect_to_change
    from nova_infra.operations.rollback.run import Request, rollback

    if not (yes or plan_only or sys.stdin.isatty()):
        raise RefusedError("rollback: there is no terminal to ask on: check with --plan, then add --yes")
    if form != "text" and not plan_only:
        raise RefusedError("--format: applies only to a plan: add --plan, or leave it out")
    target = connect_to_change(where["environment"], where=whereabouts(where["region"], where["platform"]))
    request = Request(to, services, plan_only, canary, allow_other_changes, why, patience, cancel)

    def confirm() -> bool:
        return yes or ask(f"Type {target.name} to roll it back") == target.name

    try:
        rollback(
            target,
            request,
            confirm=confirm,
            notify=partial(notify, err=form != "text"),
            # By notify: a pipe that closes does not stop a rollback.
            show=lambda plan: notify(rendered(plan, form).rstrip()),
        )
    except KeyboardInterrupt:
        raise InterruptedOperationError(
            "interrupted: CloudFormation finishes what it has started; run the same command again to do the rest"
        ) from None


COMMANDS = (watch, promote, abort, gate, rollback)


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
