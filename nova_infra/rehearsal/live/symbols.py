"""The symbol and colour of each state in the terminal."""

from nova_infra.rehearsal.record import Status

SIGNS: dict[Status, tuple[str, str]] = {
    "not reached": ("·", "dim"),
    "running": ("▶", "bold cyan"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "stopped": ("■", "yellow"),
}
"""State to its sign and style. Colour alone never carries meaning."""
