"""``nova rehearse`` and ``nova plan``: what a release would do, found out without asking AWS."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from nova_infra.cli.built import OR_SYNTHESIZE
from nova_infra.cli.output import format_option, show
from nova_infra.errors import NovaError

if TYPE_CHECKING:
    from nova_infra.documents.render import Format


@click.command()
@click.option("--approve", is_flag=True, help="Approve everything in advance. Needed without a terminal.")
@click.option(
    "--baseline", default="HEAD", show_default=True, metavar="REV", help="The git revision that the release replaces."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the results to this file."
)
@OR_SYNTHESIZE
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
@click.option("--real-time", is_flag=True, help="Play in real time: takes hours, but shows faults that need uptime.")
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
    """Rehearse this tree's way to production on this machine.

    Exits with 0 if production would take the release and every drill ended as expected, and with 1 otherwise.
    """
    from nova_infra.machine.git import why_unreadable
    from nova_infra.rehearsal.drills.catalogue import choose
    from nova_infra.rehearsal.drills.what_if import WhatIf
    from nova_infra.rehearsal.run import Options
    from nova_infra.rehearsal.run import rehearse as play
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
    sys.exit(0 if play(options) else 1)


@click.command()
@click.option(
    "--baseline", default="HEAD", show_default=True, metavar="REV", help="The git revision that is deployed now."
)
@OR_SYNTHESIZE
@format_option
def plan(baseline: str, form: Format, assembly: Path | None) -> None:
    """Show what CloudFormation would do and what it would refuse.

    Exits with 1 if it would refuse something, and with 0 otherwise.
    """
    from nova_infra.assembly import Assembly
    from nova_infra.operations.planner.text import document
    from nova_infra.rehearsal.pipeline.forecast import forecast
    from nova_infra.rehearsal.pipeline.release import Release, baseline_of
    from nova_infra.synthesis import synthesize

    root = Path.cwd()
    if assembly is None:
        assembly = synthesize(root)
    candidate = Release("working tree", Assembly(assembly.resolve()), root)
    with baseline_of(candidate, baseline) as before:
        planned = forecast(candidate, before)
    show(document(planned), form)
    sys.exit(1 if planned.refusals else 0)


COMMANDS = (rehearse, plan)
