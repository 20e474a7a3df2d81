"""Schedules of nova.toml are read as AWS reads them."""

from typing import Any

import pytest

from helpers.configuration import changed, faults

OPERATOR = "arn:aws:iam::333333333333:role/on-call"


@pytest.mark.parametrize(
    "cron",
    [
        "daily",
        "* abc * ? * MON",
        "0 * * ? * MON",
        "* * * * * *",
        "*",
        "* * * ? *",
        "* * * ? * MON 2026 x",
        "* *",
    ],
)
def test_a_window_without_a_schedule_is_refused(raw: dict[str, Any], cron: str) -> None:
    [line] = faults(changed(raw, "environments.2.window", {"cron": cron}))
    assert line.startswith(f"nova.toml: environments[2].window.cron: {cron!r} is not a schedule")
    assert line.endswith("as in * * 9-17 ? * MON-THU")


@pytest.mark.parametrize("cron", ["* 0 9 30 2 ?", "* 0 9 31 4,JUN,sep,11 ?", "* 0 9 1 1 ? 1999"])
def test_a_window_that_never_opens_is_refused(raw: dict[str, Any], cron: str) -> None:
    [line] = faults(changed(raw, "environments.2.window", {"cron": cron}))
    assert line == f"nova.toml: environments[2].window.cron: {cron!r} never comes: correct its day, month or year"
