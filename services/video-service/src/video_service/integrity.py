"""Finds files that end too early. Decoders show what is there and stay silent about the rest."""

from __future__ import annotations

from nova_kit.containers import matroska_is_complete, mp4_is_complete
from nova_kit.media import MediaFormat
from nova_kit.problems import Problem
from nova_kit.workers import TimedFile

_CHECKS = {"mp4": mp4_is_complete, "matroska": matroska_is_complete}


def require_complete(file: TimedFile, found: MediaFormat) -> None:
    """Insist that a file is as long as its own headers say.

    Args:
        file: The upload. It is left at its start.
        found: Its format: of the family of MP4 or of Matroska.

    Raises:
        Problem: 422, it ends too early.
    """
    if not _CHECKS[found.family](file):
        raise Problem(422, f"The {found} file ends too early: it was cut off. Send the whole file.")
    file.seek(0)
