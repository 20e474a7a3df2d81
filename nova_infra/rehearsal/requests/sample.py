"""One request of synthetic users, and the operation that it belongs to."""

import itertools
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from nova_infra.errors import NovaError

Origin = Literal["file", "document", "paths"]

WEBSOCKET = "WEBSOCKET"
"""The method of what opens a WebSocket, as editors write it: it is never sent."""
AFTER, BY_ANOTHER_TASK, OF_ANOTHER_RELEASE = " after ", " in another task", " in another release"
"""What the name of an operation says that reads what another has made."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# These belong to the connection on which a request was recorded, or follow from its body or its address.
_NOT_SENT = frozenset(["connection", "content-length", "host", "keep-alive", "transfer-encoding", "upgrade"])
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ID = re.compile(r"\d+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-fA-F]{16,}")


class RequestFileError(NovaError):
    """A file of requests cannot be read. The message names the file, the line, the fault and the remedy."""


@dataclass(frozen=True)
class Made:
    """What a request has made, such as an order with an id of its own.

    Attributes:
        path: Where it can be read.
        by: The operation that made it, such as ``POST /orders``.
        revision: That of the task that made it, whose port tells it from others.
    """

    path: str
    by: str
    revision: str
    port: int

    def read(self, operation: str, revision: str, port: int) -> str:
        """The operation that reads it, by a task that may not be the one that made it: answers are counted by it."""
        where = OF_ANOTHER_RELEASE if revision != self.revision else BY_ANOTHER_TASK if port != self.port else ""
        return f"{operation}{AFTER}{self.by}{where}"


@dataclass(frozen=True)
class SampleRequest:
    """A request that users send.

    Attributes:
        operation: What it asks for, such as ``GET /items/{id}``: answers are counted by it.
        reads: What it reads again; None where it asks for what was written down or made up.
    """

    operation: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    origin: Origin = "paths"
    reads: Made | None = None


def sample(
    method: str, url: str, headers: Collection[tuple[str, str]] = (), body: bytes = b"", *, origin: Origin
) -> SampleRequest:
    """A request as it was written down or recorded: of its address, the path and the query are kept.

    Raises:
        ValueError: No client sends it.
    """
    parts = urlsplit(url)
    if parts.scheme in ("ws", "wss") or ("upgrade", "websocket") in {(k.lower(), v.lower()) for k, v in headers}:
        method = WEBSOCKET
    for text in (url, *itertools.chain(*headers)):
        if found := _CONTROL.search(text):
            raise ValueError(f"{text[:60]!r} has the character {found[0]!r}, which no client sends")
    path = parts.path or "/"
    operation = "/".join("{id}" if _ID.fullmatch(segment) else segment for segment in path.split("/"))
    kept = tuple((k, v) for k, v in headers if k.lower() not in _NOT_SENT and not k.startswith(":"))
    return SampleRequest(
        f"{method} {operation}", method, f"{path}?{parts.query}" if parts.query else path, kept, body, origin
    )
