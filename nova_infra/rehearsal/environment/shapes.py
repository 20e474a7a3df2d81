"""The shapes of answers: a field, a header or a cookie's attribute that a release's answers lack.

Only what every answer had before and none has since counts, so that what comes and goes by itself says nothing.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nova_infra.documents.text import counted, listed

_FIELD = "the field "
_BODY = "a body"
_UNPACKED = "a body that browsers can unpack"
_FEWEST = 3
"""Fewest answers of each revision that say anything."""
_DEEPEST = 3
_MOST_BYTES = 64 * 1024
_MOST_ITEMS = 20
_MOST_NAMED = 3
_DAY = 86_400
# Of the connection, of a cache or a proxy, or of the program that answers: no caller reads them for what they say.
_OF_NOBODY = frozenset(
    [
        "age",
        "alt-svc",
        "content-encoding",
        "etag",
        "expires",
        "last-modified",
        "nel",
        "pragma",
        "report-to",
        "server-timing",
        "vary",
        "x-aspnet-version",
        "x-aspnetmvc-version",
        "x-powered-by",
        "x-runtime",
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "server",
        "transfer-encoding",
        "via",
        "content-type",
        "set-cookie",
        "x-amzn-trace-id",
    ]
)


@dataclass
class Shape:
    """What the good answers to one operation had.

    Attributes:
        parts: What each had, in words, to how many had it.
        filled: Paths of objects with something in them, and that of the answer: an empty list tells no fields.
        is_read: Whether each body was short enough to be read.
    """

    answers: int = 0
    parts: Counter[str] = field(default_factory=Counter)
    filled: set[str] = field(default_factory=set)
    is_read: bool = True

    def note(self, headers: Sequence[tuple[str, str]], body: bytes | None) -> None:
        """Note an answer, whose body is None where it is not packed as its Content-Encoding says."""
        self.answers += 1
        parts, kind = _of_headers(headers)
        self.parts.update(parts | ({_BODY} if body != b"" else set()) | ({_UNPACKED} if body is not None else set()))
        if body is None:
            return
        if kind != "application/json" and not kind.endswith("+json"):
            return
        if len(body) > _MOST_BYTES:
            self.is_read = False
            return
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(body)
            fields = set(_fields(value))
            self.parts.update(f"{_FIELD}{name}" for name in fields)
            self.filled |= {_container(name) for name in fields} | (set() if isinstance(value, list) else {""})

    def may_lack(self, part: str) -> bool:
        """Whether its answers clearly lack a part: for a field, something else must have been seen in its place."""
        return not part.startswith(_FIELD) or (self.is_read and _container(part.removeprefix(_FIELD)) in self.filled)


def _of_headers(headers: Sequence[tuple[str, str]]) -> tuple[set[str], str]:
    """The notable parts of an answer's headers, in words, and the type of its body."""
    kind, found, seconds = "", set(), 0
    for name, value in headers:
        lower = name.lower()
        if lower == "content-type":
            kind = value.partition(";")[0].strip().lower()
            found.add(f"the type {kind}")
        elif lower == "set-cookie":
            cookie, *attributes = (each.strip() for each in value.split(";"))
            named = cookie.partition("=")[0]
            found.add(f"the cookie {named}")
            found |= {f"{each.partition('=')[0].lower()} of the cookie {named}" for each in attributes if each}
        elif lower not in _OF_NOBODY:
            found.add(f"the header {lower}")
        kept = re.search(r"\bmax-age=(\d+)", value, re.IGNORECASE) if lower == "cache-control" else None
        if kept is not None and not re.search("no-(cache|store)", value, re.IGNORECASE):
            seconds = int(kept[1])
    # A page has one address for all releases, unlike what it loads (RFC 9111, 4.2).
    if kind == "text/html" and seconds < _DAY:
        found.add("a cache lifetime of its page below a day")
    return found, kind


def _container(name: str) -> str:
    """The path of the object that has a field; empty for the answer itself."""
    return name.rpartition(".")[0]


def lost(before: Mapping[str, Shape], after: Mapping[str, Shape]) -> list[str]:
    """What answers no longer have, a clause for each operation."""
    found = []
    for operation, new in after.items():
        old = before.get(operation, Shape())
        if min(old.answers, new.answers) < _FEWEST:
            continue
        gone = [part for part, count in old.parts.items() if count == old.answers and not new.parts[part]]
        gone = [part for part in gone if new.may_lack(part)]
        # What the body was and had is gone with it, and its fields with its type.
        if whole := [part for part in gone if part == _BODY] or [part for part in gone if part.startswith("the type ")]:
            gone = whole
        # What was in something that is gone is gone with it.
        gone = [part for part in gone if not any(part.startswith((f"{each}.", f"{each}[")) for each in gone)]
        if gone := sorted(part for part in gone if part.partition(" of ")[2] not in gone):
            answers = counted(old.answers, "answer")
            what = listed(gone, _MOST_NAMED)
            found.append(f"{operation} answers without {what} now, which {answers} had before")
    return found


def _fields(value: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    """The paths of the fields of a JSON value, such as ``items[].price``."""
    if depth >= _DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{path}{name}"
            yield from _fields(inner, f"{path}{name}.", depth + 1)
    elif isinstance(value, list):
        for inner in value[:_MOST_ITEMS]:
            yield from _fields(inner, f"{path.removesuffix('.')}[].", depth + 1)
