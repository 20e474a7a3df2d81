"""Schedules and time zones, as the AWS services that receive them read them."""

import re
from dataclasses import dataclass
from functools import cache
from zoneinfo import available_timezones

from nova_infra.config.values.fields import refusal

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Days that each month can have."""
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True)
class _Field:
    """One field of a cron expression.

    Attributes:
        words: Words that stand for the values from 1 on.
        special: Further values, as a pattern.
        day: Whether it names days, so that ``?`` leaves it to the other field that does.
    """

    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()
    special: str = ""
    day: bool = False

    def accepts(self, text: str) -> bool:
        """Whether a field's text is one that AWS knows."""
        if self.day and text == "?":
            return True
        return all(self._part(part) for part in text.split(","))

    def _part(self, part: str) -> bool:
        if self.special and re.fullmatch(self.special, part):
            return True
        span, slash, step = part.partition("/")
        if slash and not (re.fullmatch(r"[1-9]\d{0,3}", step, re.ASCII) and int(step) <= self.most):
            return False
        first, dash, last = span.partition("-")
        if not dash:
            return span == "*" or self._value(span) is not None
        low, high = self._value(first), self._value(last)
        return low is not None and high is not None and low <= high

    def _value(self, text: str) -> int | None:
        if text.upper() in self.words:
            return 1 + self.words.index(text.upper())
        if not re.fullmatch(r"\d{1,4}", text, re.ASCII):
            return None
        return number if self.least <= (number := int(text)) <= self.most else None


_FIELDS = (
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("days of the month", 1, 31, special=r"L|LW|([1-9]|[12]\d|3[01])W", day=True),
    _Field("months", 1, 12, _MONTHS),
    _Field(
        "days of the week",
        1,
        7,
        _DAYS,
        special=r"(?i:[1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])|L",
        day=True,
    ),
    _Field("years", 1970, 2199),
)


def cron_fault(expression: str) -> str | None:
    """What is wrong with minutes, hours, days, months, weekdays and, if it is there, the year; None for nothing.

    Pipelines and schedulers read these fields alike, and want ``?`` in exactly one of the two that name days:
    https://docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference-DeploymentWindow.html and
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based.
    """
    fields = expression.split(" ")
    if not 5 <= len(fields) <= 6:
        return f"has {len(fields)} fields of time"
    for field, text in zip(_FIELDS, fields, strict=False):
        if not field.accepts(text):
            return f"has {text!r} for the {field.name}"
    if (fields[2] == "?") is (fields[4] == "?"):
        return "needs ? for either the days of the month or the days of the week"
    if re.fullmatch(r"[\d,]+", fields[2]) and re.fullmatch(r"[\w,]+", fields[3]):
        first, months = min(map(int, fields[2].split(","))), [_month(each) for each in fields[3].upper().split(",")]
        if all(first > _LONGEST[month - 1] for month in months):
            return f"has no day {first} in the months {fields[3]}, so it never comes"
    return None


def _month(text: str) -> int:
    return 1 + _MONTHS.index(text) if text in _MONTHS else int(text)


def window(value: str) -> str:
    """A schedule of a deployment window, whose first field stands for the seconds and is always ``*``."""
    remedy = "write * for the seconds, then minutes, hours, days, months and weekdays, as in * * 9-17 ? * MON-THU"
    seconds, _, rest = value.partition(" ")
    if seconds != "*" or not rest:
        raise refusal("is not a schedule", remedy)
    if fault := cron_fault(rest):
        raise refusal(f"is not a schedule: it {fault}", remedy)
    return value


def time_zone(value: str) -> str:
    """A time zone of the IANA database."""
    if value not in _time_zones():
        raise refusal("is not a time zone", "write one such as Asia/Tokyo")
    return value


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
