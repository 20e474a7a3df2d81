"""The options of ``nova import copilot``."""

from collections.abc import Callable, Iterable
from typing import TypedDict

from nova_infra.errors import NovaError
from nova_infra.scaffold.projects.answers import checked_account, checked_region, of_option


class Placed(TypedDict):
    """Accounts and regions by environment."""

    accounts: dict[str, str]
    regions: dict[str, str]


def placed(accounts: Iterable[str], regions: Iterable[str]) -> Placed:
    """The options by environment; a region for everything has an empty name.

    Raises:
        NovaError: One of them cannot be used: one line each.
    """
    faults: list[str] = []
    result = Placed(
        accounts=_each("--account", accounts, checked_account, faults),
        regions=_each("--region", regions, checked_region, faults),
    )
    if "" in result["accounts"]:
        faults.append("--account: names no environment: write it as ENVIRONMENT=ACCOUNT")
    if faults:
        raise NovaError("\n".join(faults))
    return result


def _each(option: str, values: Iterable[str], checked: Callable[[str], str], faults: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in values:
        where, _, what = value.rpartition("=")
        try:
            found[where] = of_option(option, what, checked)
        except NovaError as error:
            faults.append(str(error))
    return found
