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
    """The options by environment; a region for everything has an empty name."""
    found = answers.all_of(
        lambda: _accounts(accounts),
        lambda: answers.placed("--region", regions, answers.checked_region),
    )
    return Placed(accounts=found[0], regions=found[1])


def _accounts(given: Iterable[str]) -> dict[str, str]:
    accounts = answers.placed("--account", given, answers.checked_account)
    if "" in accounts:
        raise NovaError("--account: names no environment: write it as ENVIRONMENT=ACCOUNT")
    return accounts
