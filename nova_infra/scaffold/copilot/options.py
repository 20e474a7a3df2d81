"""The options of ``nova import copilot``."""

from collections.abc import Iterable
from typing import TypedDict

from nova_infra.errors import NovaError
from nova_infra.scaffold.projects import answers


class Placed(TypedDict):
    """Accounts and regions by environment."""

    accounts: dict[str, str]
    regions: dict[str, str]


def placed(accounts: Iterable[str], regions: Iterable[str]) -> Placed:
    """The options by environment; a region for everything has an empty name.

    Raises:
        NovaError: One of them cannot be used.
    """
    result = Placed(
        accounts=answers.placed("--account", accounts, answers.checked_account),
        regions=answers.placed("--region", regions, answers.checked_region),
    )
    if "" in result["accounts"]:
        raise NovaError("--account: names no environment: write it as ENVIRONMENT=ACCOUNT")
    return result
