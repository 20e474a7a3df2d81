"""The ``nova`` command: gathers the commands of all groups, and ends with one line and an exit code.

Exit codes: 0 done, 1 a check or the rehearsed release failed, 2 wrong usage or refused input, 3 an error from AWS,
130 interrupted, 141 the reader of the output has gone. Slow imports happen inside the commands that need them, so that
``nova --help`` is quick.
"""

import errno
import os
import signal
import sys

import click

from nova_infra.cli.commands import delivery, images, incident, project, prove, rehearsal, releases, reports, steering
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


for group in (reports, releases, steering, images, incident, delivery, prove, rehearsal, project):
    for command in group.COMMANDS:
        nova.add_command(command)


def main() -> None:
    """Run the command; print one line for each thing that went wrong."""
    open_closed_streams()
    tools.put_first(os.environ)
    # SIGHUP and SIGTERM stop everything as cleanly as Ctrl-C does, from the first moment on.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
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
