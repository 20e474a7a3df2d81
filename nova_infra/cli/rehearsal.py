"""Commands that look ahead without asking AWS."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--baseline", default="HEAD", show_default=True, metavar="REV", help="The git revision that is deployed now."
)
@click.option(
    "--assembly",
    type=click.Path(path_type=Path, file_okay=False),
    help="The working tree's assembly. Default: synthesize it to cdk.out.",
)
def plan(baseline: str, assembly: Path | None) -> None:
    """Show what CloudFormation would do and what it would refuse.

    Exits with 1 if it would refuse something, and with 0 otherwise.
    """
    from nova_infra.assembly import Assembly
    from nova_infra.operations.planner.text import lines
    from nova_infra.rehearsal.pipeline.forecast import forecast
    from nova_infra.rehearsal.pipeline.release import Release, baseline_of
    from nova_infra.synthesis import synthesize

    root = Path.cwd()
    if assembly is None:
        assembly = synthesize(root)
    candidate = Release("working tree", Assembly(assembly.resolve()), root)
    with baseline_of(candidate, baseline) as before:
        planned = forecast(candidate, before)
    for line in lines(planned):
        click.echo(line)
    sys.exit(1 if planned.refusals else 0)


COMMANDS = (plan,)
