"""Chooses which of a program's last lines to show: first the one that says why it failed."""

import json
import re
from collections.abc import Sequence

# What an error begins with in a log: of Go, Node, Java, Rust, databases, and whoever writes "error:".
_ERROR = re.compile(
    r"(panic:|thread '.*' panicked|fatal\b|error\b|caused by:|[\w.$]+(Error|Exception)\b)", re.IGNORECASE
)

_TRACE = re.compile(r"(\S+ +)?Traceback \(most recent call last\)")
# Where loggers that write JSON put a traceback: python-json-logger and structlog, Logback, Winston.
_TRACES = ("exception", "exc_info", "stack_trace", "stack")


def telling_first(lines: Sequence[str], most: int = 6) -> list[str]:
    """The line that says why, and then the last of the others, in their order."""
    said = [each.rstrip() for line in lines for each in _entry(line) if each.strip()]
    if not said:
        return []
    why = _telling(said)
    rest = said[:why] + said[why + 1 :]
    return [line.strip() for line in (said[why], *rest[max(len(rest) - most + 1, 0) :])]


def _entry(line: str) -> list[str]:
    """The lines of a log entry: of one in JSON its level and message, and a traceback."""
    try:
        entry = json.loads(line)
        level, (first, *rest) = entry["level"], entry["message"].splitlines()
    except (ValueError, KeyError, TypeError, AttributeError):
        return [line]
    trace = next((entry[key] for key in _TRACES if isinstance(entry.get(key), str)), "")
    begins = first if _TRACE.match(first) else f"{level}: {first}"
    return [begins, *rest, *trace.splitlines()]


def _telling(said: Sequence[str]) -> int:
    """Which line says why: what follows Python's last traceback, else the last error, else the last line."""
    begins = [number for number, line in enumerate(said) if _TRACE.match(line)]
    after = range(begins[-1] + 1, len(said)) if begins else ()
    errors = [number for number, line in enumerate(said) if _ERROR.match(line)]
    return next((number for number in after if not said[number][0].isspace()), (errors or [len(said) - 1])[-1])
