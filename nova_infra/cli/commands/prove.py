"""``nova prove``: settles open assumptions about AWS in a sandbox account."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nova_infra.cli.output import format_option, notify, show

if TYPE_CHECKING:
    from nova_infra.documents.render import Format


@click.command()
@click.option("--account", metavar="ID", help="The sandbox account. The credentials must be its own.")
@click.option("--region", default="us-east-1", show_default=True, help="Where to run.")
@click.option("--only", "ids", multiple=True, metavar="ROW", help="Settle this row. Repeatable. Default: every row.")
@click.option("--dry-run", is_flag=True, help="Print what each experiment takes, in minutes and dollars.")
@click.option("--clean", "clean_only", is_flag=True, help="Remove what an earlier run has left, and do nothing else.")
@format_option
def prove(
    account: str | None, region: str, ids: tuple[str, ...], dry_run: bool, clean_only: bool, form: Format
) -> None:
    """Settle open assumptions in a sandbox account.

    The rows are those of docs/assumptions.md. Each experiment deploys the least it needs, prints its row as held or
    refuted, and is removed, also when it is interrupted. Exits with 0 if every row held, with 1 if one was refuted or
    could not be decided, and with 3 if something could not be removed.
    """
    from nova_infra.assumptions.catalogue import choose, total
    from nova_infra.assumptions.report import estimate, findings
    from nova_infra.assumptions.run import prove as run
    from nova_infra.assumptions.run import refuse_account
    from nova_infra.assumptions.sandbox.clean import clean
    from nova_infra.config import load_config

    chosen = choose(ids)
    if dry_run:
        show(estimate(chosen), form)
        return
    config = load_config(Path.cwd())
    named = {config.toolchain.account, *(each.account for each in config.environments)}
    refuse_account(account, named)
    from nova_infra.deployed.aws.client.session import sign_in, whoami

    refuse_account(account, named, signed_in=whoami()[0])
    aws = sign_in(region=region)
    if clean_only:
        removed = clean(aws)
        click.echo(f"removed: {', '.join(removed)}" if removed else "nothing was left")
        return
    live = partial(notify, err=form != "text")
    live(total(chosen))
    readings = run(aws, chosen, notify=live)
    if form != "text":
        show(findings(readings), form)
    sys.exit(0 if all(reading.verdict == "held" for reading in readings) else 1)


COMMANDS = (prove,)
