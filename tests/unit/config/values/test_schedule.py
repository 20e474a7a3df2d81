"""Schedules of nova.toml are read as AWS reads them."""

from typing import Any

import pytest

from helpers.configuration import changed, faults
from nova_infra.config import parse_config

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


@pytest.mark.exhaustive("test_a_window_without_a_schedule_is_refused")
@pytest.mark.parametrize("cron", ["* 0 9 30 2 ?", "* 0 9 31 4,JUN,sep,11 ?", "* 0 9 29 2 ? 2027"])
def test_a_window_that_never_opens_is_refused(raw: dict[str, Any], cron: str) -> None:
    [line] = faults(changed(raw, "environments.2.window", {"cron": cron}))
    assert line == f"nova.toml: environments[2].window.cron: {cron!r} never comes: correct its day, month or year"


@pytest.mark.parametrize(
    ("fields", "minutes"),
    [
        ("0 9 ? * MON-FRI", "1 minute"),
        ("0,30 * * * ?", "1 minute"),
        ("55-59 9-17 * * ?", "5 minutes"),
        ("*/2 * * * ?", "1 m"),
    ],
)
def test_a_window_that_hardly_any_release_would_meet_is_refused(raw: dict[str, Any], fields: str, minutes: str) -> None:
    [line] = faults(changed(raw, "environments.2.window", {"cron": f"* {fields}"}))
    assert line.startswith(f"nova.toml: environments[2].window.cron: '* {fields}' opens for {minutes}")


@pytest.mark.parametrize("fields", ["0-9 9 ? * MON-FRI", "* 23,0 * * ?", "30-59 9-17 1 * ?"])
def test_a_short_window_is_a_window(raw: dict[str, Any], fields: str) -> None:
    raw["environments"][2]["on_failure"] = "stop"
    changed(raw, "environments.2.window", {"cron": f"* {fields}"})
    assert parse_config(raw).environments[2].window is not None


@pytest.mark.parametrize("year", ["1999", "2026", "2099"])
def test_a_window_is_a_window_in_whatever_year_the_file_is_read(raw: dict[str, Any], year: str) -> None:
    """Once its year is over, the file still has to load: a rollback reads it as well."""
    raw["environments"][2]["on_failure"] = "stop"
    changed(raw, "environments.2.window", {"cron": f"* * 9-17 ? * 2-6 {year}"})
    window = parse_config(raw).environments[2].window
    assert window is not None
    assert window.cron.endswith(year)
