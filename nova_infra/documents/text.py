"""Shortens and cleans text for one line of output."""

from __future__ import annotations

from collections.abc import Sequence


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


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in one line, the first few of them."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
