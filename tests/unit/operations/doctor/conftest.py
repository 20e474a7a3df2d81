"""What these tests share."""

import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from helpers.doctor import GOOD, ROOT, TOOLCHAIN, Account
from nova_infra.config import Config, parse_config
from nova_infra.operations.doctor.check import Check
from nova_infra.operations.doctor.doctor import diagnose


@pytest.fixture(scope="session")
def config() -> Config:
    """Four services, however many there are: some of what is told counts them."""
    raw = tomllib.loads((ROOT / "tests/unit/nova.toml").read_text())
    return parse_config({**raw, "services": raw["services"][:4]})


@pytest.fixture
def checks(config: Config, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, list[Check]]]:
    """Diagnoses accounts that answer as they should, but for what is given; part to its checks."""
    monkeypatch.setattr("nova_infra.operations.doctor.doctor.tools", lambda _: ())

    def run(
        *, caller: str = TOOLCHAIN, refuse: Any = None, config: Config = config, first: bool = False, **changes: Any
    ) -> Any:
        def open_account(account: str, region: str, own: bool) -> Account:
            assert own == (account == caller)
            if refuse is not None and not own:
                raise refuse
            return Account({**GOOD, **changes})

        found = diagnose(config, ROOT, account_of_caller=lambda: caller, open_account=open_account, first=first)
        return {part.title.split(" (")[0]: list(part.checks) for part in found}

    return run
