"""``nova releases``, ``verify``, ``preflight``, ``hold``, ``release-hold``, ``accept-red``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nova_infra.cli.built import built_assembly
from nova_infra.cli.commands.reports import where_options, whereabouts
from nova_infra.cli.output import format_option, show

if TYPE_CHECKING:
    from nova_infra.deployed.protocol import ObservedEnvironment, RecordedEnvironment
    from nova_infra.documents.render import Format
    from nova_infra.names import Role


def in_environment(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command its ENV argument, and the options that say where to look for it."""
    return click.argument("environment", metavar="ENV")(where_options(command))


def wait_option(default: int, help_: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option ``--wait``: for how many seconds a command looks again, given as ``patience``."""
    return click.option(
        "--wait",
        "patience",
        type=click.FloatRange(min=0),
        default=default,
        metavar="SECONDS",
        show_default=True,
        help=help_,
    )


def open_environment(role: Role, where: dict[str, Any]) -> RecordedEnvironment:
    """The environment that the options of :func:`in_environment` name."""
    from nova_infra.deployed.connect import connect

    return connect(where["environment"], role=role, where=whereabouts(where["region"], where["platform"]))


@click.command()
@format_option
@in_environment
def releases(form: Format, **where: Any) -> None:
    """List the releases of ENV, with their delivery metrics."""
    from nova_infra.operations.records.holds import read_holds
    from nova_infra.operations.records.ledger import read_ledger
    from nova_infra.operations.records.listing import document

    target = open_environment("observer", where)
    ledger = read_ledger(target)
    if not ledger.entries:
        target.service_names()  # refuses an environment that does not exist
    show(document(ledger, read_holds(target)), form)


@click.command()
@in_environment
@click.option("--release", metavar="RELEASE", help="A release from the ledger. Default: the latest one.")
@click.option("--checkout", is_flag=True, help="Verify the release in this directory and write it to the ledger.")
@wait_option(0, "How long to wait for what may still recover, such as an alarm that is about to clear.")
@built_assembly
def verify(release: str | None, checkout: bool, patience: float, assembly: Path | None, **where: Any) -> None:
    """Check that ENV runs the release that it should run.

    Checks images by digest, deployments, alarms, and each service's /version over HTTP.
    """
    from nova_infra.operations.gates.release import verify_release

    target = open_environment("release" if checkout else "observer", where)
    place = whereabouts(where["region"], where["platform"])
    said = verify_release(
        target, release, place, checkout=checkout, assembly=assembly, patience=patience, notify=click.echo
    )
    click.echo(said)


@click.command()
@in_environment
@click.option("--checkout", is_flag=True, help="Check the release in this directory.")
@built_assembly
def preflight(checkout: bool, assembly: Path | None, **where: Any) -> None:
    """Check that a deployment to ENV may start.

    Checks alarms, holds, other deployments, stacks, quotas, certificates, signatures, secrets and the listener rules'
    weights.
    """
    from nova_infra.operations.gates.release import allow_deployment

    target = open_environment("observer", where)
    place = whereabouts(where["region"], where["platform"])
    click.echo(allow_deployment(target, place, checkout=checkout, assembly=assembly, notify=click.echo))


@click.command()
@in_environment
@click.argument("release")
@click.option("--why", required=True, metavar="TEXT", help="The reason, for people who run into the hold.")
def hold(release: str, why: str, **where: Any) -> None:
    """Put RELEASE, a commit, on hold: ENV refuses it."""
    from nova_infra.operations.records.holds import hold

    target = open_environment("release", where)
    target.service_names()  # refuses an environment that does not exist: in the wrong region nothing would be on hold
    made = hold(target, release, why=why)
    click.echo(f"{made.release} is on hold in {target.name}")
    _tell_unknown(target, made.release)


@click.command("release-hold")
@in_environment
@click.argument("release")
@click.option("--why", required=True, metavar="TEXT", help="The reason, for the record.")
def release_hold(release: str, why: str, **where: Any) -> None:
    """End the hold on RELEASE: ENV takes it again."""
    from nova_infra.operations.records.holds import release_hold

    target = open_environment("release", where)
    target.service_names()  # refuses an environment that does not exist
    click.echo(f"{release_hold(target, release, why=why).release} is no longer on hold in {target.name}")


@click.command("accept-red")
@in_environment
@click.argument("release")
@click.option("--why", required=True, metavar="TEXT", help="The reason, for the log, the ledger and a later brief.")
def accept_red(release: str, why: str, **where: Any) -> None:
    """Write a waiver: let RELEASE into ENV despite what is red.

    RELEASE is a commit: give at least 12 hex digits. The waiver covers the alarms, certificates and quotas that are red
    now, for four hours. Use it when the release is not to blame. It does not override a hold.
    """
    from datetime import UTC, datetime

    from nova_infra.deployed.aws.client.session import whoami
    from nova_infra.operations.gates.preflight import survey, waivable
    from nova_infra.operations.records.waivers import waivable_release, waive

    release = waivable_release(release)
    target = open_environment("release", where)
    red, others = waivable(survey(target), release, now=datetime.now(UTC))
    waiver = waive(target, release, [blocker.subject for blocker in red], why=why, by=whoami()[1])
    for blocker in others:
        click.echo(f"still blocks the release, and cannot be waived: {blocker.text}")
    until = f"{waiver.until:%Y-%m-%d %H:%M} UTC"
    if others:
        click.echo(f"{target.name}: until {until}, this no longer blocks {release}:")
    else:
        click.echo(f"{target.name}: {release} may be deployed until {until} despite")
    for blocker in red:
        click.echo(f"  {blocker.text}\n    {blocker.lost}")
    _tell_unknown(target, release)
    click.echo("Now retry the stage; if it has already been rolled back, release the commit again.")
    click.echo(f"To revoke the waiver: nova hold {target.name} {release} --why TEXT")


COMMANDS = (releases, verify, preflight, accept_red, hold, release_hold)


def _tell_unknown(environment: ObservedEnvironment, release: str) -> None:
    """Warn about a name that is neither a commit nor a known release: it may be a typo."""
    from nova_infra.operations.records.ledger import read_ledger
    from nova_infra.operations.records.lookup import is_hexadecimal

    if not is_hexadecimal(release) and all(entry.release != release for entry in read_ledger(environment).entries):
        click.echo(f"no release is called {release} yet: this takes effect when one is")
