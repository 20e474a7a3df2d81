"""``nova logs``, ``tasks``, ``exec``, ``run``, ``scale``, ``open``: for operators of an environment."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from nova_infra.cli.commands.reports import where_options, whereabouts
from nova_infra.cli.output import format_option, notify, show
from nova_infra.errors import RefusedError

if TYPE_CHECKING:
    from nova_infra.documents.render import Format


def of_service(command: Any) -> Any:
    """Give a command its SERVICE and ENV arguments, and the options that say where to look."""
    with_environment = click.argument("environment", metavar="ENV")(where_options(command))
    return click.argument("service", metavar="SERVICE")(with_environment)


def _open(where: dict[str, Any]) -> Any:
    from nova_infra.deployed.connect import connect_operated

    return connect_operated(where["environment"], where=whereabouts(where["region"], where["platform"]))


@click.command()
@of_service
@click.option(
    "--since", default="15m", show_default=True, metavar="SPAN", help="How far to look back: 90s, 15m, 2h, 1d."
)
@click.option("--follow", "-f", "following", is_flag=True, help="Keep printing new lines until Ctrl-C.")
@click.option(
    "--filter", "wanted", default="", metavar="TEXT", help="Only lines that contain TEXT, such as a request id."
)
@click.option("--release", metavar="RELEASE", help="Only tasks of the last hour that run this release's image.")
def logs(service: str, since: str, following: bool, wanted: str, release: str | None, **where: Any) -> None:
    """Show the log of SERVICE in ENV, all its tasks together.

    TEXT may be a CloudWatch filter pattern, such as '{ $.level = "ERROR" }'.
    """
    from nova_infra.operations.incident.logs import follow, line, pattern, span

    lasting = span(since)
    target = _open(where)
    only = _tasks_of_release(target, service, release) if release else None

    def again() -> bool:
        if following:
            time.sleep(2)
        return following

    shown = 0
    start = target.now() - lasting
    for event in follow(target, service, since=start, wanted=pattern(wanted), only=only, again=again):
        click.echo(line(event))
        shown += 1
    if not shown:
        click.echo(f"{service}: no line in the last {since}" + (f" with {wanted!r}" if wanted else ""), err=True)


def _tasks_of_release(target: Any, service: str, release: str) -> frozenset[str]:
    from nova_infra.operations.incident.logs import tasks_of
    from nova_infra.operations.records.ledger import read_ledger
    from nova_infra.operations.records.lookup import matching

    [entry, *_] = matching(read_ledger(target), release)
    if service not in entry.images:
        raise RefusedError(f"service: {service!r} was not part of release {release}: see `nova releases`")
    found = tasks_of(((task.id, task.digest) for task in target.tasks(service)), entry.images[service])
    if not found:
        raise RefusedError(f"release: no task of {service} ran {release} within the last hour: leave out --release")
    return found


@click.command()
@format_option
@of_service
def tasks(service: str, form: Format, **where: Any) -> None:
    """List the tasks of SERVICE in ENV.

    Includes tasks that ended within the last hour.
    """
    from nova_infra.operations.incident.tasks import document

    target = _open(where)
    show(document(target.tasks(service), now=target.now()), form)


@click.command("exec")
@of_service
@click.option("--task", metavar="ID", help="The first digits of a task's id. Default: the newest task.")
@click.option("--command", default="/bin/sh", show_default=True, help="The command to run in its container.")
def exec_(service: str, task: str | None, command: str, **where: Any) -> None:
    """Open a shell in a running task of SERVICE.

    ENV must allow it: exec = true in nova.toml.
    """
    import subprocess

    from nova_infra.operations.incident.tasks import chosen

    if shutil.which("session-manager-plugin") is None:
        raise RefusedError(
            "exec: session-manager-plugin is not installed: see https://docs.aws.amazon.com/systems-manager/latest/"
            "userguide/session-manager-working-with-install-plugin.html"
        )
    target = _open(where)
    shell = target.open_shell(service, chosen(target.tasks(service), task, service).arn, command)
    arguments = [
        json.dumps(shell["session"]),
        shell["region"],
        "StartSession",
        "",
        json.dumps({"Target": shell["target"]}),
    ]
    sys.exit(subprocess.run(["session-manager-plugin", *arguments], check=False).returncode)


@click.command(context_settings={"ignore_unknown_options": True})
@of_service
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(service: str, command: tuple[str, ...], **where: Any) -> None:
    """Run COMMAND in a new task with SERVICE's image.

    nova run SERVICE ENV -- COMMAND: the task has SERVICE's image, role and network in ENV. Prints the command's output
    and exits with its exit code. Ctrl-C stops the task.
    """
    from nova_infra.operations.incident.run import run as run_task

    target = _open(where)

    def note(line: str) -> None:
        click.echo(line, err=True)

    sys.exit(run_task(target, service, command, notify=note, write=notify, wait=lambda: time.sleep(2)))


@click.command()
@of_service
@click.option("--min", "least", type=click.IntRange(min=0), metavar="N", help="Minimum number of tasks.")
@click.option("--max", "most", type=click.IntRange(min=1), metavar="N", help="Maximum number of tasks.")
@click.option("--for", "lasting", default="2h", show_default=True, metavar="SPAN", help="How long; at most 7d.")
@click.option("--end", "ending", is_flag=True, help="Restore the usual numbers now.")
@click.option("--why", required=True, metavar="TEXT", help="The reason, for the ledger.")
def scale(
    service: str, least: int | None, most: int | None, lasting: str, ending: bool, why: str, **where: Any
) -> None:
    """Scale SERVICE in ENV for an incident.

    AWS restores the usual numbers when the time is up. The ledger records who did it and why.
    """
    from nova_infra.operations.incident.logs import span
    from nova_infra.operations.incident.scale import end
    from nova_infra.operations.incident.scale import scale as scale_service

    if ending and not (least is None and most is None):
        raise RefusedError("scale: --end restores the usual numbers: leave out --min and --max")
    lasts = span(lasting)
    target = _open(where)
    if ending:
        made = end(target, service, why=why)
        click.echo(f"{service}: back to its usual {made.least} to {made.most} tasks in {target.name}")
        return
    made = scale_service(target, service, least=least, most=most, lasts=lasts, why=why)
    click.echo(
        f"{service}: {made.least} to {made.most} tasks in {target.name} until {made.until:%Y-%m-%d %H:%M} UTC; to end "
        f'it earlier: nova scale {service} {target.name} --end --why "…"'
    )


@click.command("open")
@click.argument("environment", metavar="ENV")
@where_options
def open_(**where: Any) -> None:
    """Print the links to ENV: address, console, dashboard."""
    from nova_infra.deployed.connect import connect
    from nova_infra.operations.incident.addresses import places

    where_to_look = whereabouts(where["region"], where["platform"])
    show(places(connect(where["environment"], role="observer", where=where_to_look)))


COMMANDS = (logs, tasks, exec_, run, scale, open_)
