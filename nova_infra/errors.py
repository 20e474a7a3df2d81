"""The errors that a user of Nova reads: one line each, with the exit code of the command."""

import contextlib
from collections.abc import Iterator, Sequence


class NovaError(Exception):
    """A fault that the user can fix: each line names the key, what is wrong with it, and what to do.

    The command line prints the lines without a traceback and exits with ``exit_code``.

    Attributes:
        exit_code: 2 for a refused input, 1 for a check that failed, 3 for an error that AWS returned.
        code: What AWS calls its error; empty for any other.
    """

    exit_code = 2
    code = ""


class ConfigError(NovaError):
    """``nova.toml``, a context key or the tree of services is not usable as it is."""


class AwsError(NovaError):
    """AWS refused a call, or could not be reached."""

    exit_code = 3


class PassingError(AwsError):
    """AWS did not answer, or asks for fewer calls: a command that polls just polls again."""


class CheckFailedError(NovaError):
    """What was checked is not as it should be."""

    exit_code = 1


class RefusedError(NovaError):
    """What was asked for is not possible, or not wise; nothing was changed."""

    exit_code = 2


class NotDeployedError(RefusedError):
    """The environment does not exist, in this account and region."""


class StrangerError(RefusedError):
    """Something was not deployed by Nova, so that Nova leaves it alone."""


@contextlib.contextmanager
def noting(faults: list[NovaError]) -> Iterator[None]:
    """Note a fault instead of stopping there."""
    try:
        yield
    except NovaError as error:
        faults.append(error)


def raise_all(faults: Sequence[NovaError]) -> None:
    """Raise what went wrong, if anything did: the fault itself, or all of them in one."""
    if len(faults) == 1:
        raise faults[0]
    if faults:
        error = NovaError("\n".join(map(str, faults)))
        error.exit_code = max(fault.exit_code for fault in faults)
        raise error
