"""The ``nova`` command.

Exit codes: 0 done, 1 a check or the rehearsed release failed, 2 wrong usage or refused input, 3 an error from AWS,
130 interrupted, 141 nobody reads the output any more. Imports that take time are made where they are needed, so that
``nova --help`` is quick.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Literal

import click

from nova_infra import tools
from nova_infra.cli import delivery as cli_delivery
from nova_infra.cli import incident as cli_incident
from nova_infra.cli import rehearsal as cli_rehearsal
from nova_infra.cli import releases as cli_releases
from nova_infra.cli import reports as cli_reports
from nova_infra.cli import scaffold as cli_scaffold
from nova_infra.cli.images import image
from nova_infra.errors import NovaError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nova-infra", message="nova %(version)s")
def nova() -> None:
    """Deliver container services to AWS, and rehearse it without."""


@nova.command()
@click.option("--approve", is_flag=True, help="Give every manual approval beforehand. Needed without a terminal.")
@click.option(
    "--baseline", default="HEAD", show_default=True, metavar="REV", help="Git revision that runs before the release."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write what happened to a file."
)
@click.option(
    "--assembly",
    type=click.Path(path_type=Path, file_okay=False),
    help="Assembly of the working tree. Default: synthesize it to cdk.out.",
)
@click.option(
    "--drill",
    "drills",
    multiple=True,
    metavar="NAME",
    help="Then release it with a fault, and check that it is stopped. Repeatable; 'all' plays every drill.",
)
@click.option("--what-if", metavar="percent=5,bake=10", help="Repeat the drills with another canary, to compare.")
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
    help="What services run as. Default: images where Docker or Podman answers, else sources.",
)
@click.option("--until", metavar="STAGE", help="Play the pipeline up to this stage, and no further.")
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
) -> None:
    """Play the pipeline here, to see whether Prod takes the tree.

    Exits with 0 when production would take the release and every drill ended as it must, and with 1 otherwise.
    """
    from nova_infra.git import why_unreadable
    from nova_infra.rehearsal.drills.catalogue import choose
    from nova_infra.rehearsal.run import Options, WhatIf, rehearse
    from nova_infra.synthesis import synthesize

    root = Path.cwd()
    other = WhatIf.parse(what_if) if what_if else None
    if other is not None and not drills:
        raise NovaError("--what-if: compares drills: name some with --drill, such as --drill errors")
    # A name that is not one, or a baseline that cannot be read, is refused before anything takes time.
    choose(drills)
    if (root / "nova.toml").exists() and (fault := why_unreadable(root, baseline)):
        raise NovaError(f"baseline: {fault}")
    if assembly is None:
        assembly = synthesize(root)
    options = Options(root, assembly.resolve(), baseline, approve, drills, other, json_file, report_file, until, tasks)
    sys.exit(0 if rehearse(options) else 1)


nova.add_command(image)


for command in (
    *cli_reports.COMMANDS,
    *cli_releases.COMMANDS,
    *cli_incident.COMMANDS,
    *cli_delivery.COMMANDS,
    *cli_rehearsal.COMMANDS,
    *cli_scaffold.COMMANDS,
):
    nova.add_command(command)


def main() -> None:
    """Run the command; print what went wrong in a line for each fault."""
    tools.put_first(os.environ)
    # A hang-up or a plain kill ends everything as cleanly as Ctrl-C does, from the first moment on.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        # click's own way to end would turn an interruption into exit code 1.
        sys.exit(nova(standalone_mode=False))
    except NovaError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit:
        # click puts this in when a pipe is closed, as `nova logs … | head` does, and would exit with 1: a failed check.
        if type(sys.stdout).__name__.endswith("PacifyFlushWrapper"):
            sys.exit(141)
        raise
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        print("interrupted: everything that was started has been stopped", file=sys.stderr)
        sys.exit(130)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
