"""Schedules: the table of AWS's examples, and what never comes."""

import re
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from nova_infra.schedules import comes, cron, expression, parse

NOW = datetime(2026, 11, 25, 21, 0, tzinfo=UTC)


def times(text: str, count: int = 2, zone: str = "UTC", after: datetime = NOW) -> list[str]:
    return [f"{each:%Y-%m-%d %H:%M}" for each in islice(parse(text).times(after, ZoneInfo(zone)), count)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate(5 minutes)", ["2026-11-25 21:05", "2026-11-25 21:10"]),
        ("rate(1 day)", ["2026-11-26 21:00", "2026-11-27 21:00"]),
        ("cron(0 3 * * ? *)", ["2026-11-26 03:00", "2026-11-27 03:00"]),
        ("cron(0/15 21 ? * WED *)", ["2026-11-25 21:15", "2026-11-25 21:30"]),
        ("cron(0 8 1 * ? *)", ["2026-12-01 08:00", "2027-01-01 08:00"]),
        ("cron(0 0 L * ? *)", ["2026-11-30 00:00", "2026-12-31 00:00"]),
        ("cron(0 0 1W * ? *)", ["2026-12-01 00:00", "2027-01-01 00:00"]),
        ("cron(0 0 1W 8 ? 2027)", ["2027-08-02 00:00"]),  # the first is a Sunday
        ("cron(0 0 ? * 6L *)", ["2026-11-27 00:00", "2026-12-25 00:00"]),
        ("cron(0 0 ? * MON#2 *)", ["2026-12-14 00:00", "2027-01-11 00:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("0 6 * * 1-5", ["2026-11-26 06:00", "2026-11-27 06:00"]),
        ("30 7 * * 0", ["2026-11-29 07:30", "2026-12-06 07:30"]),
        ("cron(0 0 31 2 ? *)", []),
        ("cron(0 0 1 1 ? 2025)", []),
    ],
)
def test_a_schedule_comes_when_aws_says(text: str, expected: list[str]) -> None:
    assert times(text) == expected


def test_an_hour_that_the_clocks_leave_out_does_not_come() -> None:
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert times("cron(30 2 * * ? *)", zone="Europe/Berlin", after=before) == ["2026-03-30 02:30", "2026-03-31 02:30"]


def test_an_hour_that_the_clocks_repeat_comes_once() -> None:
    before = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    assert times("cron(30 2 * * ? *)", zone="Europe/Berlin", after=before) == ["2026-10-25 02:30", "2026-10-26 02:30"]


@pytest.mark.parametrize(
    "text",
    ["", "daily", "rate(0 minutes)", "rate(1.5 hours)", "rate(5 weeks)", "cron(0 3 * * *)", "cron(0 3 * * * *)",
     "cron(0 3 ? * ? *)", "cron(60 3 * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 ? * MONDAY *)",
     "cron(0 0 ? * MON#6 *)", "cron(0 3 * 13 ? *)", "cron(0/0 3 * * ? *)", "cron(5-1 3 * * ? *)", "1 2 3 4 5", "* * *"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)


FAULTS = {
    "a * ? * MON": "has 'a' for the minute",
    "60 * ? * MON": "has '60' for the minute",
    "* 24 ? * MON": "has '24' for the hour",
    "* 9-x ? * MON": "has '9-x' for the hour",
    "* 17-9 ? * MON": "has '17-9' for the hour",
    "* * 32 * ?": "has '32' for the day of the month",
    "* * 0 * ?": "has '0' for the day of the month",
    "* * 0W * ?": "has '0W' for the day of the month",
    "* * ? 13 MON": "has '13' for the month",
    "* * ? FOO MON": "has 'FOO' for the month",
    "* * ? * 0": "has '0' for the day of the week",
    "* * ? * 8": "has '8' for the day of the week",
    "* * ? * MOND": "has 'MOND' for the day of the week",
    "* * ? * 2#6": "has '2#6' for the day of the week",
    "* * ? * MON 1969": "has '1969' for the year",
    "* ? 1 * ?": "has '?' for the hour",
    "*/0 * ? * MON": "has '*/0' for the minute",
    "*/99 * ? * MON": "has '*/99' for the minute",
    ", * ? * MON": "has ',' for the minute",
    "* * * * *": "needs ? for either the day of the month or the day of the week",
    "* * ? * ?": "needs ? for either the day of the month or the day of the week",
    "\u0663 * ? * MON": "has '\u0663' for the minute",
}


@pytest.mark.parametrize(("fields", "fault"), FAULTS.items())
def test_a_field_that_aws_does_not_know_is_named(fields: str, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        cron(*fields.split())


@pytest.mark.parametrize(
    ("fields", "ahead"),
    [
        ("* 9-17 ? * MON-FRI", True),
        ("0/15 8,12,16 1,15 * ?", True),
        ("*/5 * L JAN-MAR,7 ?", True),
        ("0 0 LW * ? 2026-2030", True),
        ("0 0 15W 1-12/2 ?", True),
        ("5-55/10 0-23 ? * 2#1,FRIL", True),
        ("0 0 ? * mon", True),
        ("0 9 29 2 ?", True),
        ("0 9 30 2,3 ?", True),
        ("0 9 31 4,12 ?", True),
        ("0 9 1,31 6 ?", True),
        ("0 9 30 2 ?", False),
        ("0 9 30-31 2 ?", False),
        ("0 9 31 4,JUN,sep,11 ?", False),
        ("0 9 31,30 FEB ? 2027", False),
        ("0 9 29 2 ? 2027", False),
        ("0 9 29 2 ? 2024", True),  # over, but a day
        ("0 9 1 1 ? 1999", True),
        ("0 9 1 1 ? 2199", True),
    ],
)
def test_a_cron_is_known_to_come_or_not(fields: str, ahead: bool) -> None:
    assert comes(cron(*fields.split())) is ahead


def test_names_are_written_in_capitals() -> None:
    assert expression("cron(0 3 ? jan-Mar fri *)") == "cron(0 3 ? JAN-MAR FRI *)"


def test_a_schedule_is_written_as_scheduler_takes_it() -> None:
    assert expression("0 6 * * 1-5") == "cron(0 6 ? * MON-FRI *)"
    assert (expression("rate(1 hours)"), expression("rate(2 hour)")) == ("rate(1 hour)", "rate(2 hours)")
