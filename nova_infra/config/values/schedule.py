"""The types of schedules (``cron``, ``rate``) and time zones, refused where AWS would refuse them."""

from functools import cache
from zoneinfo import available_timezones

from nova_infra.config.values.fields import refusal
from nova_infra.documents.text import counted
from nova_infra.schedules import Cron, comes, cron, parse

_LEAST_MINUTES = 10
"""A window that is open for less is taken for the time at which a release starts, which it does not set."""


def schedule(value: str) -> str:
    """A schedule of EventBridge Scheduler's, or the five fields of a crontab."""
    remedy = "write one such as rate(15 minutes), cron(0 3 * * ? *) or 0 3 * * *"
    try:
        is_ahead = _comes(value)
    except ValueError as error:
        raise refusal(str(error), remedy) from None
    return _ahead(value, is_ahead)


def window(value: str) -> str:
    """A schedule of a deployment window, whose first field stands for the seconds and is always ``*``."""
    remedy = "write * for the seconds, then minutes, hours, days, months and weekdays, as in * * 9-17 ? * MON-THU"
    seconds, *fields = value.split(" ")
    if seconds != "*" or not 5 <= len(fields) <= 6:
        raise refusal("is not a schedule", remedy)
    try:
        times = cron(*fields)
    except ValueError as error:
        raise refusal(f"is not a schedule: it {error}", remedy) from None
    if (longest := _longest_minutes(times)) < _LEAST_MINUTES and comes(times):
        raise refusal(
            f"opens for {counted(longest, 'minute')} at a time, and each matching minute is one in which a stage may "
            "start, so hardly any release would meet it",
            "write * for the minutes, as in * * 9-17 ? * MON-THU",
        )
    return _ahead(value, comes(times))


def _longest_minutes(times: Cron) -> int:
    """The most minutes in a row in which it comes on a day."""
    open_in = {60 * hour + minute for hour in times.hours for minute in times.minutes}
    longest = run = 0
    for minute in range(24 * 60):
        run = run + 1 if minute in open_in else 0
        longest = max(longest, run)
    return longest


def _ahead(value: str, is_ahead: bool) -> str:
    if not is_ahead:
        raise refusal("never comes", "correct its day, month or year")
    return value


# A service is validated again for every environment and by all that resolve it there.
@cache
def _comes(text: str) -> bool:
    return comes(parse(text))


def time_zone(value: str) -> str:
    """A time zone of the IANA database."""
    if value not in _time_zones():
        raise refusal("is not a time zone", "write one such as Asia/Tokyo")
    return value


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
