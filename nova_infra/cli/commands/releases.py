"""``nova releases``, ``verify``, ``preflight``, ``hold``, ``release-hold``, ``accept-red``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nova_infra.cli.built import built_assembly
from nova_infra.cli.commands.reports import where_options, whereabouts
from nova_infra.cli.output import format_option, show
from nova_infra.errors import CheckFailedError, NotDeployedError, RefusedError

if TYPE_CHECKING:
    from nova_infra.deployed.protocol import ObservedEnvironment, RecordedEnvironment
    from nova_infra.documents.render import Format
    from nova_infra.names import Role
    from nova_infra.operations.gates.preflight import Known
    from nova_infra.operations.records.ledger import Entry, Outcome, ReleasedImage


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
    from datetime import UTC, datetime

    from nova_infra.assembly import digest_of_files
    from nova_infra.operations.gates.orphans import orphans, told
    from nova_infra.operations.gates.traffic import judged_by
    from nova_infra.operations.gates.verify import verify as look
    from nova_infra.operations.records.ledger import Entry, append
    from nova_infra.operations.records.lookup import short
    from nova_infra.operations.records.waivers import read_waivers, waived
    from nova_infra.operations.release.checkout import unsigned

    target = open_environment("release" if checkout else "observer", where)
    name, images, committed_at = _release(target, release, checkout)
    found = look(target, images, patience=patience, notify=click.echo)
    now = datetime.now(UTC).replace(microsecond=0)
    waivers = waived(read_waivers(target), name, now=now) if found else {}
    in_spite = [f"{each.text}: {waivers[each.subject]}" for each in found if each.subject in waivers]
    faults = [each.text for each in found if each.subject not in waivers]
    if checkout:
        faults += unsigned(target, images, Path.cwd())
        outcome: Outcome = "failed" if faults else "verified"
        reason = next(iter([*faults, *in_spite]), "")
        built = digest_of_files(assembly) if assembly is not None and target.played() is None else ""
        append(target, Entry(name, images, now, outcome, target.caller(), reason, committed_at, built))
    known = _known(target, where, checkout)
    for stack in orphans(target.prefix, target.stacks(), known.services) if known is not None else ():
        click.echo(told(stack))
    for line in in_spite:
        click.echo(line)
    for line in judged_by(target):
        click.echo(line)
    _report(faults, f"{target.name} runs {short(name)}: {len(images)} services as released")


@click.command()
@in_environment
@click.option("--checkout", is_flag=True, help="Check the release in this directory.")
@built_assembly
def preflight(checkout: bool, assembly: Path | None, **where: Any) -> None:
    """Check that a deployment to ENV may start.

    Checks alarms, holds, other deployments, stacks, quotas, certificates, signatures, secrets and the listener rules'
    weights.
    """
    from datetime import UTC, datetime

    from nova_infra.assembly import digest_of
    from nova_infra.operations.gates.orphans import told
    from nova_infra.operations.gates.preflight import judge, survey
    from nova_infra.operations.gates.traffic import loaded_by_suite, to_be_judged_by
    from nova_infra.operations.records.holds import refusals
    from nova_infra.operations.records.lookup import short
    from nova_infra.operations.release.checkout import unsigned
    from nova_infra.operations.release.secrets import missing_secrets

    target = open_environment("observer", where)
    try:
        released_templates = release_templates(target, assembly) or None
        if released_templates:
            click.echo(f"templates: {digest_of(released_templates)}")  # as the brief said
        conditions = survey(target, _known(target, where, checkout), released_templates)
    except NotDeployedError:
        click.echo(f"{target.name}: nothing is deployed there yet: a first deployment may start")
        return
    name, images, unsigned_images = None, {}, list[str]()
    if checkout:
        name, released, _ = _release(target, None, checkout=True)
        images = {service: image.digest for service, image in released.items()}
        unsigned_images = unsigned(target, released, Path.cwd())
    judged = judge(conditions, name, images, now=datetime.now(UTC))
    for stack in conditions.orphans:
        click.echo(told(stack))
    for line in to_be_judged_by(target, loaded_by_suite(Path.cwd(), target.name) if checkout else ()):
        click.echo(line)
    for blocker, waiver in judged.waived:
        click.echo(f"{blocker.text}: {waiver}: {blocker.lost}")
    secrets = missing_secrets(target, released_templates or {})
    for line in secrets.not_checked:
        click.echo(line)
    refused = [blocker.text for blocker in judged.refused] + unsigned_images + [*secrets.missing]
    held = name is not None and refusals(conditions.holds, name, images)
    if name is not None and not held and any(blocker.subject for blocker in judged.refused):
        command = f'nova accept-red {target.name} {short(name)} --why "…"'
        refused.append(f"if the red is not the release's fault and the release cannot wait: `{command}`, then retry")
    _report(refused, f"{target.name}: a deployment may start")


def release_templates(target: ObservedEnvironment, assembly: Path | None) -> dict[str, Any]:
    """Stack to its template in the release: a rehearsal knows what it plays. Empty where no assembly is given."""
    if (played := target.played()) is not None:
        return dict(played.templates)
    if assembly is None:
        return {}
    from nova_infra.assembly import Assembly

    return Assembly(assembly).templates(target.prefix)


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


def _release(
    environment: ObservedEnvironment, release: str | None, checkout: bool
) -> tuple[str, dict[str, ReleasedImage], Any]:
    """Name, images and commit time of the release that a command is about."""
    if checkout:
        from nova_infra.operations.release.checkout import released

        return released(environment, Path.cwd())
    entry = _entry(environment, release)
    return entry.release, dict(entry.images), entry.committed_at


def _known(environment: ObservedEnvironment, where: dict[str, Any], checkout: bool) -> Known | None:
    """What nova.toml says of the services; in a rehearsal, with what the release that is played runs."""
    from nova_infra.config import load_config
    from nova_infra.deployed.connect import service_names
    from nova_infra.operations.gates.orphans import wanted_rules
    from nova_infra.operations.gates.preflight import Known

    if (played := environment.played()) is not None:
        # A job runs nothing between its runs.
        return Known(tuple({*played.images, *(service_names(whereabouts(None, None)) or ())}))
    if checkout:
        config = load_config(Path.cwd())
        here = config.environment(environment.name)
        balancer = here.network.load_balancer
        listener = balancer.listener if balancer is not None else ""
        return Known([service.name for service in config.services], wanted_rules(config, here), listener)
    names = service_names(whereabouts(where["region"], where["platform"]))
    return Known(names) if names is not None else None


def _entry(environment: ObservedEnvironment, release: str | None) -> Entry:
    from nova_infra.operations.records.ledger import read_ledger
    from nova_infra.operations.records.lookup import matching

    ledger = read_ledger(environment)
    if not ledger.entries:
        environment.service_names()  # refuses an environment that does not exist
        raise RefusedError(f"release: the ledger of {environment.name} is empty: nothing was released there yet")
    return ledger.entries[0] if release is None else matching(ledger, release)[0]


def _tell_unknown(environment: ObservedEnvironment, release: str) -> None:
    """Warn about a name that is neither a commit nor a known release: it may be a typo."""
    from nova_infra.operations.records.ledger import read_ledger
    from nova_infra.operations.records.lookup import is_hexadecimal

    if not is_hexadecimal(release) and all(entry.release != release for entry in read_ledger(environment).entries):
        click.echo(f"no release is called {release} yet: this takes effect when one is")


def _report(faults: list[str], otherwise: str) -> None:

    if faults:
        raise CheckFailedError("\n".join(faults))
    click.echo(otherwise)
