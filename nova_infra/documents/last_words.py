"""Chooses which of a program's last lines to show: first the one that says why it failed."""

import re
from collections.abc import Sequence

# What an error begins with in a log: of Go, Node, Java, Rust, databases, and whoever writes "error:".
_ERROR = re.compile(
    r"(panic:|thread '.*' panicked|fatal\b|error\b|caused by:|[\w.$]+(Error|Exception)\b)", re.IGNORECASE
)


def telling_first(lines: Sequence[str], most: int = 6) -> list[str]:
    """The line that says why, and then the last of the others, in their order."""
    said = [line.rstrip() for line in lines if line.strip()]
    if not said:
        return []
    why = _telling(said)
    rest = said[:why] + said[why + 1 :]
    return [line.strip() for line in (said[why], *rest[max(len(rest) - most + 1, 0) :])]


def _telling(said: Sequence[str]) -> int:
    """Which line says why: what follows Python's last traceback, else the last error, else the last line."""
    begins = [number for number, line in enumerate(said) if line.startswith("Traceback (most recent call last)")]
    after = range(begins[-1] + 1, len(said)) if begins else ()
    errors = [number for number, line in enumerate(said) if _ERROR.match(line)]
    return next((number for number in after if not said[number][0].isspace()), (errors or [len(said) - 1])[-1])
