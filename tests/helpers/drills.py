"""A release as a drill went."""

from __future__ import annotations

COMMAND = ["python", "-m", "serve", "tiny:app"]
