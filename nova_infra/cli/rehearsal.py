"""Commands that look ahead without asking AWS."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nova_infra.cli.output import format_option, show

if TYPE_CHECKING:
    from nova_infra.documents.render import Format


@click.command()
@click.option(
    "--baseline", default="HEAD", show_default=True, metavar="REV", help="The git revision that is deployed now."
)
@click.option(
    "--assembly",
    type=click.Path(path_type=Path, file_okay=False),
    help="The working tree's assembly. Default: synthesize it to cdk.out.",
)
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


COMMANDS = (plan,)
