"""How a command about a deployed environment ends when it does not succeed."""

from __future__ import annotations

from nova_infra.errors import NovaError


class AwsError(NovaError):
    """AWS refused a call, or could not be reached."""

    exit_code = 3


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
