"""``nova status``, ``explain``, ``brief``, ``doctor``, ``cost``, ``access``: they look and change nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nova_infra.cli.built import OR_SYNTHESIZE, SYNTHESIZED, built_assembly
from nova_infra.cli.output import format_option, show
from nova_infra.errors import RefusedError

if TYPE_CHECKING:
    from nova_infra.documents.render import Format

_Command = TypeVar("_Command", bound=Callable[..., Any])


def where_options(command: _Command) -> _Command:
    """The options that say where an environment is, for use without a ``nova.toml``."""
    command = click.option("--platform", metavar="NAME", help="The installation's name, if it is not nova.")(command)
    return click.option("--region", help="The environment's region, needed outside a project's directory.")(command)


def whereabouts(region: str | None, platform: str | None) -> Any:
    """The place that these options describe."""
    from nova_infra.deployed.connect import Whereabouts

    return Whereabouts(Path.cwd(), region, platform)


@click.command()
@click.argument("environments", nargs=-1, metavar="[ENV]...")
@click.option("--json", "as_json", is_flag=True, help="Print everything that is known as JSON, for programs.")
@format_option
@where_options
def status(environments: tuple[str, ...], as_json: bool, form: Format, **options: Any) -> None:
    """Show what runs where, and what is red.

    Shows release, tasks, deployment and alarms of every service. Without ENV, shows all environments of nova.toml.
    Exits with 0 if every environment could be read, whatever its state.
    """
    from nova_infra.deployed.connect import connect, environment_names, service_names
    from nova_infra.operations.reports import status_table as table
    from nova_infra.operations.reports.status import status as look

    where = whereabouts(options["region"], options["platform"])
    names = environment_names(where, environments)
    known = service_names(where)
    found = look(
        names,
        lambda name: connect(name, role="observer", where=where),
        known=known,
        environments=known and environment_names(where),
    )
    if len(errors := {environment.error for environment in found}) == 1 and (error := errors.pop()):
        click.echo(error, err=True)
        sys.exit(found[0].exit_code)
    if as_json or form == "json":
        click.echo(table.as_json(found))
    else:
        show(table.document(found), form)
    sys.exit(max(environment.exit_code for environment in found))


@click.command()
@click.argument("environment", metavar="ENV")
@format_option
@where_options
def explain(environment: str, form: Format, region: str | None, platform: str | None) -> None:
    """Say why the latest release to ENV failed, and what to do.

    Exits with 0 if ENV could be read, whatever was found. ECS remembers stopped tasks for an hour.
    """
    from datetime import UTC, datetime

    from nova_infra.deployed.connect import connect, connect_toolchain
    from nova_infra.operations.reports import explain as report

    where = whereabouts(region, platform)
    try:
        target = connect(environment, role="operator", where=where)  # who may read logs
    except RefusedError:
        target = connect(environment, role="observer", where=where)
    facts = report.observe(target, connect_toolchain(where))
    show(report.document(facts, report.last_log(target, facts), now=datetime.now(UTC)), form)


@click.command()
@click.option(
    "--first",
    is_flag=True,
    help="Also check what only the first deployment into an account needs.",
)
@format_option
def doctor(first: bool, form: Format) -> None:
    """Check what a first deployment needs, here and in AWS.

    Checks tools, credentials, bootstrap, connection, repositories, quotas, zones, the settings on GitHub and what
    nova.toml marks with TODO. Exits with 1 if something has to be fixed. Without credentials it checks only what is
    here, and says so.
    """
    from nova_infra.config import CONFIG_FILE, load_config
    from nova_infra.deployed.aws.client.session import Aws, sign_in, whoami
    from nova_infra.names import bootstrap_role_name
    from nova_infra.operations.doctor import doctor as report
    from nova_infra.operations.doctor.first import left_to_fill_in
    from nova_infra.operations.doctor.github import ask_github, committed_tools, github_checks

    root = Path.cwd()
    config = load_config(root)

    def open_account(account: str, region: str, own: bool) -> Aws:
        lookup = bootstrap_role_name("lookup-role", account, region)
        return sign_in(region=region) if own else sign_in(region=region, role=lookup, account=account)

    parts = report.diagnose(config, root, account_of_caller=lambda: whoami()[0], open_account=open_account, first=first)
    tools = committed_tools(root) if config.delivery.engine == "github-actions" else None
    parts = (*parts, report.PlaceChecks("GitHub", tuple(github_checks(config, ask_github, tools=tools))))
    if todo := tuple(left_to_fill_in((root / CONFIG_FILE).read_text(encoding="utf-8"))):
        parts = (report.PlaceChecks(CONFIG_FILE, todo), *parts)
    show(report.document(parts), form)
    sys.exit(1 if report.must_be_fixed(parts) else 0)


@click.command()
@click.argument("environment", metavar="ENV")
@format_option
@click.option("--publish", is_flag=True, help="Also send it to the approvers.")
@built_assembly
def brief(environment: str, form: Format, publish: bool, assembly: Path | None) -> None:
    """Brief the approvers of this release to ENV.

    Describes the release in this directory. Without --assembly, it is synthesized to cdk.out.

    Exits with 0 if ENV could be read, whatever the brief says: the brief informs, `nova preflight` refuses.
    """
    from dataclasses import replace

    from nova_infra.assembly import digest_of_files
    from nova_infra.deployed.connect import connect, connect_toolchain
    from nova_infra.documents.terminal import as_text
    from nova_infra.operations.gates.traffic import loaded_by_suite
    from nova_infra.operations.release.candidate import read_candidate
    from nova_infra.operations.reports import brief as report
    from nova_infra.operations.reports.survey import survey
    from nova_infra.synthesis import synthesize

    root = Path.cwd()
    where = whereabouts(None, None)
    target = connect(environment, role="observer", where=where)
    toolchain = connect_toolchain(where)
    if publish and toolchain is None:
        raise RefusedError("--publish: the approval topic is in the toolchain's account: sign in to that account")
    candidate = read_candidate(target, root, lambda: assembly or synthesize(root))
    found = survey(target, toolchain, candidate, root=root, loaded=loaded_by_suite(root, environment))
    if assembly is not None and target.played() is None:
        found = replace(found, assembly=digest_of_files(assembly))
    document = report.document(found)
    if publish and toolchain is not None:
        toolchain.publish(subject=report.subject(found), message=report.message(as_text(document)))
    show(document, form)


@click.command()
@click.argument("environment", metavar="[ENV]", required=False)
@OR_SYNTHESIZE
@format_option
def cost(environment: str | None, form: Format, assembly: Path | None) -> None:
    """Estimate what ENV costs a month at list prices.

    Computed from its templates. Without ENV: all environments and the toolchain.
    """
    from nova_infra.assembly import Assembly
    from nova_infra.config import load_config
    from nova_infra.names import environment_prefix
    from nova_infra.operations.changes import cost as report
    from nova_infra.synthesis import synthesize

    root = Path.cwd()
    config = load_config(root)
    prefixes = {each.name: environment_prefix(config.platform.name, each.name) for each in config.environments}
    if environment is not None:
        config.environment(environment)  # refuses an unknown name
    groups = report.by_owner(Assembly(assembly or synthesize(root)), prefixes)
    if environment is not None:
        groups = {environment: groups.get(environment, [])}
    show(report.document(groups), form)


@click.command()
@SYNTHESIZED
@click.option("--write", is_flag=True, help="Write docs/access.md instead of printing it.")
def access(assembly: Path, write: bool) -> None:
    """Show who can do what before and after the approval.

    Computed from the templates that `make synth` has written.
    """
    from nova_infra.assembly import Assembly
    from nova_infra.config import load_config
    from nova_infra.operations.release.access import access_page

    text = access_page(load_config(Path.cwd()), Assembly(assembly))
    if write:
        Path("docs/access.md").write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)


COMMANDS = (cost, status, explain, brief, doctor, access)
