"""The one error that a user of Nova is meant to read."""


class NovaError(Exception):
    """A fault that the user can mend: each line names the key, what is wrong with it, and what to do.

    The command line prints the lines without a traceback and exits with ``exit_code``.

    Attributes:
        exit_code: 2 for a refused input, 1 for a check that failed, 3 for an error that AWS returned.
    """

    exit_code = 2


class ConfigError(NovaError):
    """``nova.toml``, a context key or the tree of services is not usable as it is."""
