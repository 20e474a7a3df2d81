"""Parses Copilot's notations: durations, ranges, schedules, ``${COPILOT_…}``. Anything else is a ValueError."""

import re
import shlex
from typing import Any

from nova_infra.documents.text import counted
from nova_infra.schedules import expression

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_NICKNAMES = {
    "@yearly": "cron(0 0 1 1 ? *)",
    "@annually": "cron(0 0 1 1 ? *)",
    "@monthly": "cron(0 0 1 * ? *)",
    "@weekly": "cron(0 0 ? * 1 *)",
    "@daily": "cron(0 0 * * ? *)",
    "@midnight": "cron(0 0 * * ? *)",
    "@hourly": "cron(0 * * * ? *)",
}
_FILLED_IN = {
    "COPILOT_ENVIRONMENT_NAME": "{environment}",
    "AWS_ACCOUNT_ID": "{account}",
    "AWS_REGION": "{region}",
    "AWS_DEFAULT_REGION": "{region}",
}


def seconds(value: Any) -> float:
    """A span of time, as in ``1h30m``, in seconds."""
    text = str(value)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("is not a span of time: write one such as 90s or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def whole_seconds(value: Any) -> int:
    """A span of time in seconds, of which there is at least one."""
    return max(1, round(seconds(value)))


def port(value: Any) -> int:
    """A port, as a number or a text."""
    if re.fullmatch(r"\d{1,5}", str(value)) is None:
        raise ValueError("is not a port: write its number")
    return int(value)


def task_range(value: Any) -> tuple[int, int]:
    """Fewest and most tasks, as in ``1-10``."""
    found = re.fullmatch(r"(\d{1,4})-(\d{1,4})", str(value))
    if found is None or int(found[1]) > int(found[2]):
        raise ValueError("is not a range of tasks: write the fewest and the most, as in 1-10")
    return int(found[1]), int(found[2])


def words(value: Any) -> list[str]:
    """A command as a list of words."""
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return list(value)
    if isinstance(value, str) and value.strip():
        try:
            return shlex.split(value)
        except ValueError:
            raise ValueError("has a quote that is not closed: close it, or write a list") from None
    raise ValueError("is not a command: write a text or a list of texts")


def filled_in(text: str, application: str) -> str:
    """A text with Nova's names for what Copilot fills in at deployment.

    Raises:
        ValueError: It asks for a variable of the shell that deploys.
    """
    known = {**_FILLED_IN, "COPILOT_APPLICATION_NAME": application}
    others = [name for name in re.findall(r"\$\{(\w+)\}", text) if name not in known]
    if others:
        raise ValueError(f"reads {others[0]} from the shell that deploys, but a template holds values: write the value")
    # Braces that were literal stay so: only Nova's own three names mean something.
    return re.sub(r"\$\{(\w+)\}", lambda found: known[found[1]], text)


def schedule(value: Any) -> str:
    """A schedule as EventBridge writes it."""
    text = str(value).strip()
    if text in _NICKNAMES:
        return _NICKNAMES[text]
    if found := re.fullmatch(r"@every (\S+)", text):
        minutes = seconds(found[1]) / 60
        if minutes < 1 or minutes != int(minutes):
            raise ValueError("is not a whole number of minutes: write at least @every 1m")
        return f"rate({counted(int(minutes), 'minute')})"
    try:
        return expression(text)
    except ValueError as error:
        raise ValueError(f"{error}: write one such as @daily, @every 5m, or cron's five fields") from None
