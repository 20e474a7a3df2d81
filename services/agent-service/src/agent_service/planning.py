"""Decides which services a request needs. Pure: the same request always gives the same plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any

from agent_service.handbook import Passage
from agent_service.names import SiblingNames
from nova_kit.media import TAKEN, MediaFormat
from nova_kit.problems import Problem

MAX_QUERY_CHARACTERS = 1000
_HITS = 5

_Number = int | float


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of a sibling that is still to be made.

    Attributes:
        name: What it is for, in words.
        service: The sibling; None where none is configured for it.
        operation: The last part of its path.
        sends_file: Whether the request's upload goes along, as multipart.
        document: The JSON body otherwise.
        parameters: The query string.
        expects: Members an answer must have to make sense, and of which type; none for a picture.
    """

    name: str
    service: str | None
    operation: str
    sends_file: bool = False
    document: Mapping[str, Any] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    expects: Mapping[str, type | UnionType] = field(default_factory=dict)


def plan(
    found: MediaFormat | None, query: str | None, passages: list[Passage], at: float, names: SiblingNames
) -> list[Call]:
    """Decide what to call.

    Args:
        found: Format of the upload; None without one, and for text.
        query: What to look for, if anything.
        passages: Where to look.
        at: Second of a video that is shown.
        names: The siblings.

    Raises:
        Problem: 415 for an upload that no sibling takes, 422 for a query that is too long.
    """
    calls = []
    if found is not None:
        calls += _media_calls(found, at, names)
    if query:
        calls.append(_ranking(query, passages, names.search))
    return calls


def _media_calls(found: MediaFormat, at: float, names: SiblingNames) -> list[Call]:
    match found.kind:
        case "audio":
            expects = {
                "duration_seconds": _Number,
                "peak_dbfs": _Number | None,
                "loudness_lufs": _Number | None,
                "waveform": list,
            }
            return [
                Call(
                    name="Measure the sound",
                    service=names.sound,
                    operation="analyze",
                    sends_file=True,
                    expects=expects,
                )
            ]
        case "video" | "unknown":
            expects = {"duration_seconds": _Number, "width": int, "height": int, "video_codec": str}
            return [
                Call(
                    name="Probe the video",
                    service=names.video,
                    operation="probe",
                    sends_file=True,
                    expects=expects,
                ),
                Call(
                    name="Take a thumbnail",
                    service=names.video,
                    operation="thumbnail",
                    sends_file=True,
                    parameters={"at": f"{at:g}"},
                ),
            ]
        case _:
            raise Problem(415, f"No service takes {found} files. Send {TAKEN['audio']}, {TAKEN['video']} or text.")


def _ranking(query: str, passages: list[Passage], service: str | None) -> Call:
    if len(query) > MAX_QUERY_CHARACTERS:
        raise Problem(
            422,
            f"The text is longer than the {MAX_QUERY_CHARACTERS} characters of a query. Send it as a file, and ask a "
            "question about it.",
        )
    documents = [{"id": passage.id, "title": passage.title, "text": passage.text} for passage in passages]
    return Call(
        name="Rank what was found",
        service=service,
        operation="rank",
        document={"query": query, "documents": documents, "limit": _HITS},
        expects={"hits": list, "searched": int},
    )
