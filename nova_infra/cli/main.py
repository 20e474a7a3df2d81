"""The ``nova`` command.

Exit codes: 0 done, 1 a check or the rehearsed release failed, 2 wrong usage or refused input, 3 an error from AWS,
130 interrupted, 141 the reader of the output has gone. Slow imports happen inside the commands that need them, so that
``nova --help`` is quick.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from typing import Literal

import click

from nova_infra.cli import configuration as cli_configuration
from nova_infra.cli import delivery as cli_delivery
from nova_infra.cli import incident as cli_incident
from nova_infra.cli import prove as cli_prove
from nova_infra.cli import rehearsal as cli_rehearsal
from nova_infra.cli import releases as cli_releases
from nova_infra.cli import reports as cli_reports
from nova_infra.cli import scaffold as cli_scaffold
from nova_infra.cli import steering as cli_steering
from nova_infra.cli.images import image
from nova_infra.cli.output import notify, open_closed_streams
from nova_infra.errors import NovaError
from nova_infra.machine import tools


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"nova {version('nova-infra')}")
    except PackageNotFoundError:  # a step's set-up puts the sources on the path, and installs no package
        click.echo("nova of this checkout")
    context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def nova() -> None:
    """Deliver container services to AWS; rehearse it without AWS."""


@nova.command()
@click.option("--approve", is_flag=True, help="Approve everything in advance. Needed without a terminal.")
@click.option(
    "--baseline", default="HEAD", show_default=True, metavar="REV", help="The git revision that the release replaces."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the results to this file."
)
@click.option(
    "--assembly",
    type=click.Path(path_type=Path, file_okay=False),
    help="The working tree's assembly. Default: synthesize it to cdk.out.",
)
@click.option(
    "--drill",
    "drills",
    multiple=True,
    metavar="NAME",
    help="Afterwards release it with a fault and check that it is stopped. Repeatable; 'all' plays every drill.",
)
@click.option("--what-if", metavar="percent=5,bake=10", help="Repeat the drills with another canary and compare.")
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(".nova/rehearsal.html"),
    show_default=True,
    help="Where to write the report.",
)
@click.option(
    "--tasks",
    type=click.Choice(["images", "sources"]),
    help="Run services from images or from sources. Default: images if Docker or Podman is running.",
)
@click.option("--real-time", is_flag=True, help="Let a minute last a minute: takes hours, shows what uptime brings.")
@click.option("--app", metavar="COMMAND", help="Rehearse any CDK app with a pipeline, as in --app 'python app.py'.")
@click.option("--until", metavar="STAGE", help="Stop after this stage of the pipeline.")
def rehearse(
    approve: bool,
    baseline: str,
    json_file: Path | None,
    assembly: Path | None,
    drills: tuple[str, ...],
    what_if: str | None,
    report_file: Path,
    until: str | None,
    tasks: Literal["images", "sources"] | None,
    real_time: bool,
    app: str | None,
) -> None:
    """Play the pipeline here, to see if Prod would take the tree.

    Exits with 0 if production would take the release and every drill ended as it must, and with 1 otherwise.
    """
    from nova_infra.machine.git import why_unreadable
    from nova_infra.rehearsal.drills.catalogue import choose
    from nova_infra.rehearsal.drills.what_if import WhatIf
    from nova_infra.rehearsal.run import Options, rehearse
    from nova_infra.synthesis import synthesize, synthesize_app

    root = Path.cwd()
    other = WhatIf.parse(what_if) if what_if else None
    if other is not None and not drills:
        raise NovaError("--what-if: compares drills, but none is named: add --drill, such as --drill errors")
    # Refuse an unknown drill or an unreadable baseline before anything slow begins.
    choose(drills)
    if (root / "nova.toml").exists() and (fault := why_unreadable(root, baseline)):
        raise NovaError(f"baseline: {fault}")
    if assembly is None:
        assembly = synthesize(root) if app is None else synthesize_app(root, app)
    options = Options(
        root,
        assembly.resolve(),
        baseline,
        approve,
        drills,
        other,
        json_file,
        report_file,
        until,
        tasks,
        real_time,
        app or "",
    )
    sys.exit(0 if rehearse(options) else 1)


nova.add_command(image)


for command in (
    *cli_reports.COMMANDS,
    *cli_releases.COMMANDS,
    *cli_steering.COMMANDS,
    *cli_configuration.COMMANDS,
    *cli_incident.COMMANDS,
    *cli_delivery.COMMANDS,
    *cli_prove.COMMANDS,
    *cli_rehearsal.COMMANDS,
    *cli_scaffold.COMMANDS,
):
    nova.add_command(command)


def main() -> None:
    """Run the command; print one line for each thing that went wrong."""
    open_closed_streams()
    tools.put_first(os.environ)
    # SIGHUP and SIGTERM stop everything as cleanly as Ctrl-C does, from the first moment on.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        # click's standalone mode would turn an interruption into exit code 1.
        sys.exit(nova(standalone_mode=False))
    except NovaError as error:
        notify(str(error), err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        from nova_infra.machine.scratch import no_room

        notify(no_room(error), err=True)
        sys.exit(2)
    except SystemExit:
        # click puts this in when a pipe is closed, as `nova logs … | head` does, and would exit with 1: a failed check.
        if type(sys.stdout).__name__.endswith("PacifyFlushWrapper"):
            sys.exit(141)
        raise
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        notify("interrupted: everything that was started has been stopped", err=True)
        sys.exit(130)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
