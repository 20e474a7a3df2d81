"""Parses ``cron`` and ``rate`` as Scheduler (schedule-types) and CodePipeline (DeploymentWindow) do."""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_UNITS = {"minute": 1, "hour": 60, "day": 24 * 60}
_YEARS_AHEAD = 30  # more than the longest pause of a schedule that comes at all: a 29th of February on some weekday


@dataclass(frozen=True)
class Rate:
    """A schedule that comes at intervals."""

    minutes: int

    def times(self, after: datetime, _zone: ZoneInfo) -> Iterator[datetime]:
        """When it comes, if it is made at ``after``."""
        while True:
            after += timedelta(minutes=self.minutes)
            yield after


@dataclass(frozen=True)
class Cron:
    """A schedule by the calendar."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: str
    months: tuple[int, ...]
    weekdays: str
    years: tuple[int, ...]

    def times(self, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """When it comes after a moment, in a time zone: skipped hours never, repeated ones once; else None."""
        local = after.astimezone(zone)
        for year in (year for year in self.years if local.year <= year <= local.year + _YEARS_AHEAD):
            for day in (day for month in self.months for day in self._days(year, month)):
                if day < local.date():
                    continue
                for hour in self.hours:
                    for minute in self.minutes:
                        moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                        exists = moment.astimezone(UTC).astimezone(zone).hour == hour
                        if exists and moment > after:
                            yield moment

    def has_a_day(self) -> bool:
        """Whether its years have such a day."""
        return any(True for year in self.years for month in self.months for _ in self._days(year, month))

    def _days(self, year: int, month: int) -> Iterator[date]:
        for number in range(1, calendar.monthrange(year, month)[1] + 1):
            day = date(year, month, number)
            if self.weekdays == "?":
                if any(_is_day(part, day) for part in self.days.split(",")):
                    yield day
            elif any(_is_weekday(part, day) for part in self.weekdays.split(",")):
                yield day


def parse(text: str) -> Rate | Cron:
    """A schedule: ``rate(5 minutes)``, ``cron(0 3 * * ? *)``, or the five fields of a crontab.

    Raises:
        ValueError: It is none; says what is wrong with it.
    """
    if found := re.fullmatch(r"rate\((\d{1,6}) (minute|hour|day)s?\)", text):
        if int(found[1]) == 0:
            raise ValueError("is every 0 minutes")
        return Rate(int(found[1]) * _UNITS[found[2]])
    if text.startswith("rate("):
        raise ValueError("is not a whole number of minutes, hours or days")
    found = re.fullmatch(r"cron\((.*)\)", text)
    fields = found[1].split() if found else _of_crontab(text).split()
    if len(fields) != 6:
        raise ValueError(f"has {len(fields)} fields where cron has six")
    return cron(*fields)


def cron(minute: str, hour: str, day: str, month: str, weekday: str, year: str = "*") -> Cron:
    """A schedule by its fields.

    Raises:
        ValueError: It is none; says what is wrong with it.
    """
    month, weekday = _capitals(month), _capitals(weekday)
    if (day == "?") == (weekday == "?"):
        raise ValueError("needs ? for either the day of the month or the day of the week, and a value for the other")
    for part in day.split(",") if day != "?" else ():
        if not re.fullmatch(r"L|LW|([1-9]|[12]\d|3[01])W", part, re.ASCII):
            _numbers("day of the month", part, 1, 31)
    for part in weekday.split(",") if weekday != "?" else ():
        if not re.fullmatch(r"L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])", part):
            _numbers("day of the week", part, 1, 7, _WEEKDAYS)
    return Cron(
        _numbers("minute", minute, 0, 59),
        _numbers("hour", hour, 0, 23),
        day,
        _numbers("month", month, 1, 12, _MONTHS),
        weekday,
        _numbers("year", year, 1970, 2199),
    )


def expression(text: str) -> str:
    """The schedule as EventBridge Scheduler takes it."""
    parsed = parse(text)
    if isinstance(parsed, Rate):
        value, unit = text.removeprefix("rate(").removesuffix(")").split()
        return f"rate({value} {unit.removesuffix('s')}{'' if value == '1' else 's'})"
    return f"cron({_capitals(text[5:-1] if text.startswith('cron(') else _of_crontab(text))})"


def comes(schedule: Rate | Cron) -> bool:
    """Whether any calendar has such a day, in a year that is over, too: what runs today has to be deployable then."""
    return isinstance(schedule, Rate) or schedule.has_a_day()


def _capitals(field: str) -> str:
    """A field with its names of months and days in capitals."""
    return re.sub(r"[a-z]{3}", lambda name: name[0].upper(), field, flags=re.IGNORECASE)


def _of_crontab(text: str) -> str:
    """The six fields of EventBridge for the five of a crontab, which counts weekdays from Sunday = 0."""
    fields = text.split()
    if len(fields) != 5:
        raise ValueError("is neither rate(…), cron(…) nor the five fields of a crontab")
    minute, hour, day, month, weekday = fields
    if day != "*" and weekday != "*":
        raise ValueError("names both a day of the month and a day of the week, which EventBridge cannot")
    day, weekday = (day, "?") if weekday == "*" else ("?", weekday)
    names = list(_WEEKDAYS)
    weekday = re.sub(r"(?<![\w/#])[0-7](?!\w)", lambda found: names[int(found[0]) % 7], weekday)
    return f"{minute} {hour} {day} {month} {weekday} *"


def _numbers(name: str, field: str, low: int, high: int, words: dict[str, int] | None = None) -> tuple[int, ...]:
    """The values that a field stands for."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        numbers = (
            [low, high] if span == "*" else [_number(each, words) for each in ((first, last) if dash else (first,))]
        )
        every = _number(step, None) if slash else 1
        if None in numbers or not every or every > high:
            raise ValueError(f"has {field!r} for the {name}")
        start, end = numbers[0], high if slash and not dash else numbers[-1]
        if start is None or end is None or not low <= start <= end <= high:
            raise ValueError(f"has {field!r} for the {name}, which goes from {low} to {high}")
        found.update(range(start, end + 1, every))
    return tuple(sorted(found))


def _number(text: str, words: dict[str, int] | None) -> int | None:
    if words and text in words:
        return words[text]
    return int(text) if re.fullmatch(r"\d{1,4}", text, re.ASCII) else None


def _is_day(part: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if part == "L":
        return day.day == last
    if part.endswith("W"):
        wanted = last if part == "LW" else int(part[:-1])
        return wanted <= last and day == _nearest_weekday(date(day.year, day.month, wanted))
    return day.day in _numbers("day of the month", part, 1, 31)


def _nearest_weekday(day: date) -> date:
    """The working day nearest to a day, in the same month."""
    if day.weekday() < 5:
        return day
    near, far = (-1, 2) if day.weekday() == 5 else (1, -2)
    moved = day + timedelta(days=near)
    return moved if moved.month == day.month else day + timedelta(days=far)


def _is_weekday(part: str, day: date) -> bool:
    weekday = day.isoweekday() % 7 + 1
    last = calendar.monthrange(day.year, day.month)[1]
    if part == "L":
        return weekday == 7
    if part.endswith("L"):
        return weekday == _number(part[:-1], _WEEKDAYS) and day.day + 7 > last
    name, hash_, which = part.partition("#")
    if hash_:
        return weekday == _number(name, _WEEKDAYS) and (day.day - 1) // 7 + 1 == int(which)
    return weekday in _numbers("day of the week", part, 1, 7, _WEEKDAYS)
