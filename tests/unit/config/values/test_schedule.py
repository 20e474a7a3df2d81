"""Schedules of nova.toml are read as AWS reads them."""

from typing import Any

import pytest

from helpers.configuration import changed, faults
from nova_infra.config.values.schedule import cron_fault

OPERATOR = "arn:aws:iam::333333333333:role/on-call"


CRON = {
    "* 9-17 ? * MON-FRI": None,
    "0/15 8,12,16 1,15 * ?": None,
    "*/5 * L JAN-MAR,7 ?": None,
    "0 0 LW * ? 2026-2030": None,
    "0 0 15W 1-12/2 ?": None,
    "5-55/10 0-23 ? * 2#1,FRIL": None,
    "0 0 ? * mon": None,
    "a * ? * MON": "has 'a' for the minutes",
    "60 * ? * MON": "has '60' for the minutes",
    "* 24 ? * MON": "has '24' for the hours",
    "* 9-x ? * MON": "has '9-x' for the hours",
    "* 17-9 ? * MON": "has '17-9' for the hours",
    "* * 32 * ?": "has '32' for the days of the month",
    "* * 0 * ?": "has '0' for the days of the month",
    "* * ? 13 MON": "has '13' for the months",
    "* * ? FOO MON": "has 'FOO' for the months",
    "* * ? * 0": "has '0' for the days of the week",
    "* * ? * 8": "has '8' for the days of the week",
    "* * ? * MOND": "has 'MOND' for the days of the week",
    "* * ? * 2#6": "has '2#6' for the days of the week",
    "* * ? * MON 1969": "has '1969' for the years",
    "* ? 1 * ?": "has '?' for the hours",
    "*/0 * ? * MON": "has '*/0' for the minutes",
    "*/99 * ? * MON": "has '*/99' for the minutes",
    ", * ? * MON": "has ',' for the minutes",
    "* * * * *": "needs ? for either the days of the month or the days of the week",
    "* * ? * ?": "needs ? for either the days of the month or the days of the week",
    "0 9 30 2 ?": "has no day 30 in the months 2, so it never comes",
    "0 9 31 4,JUN,sep,11 ?": "has no day 31 in the months 4,JUN,sep,11, so it never comes",
    "0 9 31,30 FEB ? 2027": "has no day 30 in the months FEB, so it never comes",
    "0 9 29 2 ?": None,
    "0 9 30 2,3 ?": None,
    "0 9 31 4,12 ?": None,
    "0 9 1,31 6 ?": None,
    "0 9 31 * ?": None,
    "0 9 30-31 2 ?": None,
    "* * ? *": "has 4 fields of time",
    "* * ? * MON 2026 x": "has 7 fields of time",
    "*  * ? * MON": "has '' for the hours",
    "\u0663 * ? * MON": "has '\u0663' for the minutes",
}


@pytest.mark.parametrize(("expression", "fault"), CRON.items())
def test_a_schedule_is_read_as_aws_reads_it(expression: str, fault: str | None) -> None:
    assert cron_fault(expression) == fault


@pytest.mark.parametrize("cron", ["daily", "* abc * ? * MON", "0 * * ? * MON", "* * * * * *", "*"])
def test_a_window_without_a_schedule_is_refused(raw: dict[str, Any], cron: str) -> None:
    [line] = faults(changed(raw, "environments.2.window", {"cron": cron}))
    assert line.startswith(f"nova.toml: environments[2].window.cron: {cron!r} is not a schedule")
    assert line.endswith("as in * * 9-17 ? * MON-THU")
