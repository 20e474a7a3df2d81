"""HTTP/1.1 on one connection: what a request's head may cost, what is no request, and callers who leave.

The server parses what arrives and never asks how much of it there is or how long it takes: a header without end would
fill the memory, and heads that are half sent would hold their connections for good.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httptools
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from nova_kit import logs
from nova_kit.problems import respond

_log = logging.getLogger("nova.connection")

#: Bytes of a head: request line and headers. A load balancer's own limit is 64 KB for the headers, 16 KB for one.
MOST_HEAD_BYTES = 32 * 1024
MOST_URL_BYTES = 16 * 1024
MOST_HEADERS = 100

#: Seconds from the opening of a connection, or from the first byte of a head, to the head's last byte.
HEAD_SECONDS = 10.0

#: Seconds that the rest of a body is read and thrown away after the answer: a caller who still sends would otherwise
#: meet a connection that was reset, and not the answer.
DISCARD_SECONDS = 5.0

#: The same, where the answer was the connection's last: it has its end already, and no request can follow.
LINGER_SECONDS = 2.0

#: Seconds in which a caller has to take a good part of what waits to be sent.
SEND_SECONDS = 30.0

#: Open connections. A load balancer keeps a few dozen; a container may open a thousand files.
MOST_CONNECTIONS = 800

#: Connections beyond those that may wait for their callers to read that they were refused.
MOST_LINGERING = 100

#: In a request's scope once its caller has gone.
CALLER_LEFT = "nova.caller_left"

# In pieces, because the parser does not tell where in a piece a head ends.
_PIECE_BYTES = 16 * 1024

# RFC 9112, 3.2, and RFC 3986, 3.2.2: a name, an address, or nothing; then perhaps a port.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")

_NOT_HTTP = (
    "This is not a request in HTTP/1.1 that the service can read: its first line or a header is malformed. "
    "Check what the client sends."
)


class _RefusedError(Exception):
    """A request that is not passed on to the app."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 with limits on heads, and with problem documents for what is refused."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._service: ASGIApp = self.app
        self.app = self._serve
        self._current: RequestResponseCycle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._head_bytes = 0
        self._heads = 0
        self._within_head = False
        self._content = False
        self.refuses = False
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # What the transport tells.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request: who opens a connection has one."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(_RefusedError(503, "Too many connections are open. Try again in a moment."))
            return
        self._start_timer("head", HEAD_SECONDS, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the work for a caller who has gone."""
        for name in list(self._timers):
            self._stop_timer(name)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        self._give_up()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived."""
        self._unset_keepalive_if_required()
        for piece in _pieces(data):
            # Whatever follows what was refused cannot be told apart from it.
            if self.refuses or self.transport.is_closing():
                return
            try:
                self._feed(piece)
            except httptools.HttpParserUpgrade:
                # It is answered as if no upgrade had been asked for; whatever follows may be in another protocol.
                self._end_after_answers()
            except httptools.HttpParserError as error:
                cause = error.__context__
                self._refuse(cause if isinstance(cause, _RefusedError) else _RefusedError(400, _NOT_HTTP))

    def _feed(self, piece: bytes | memoryview) -> None:
        """Parse a piece, and count what is part of a head, or stands between the parts of a body."""
        heads = self._heads
        body = heads > 0 and not self._within_head and self.cycle is not None and self.cycle.more_body
        self._content = False
        self.parser.feed_data(piece)
        if self._heads == heads and (not body or not self._content):
            self._head_bytes += len(piece)
        else:
            self._head_bytes = 0
        if self._head_bytes > MOST_HEAD_BYTES:
            size = f"{MOST_HEAD_BYTES // 1024} KiB"
            self._refuse(
                _RefusedError(431, f"The headers, or what stands beside a body, are larger than {size}. Send less.")
            )
        elif self._within_head or (self._heads == heads and not body):
            if "head" not in self._timers:
                self._start_timer("head", HEAD_SECONDS, self._head_is_late)
        else:
            self._stop_timer("head")

    def pause_writing(self) -> None:
        """Give a caller who does not take the answer some time."""
        super().pause_writing()
        self._start_timer("send", SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the caller has taken what waited."""
        super().resume_writing()
        self._stop_timer("send")

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, also if its caller never took the last answer."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._within_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take in a piece of the address."""
        super().on_url(url)
        if len(self.url) > MOST_URL_BYTES:
            raise _RefusedError(414, f"The address is longer than {MOST_URL_BYTES // 1024} KiB. Send a shorter one.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header."""
        if len(self.headers) == MOST_HEADERS:
            raise _RefusedError(431, f"The request has more than {MOST_HEADERS} headers. Send fewer.")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Pass the request on, unless its host is in doubt: whoever stands in front may have read another one."""
        self._within_head = False
        self._heads += 1
        self._head_bytes = 0
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) != 1 and (hosts or self.parser.get_http_version() != "1.0"):
            raise _RefusedError(400, f"The request has {len(hosts) or 'no'} Host headers. Send exactly one.")
        if hosts and not _HOST.fullmatch(hosts[0]):
            raise _RefusedError(400, "The Host header is not a host name with an optional port. Send one that is.")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take in a piece of the body."""
        self._content = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request's body."""
        self._content = True
        self._stop_timer("discard")
        if self.cycle.response_complete:
            self.cycle.more_body = False
        super().on_message_complete()
        # A large body pauses reading until more of it is asked for; then nobody would see that its caller leaves.
        if not self.pipeline:
            self.flow.resume_reading()

    # What the app does.

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one."""
        if self.lingers:
            return
        super().on_response_complete()
        if self._current and self._current.more_body and not self.transport.is_closing():
            self._start_timer("discard", DISCARD_SECONDS, self.transport.close)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._current = cycle
        cycle.transport = _LastAnswer(self, cycle)  # type: ignore[assignment]  # As much of one as it uses.
        super()._start_asgi_task(cycle, app)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._task = asyncio.current_task()
        try:
            await self._service(scope, receive, send)
        except asyncio.CancelledError:
            # There is nobody left to answer. The server would call it a defect.
            if CALLER_LEFT not in scope:
                raise
        finally:
            self._task = None

    # What is refused.

    def _head_is_late(self) -> None:
        self._timers.pop("head", None)
        if not self._heads and not self._head_bytes and not self._within_head:
            self.transport.close()  # Nothing was asked.
            return
        self._refuse(
            _RefusedError(408, f"The headers did not arrive within {HEAD_SECONDS:g} s. Send the request again.")
        )

    def _end_after_answers(self) -> None:
        """Read no further, and close once all that was asked is answered."""
        self.refuses = True
        self._stop_timer("head")
        if self.cycle is None or self.cycle.response_complete:
            self.linger()
        else:
            self.cycle.keep_alive = False

    @property
    def lingers(self) -> bool:
        """Whether the connection has had its last answer."""
        return "linger" in self._timers

    def linger(self) -> None:
        """End the connection, and for a moment throw away what still comes: a reset would overtake the answer."""
        if self.transport.is_closing() or self.lingers:
            return
        self.refuses = True
        self._stop_timer("head")
        self._stop_timer("discard")
        if len(self.connections) > MOST_CONNECTIONS + MOST_LINGERING or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.flow.resume_reading()
        self._start_timer("linger", LINGER_SECONDS, self.transport.close)
        try:
            self.transport.write_eof()
        except OSError:  # Its caller has left already.
            self.transport.abort()

    def _give_up(self) -> None:
        """End the work that nobody waits for any more."""
        self.pipeline.clear()
        if self._task and self._current and not self._current.response_complete:
            self._current.disconnected = True
            self._current.scope[CALLER_LEFT] = True  # type: ignore[literal-required]  # ASGI lets servers add keys.
            self._task.cancel()

    def _refuse(self, refusal: _RefusedError) -> None:
        """Answer and close: where the next request would begin is unknown."""
        _log.info("request refused", extra=logs.fields(status=refusal.status, detail=refusal.detail))
        cycle = self.cycle
        # Somewhere in the body of the request that is served: the app waits for the rest.
        own = cycle is self._current and cycle is not None and cycle.more_body and not cycle.response_started
        if not own and cycle is not None and not cycle.response_complete:
            # Requests that came before are answered first, in their order; this one never.
            self._end_after_answers()
            return
        # In the loop's next turn: a task that was made in this one does not run yet.
        self.loop.call_soon(self._give_up)
        retry = {"Retry-After": "1"} if refusal.status == 503 else {}
        response = respond("", refusal.status, refusal.detail, headers={"Connection": "close", **retry})
        status = f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}".encode()
        lines = [status, *(name + b": " + value for name, value in response.raw_headers)]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + response.body)
        self.linger()

    def _start_timer(self, name: str, seconds: float, act: Any) -> None:
        self._stop_timer(name)
        self._timers[name] = self.loop.call_later(seconds, act)

    def _stop_timer(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()


class _LastAnswer:
    """The transport, as a request's answer uses it: it lingers where its caller may still be sending."""

    def __init__(self, protocol: Protocol, cycle: RequestResponseCycle) -> None:
        self.is_closing = protocol.transport.is_closing
        self._protocol = protocol
        self._cycle = cycle

    def write(self, data: bytes) -> None:
        if not self._protocol.lingers:
            self._protocol.transport.write(data)

    def close(self) -> None:
        if self._cycle.more_body or self._protocol.refuses:
            self._protocol.linger()
        else:
            self._protocol.transport.close()


def _pieces(data: bytes) -> Iterator[bytes | memoryview]:
    if len(data) <= _PIECE_BYTES:
        yield data
        return
    view = memoryview(data)
    for start in range(0, len(data), _PIECE_BYTES):
        yield view[start : start + _PIECE_BYTES]
