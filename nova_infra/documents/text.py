"""Words for one line of output: shortens, cleans, counts and lists."""

import re
from collections.abc import Iterable, Sequence

_COUNT = re.compile(
    r"(?<![\w:./-])\d[\d.e+]*(?= (?:of|requests?|messages?|tasks?|times|minutes?|hours?|s|ms|MiB)\b)"
    r"|(?<![\w:./-])\d+ to \d+(?= requests)"
    r"|(?<= of )\d+(?![\w/-])"
)
"""Numbers that count or measure. Others, such as a status or a part of a name, make a sentence another one."""


def shortened(text: str, length: int = 60) -> str:
    """The text on one line, cut in the middle where it is long: names differ at their ends."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    head = length // 2
    return f"{text[:head]}…{text[head + 1 - length :]}"


def printable(text: str) -> str:
    """The text without control characters: what others wrote must not steer a terminal, nor begin a line."""
    return "".join(c if c.isprintable() else " " for c in text)


def counted(number: int, noun: str) -> str:
    """A number with its noun, such as ``1 task`` and ``3 tasks``.

    Args:
        noun: What, in the singular; its plural has an s.
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in one line, the first few of them."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def in_words(names: Sequence[str]) -> str:
    """All names, as in ``Dev, Staging and Prod``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def said_once(clauses: Iterable[tuple[str, str]]) -> list[str]:
    """Say once what several places share, apart from counts and the place in their names.

    Args:
        clauses: The place, such as ``Dev``, and the clause, such as ``a task of dev-shop took 2 MiB more``.

    Returns:
        The first clause of each kind, with the other places behind it: ``… (also in Staging and Prod)``.
    """
    first: dict[str, str] = {}
    places: dict[str, list[str]] = {}
    for place, clause in clauses:
        name = re.compile(rf"(?<![A-Za-z0-9]){re.escape(place)}(?![A-Za-z0-9])", re.IGNORECASE)
        kind = _COUNT.sub("#", name.sub("*", clause)) if place else clause
        first.setdefault(kind, clause)
        if place not in places.setdefault(kind, []):
            places[kind].append(place)
    return [f"{clause}{_also_in(places[kind][1:])}" for kind, clause in first.items()]


def _also_in(places: Sequence[str]) -> str:
    return f" (also in {in_words(places)})" if places else ""
