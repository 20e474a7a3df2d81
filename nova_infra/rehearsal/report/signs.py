"""How the terminal shows a state and a long name."""

from __future__ import annotations

from nova_infra.rehearsal.record import Status

SIGNS: dict[Status, tuple[str, str]] = {
    "not reached": ("·", "dim"),
    "running": ("▶", "bold cyan"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "stopped": ("■", "yellow"),
}
"""State to its sign and its style: no meaning hangs on a colour."""


def fit(text: str, width: int) -> str:
    """The text in that many columns; a long one loses its middle, because names differ at their ends."""
    if len(text) <= width:
        return text
    if width < 2:
        return text[:width]
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[-end:] if end else ''}"
