"""Sends a target one request over HTTP/2, without an upgrade and with TLS only if asked to, as a load balancer does."""

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions

_STREAM = 1
_AT_ONCE = 64 * 1024


class Http2Error(ConnectionError):
    """The target did not answer as HTTP/2 has it. The message says what it did."""


class NoTlsError(Http2Error):
    """The target does not speak TLS."""


@dataclass
class Http2Answer:
    """What a target answered.

    Attributes:
        headers: Its headers, the names in lower case.
        body: All of it; empty while it is taken in pieces.
        trailers: What came after the body, such as ``grpc-status``.
    """

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def trailer(self, name: str) -> str | None:
        """A trailer, or the header of that name: an answer without a body has its trailers there."""
        return dict(self.headers + self.trailers).get(name)


Body = bytes | AsyncIterator[bytes]
"""All of a body, or its pieces: another one is taken when the target has taken the one before."""


async def ask(
    port: int,
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]] = (),
    body: Body = b"",
    *,
    tls: bool = False,
) -> Http2Answer:
    """Send one request on a connection of its own, and wait for all of the answer, as ``asking`` does for its start."""
    async with asking(port, method, path, headers, body, tls=tls) as (answer, pieces):
        answer.body = b"".join([piece async for piece in pieces])
        return answer


@contextlib.asynccontextmanager
async def asking(
    port: int,
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]] = (),
    body: Body = b"",
    *,
    tls: bool = False,
) -> AsyncIterator[tuple[Http2Answer, AsyncIterator[bytes]]]:
    """Send one request on a connection of its own, and wait for the answer's headers; its body comes in pieces.

    Raises:
        Http2Error: The target speaks another protocol, or ends the connection or the answer too early.
        ConnectionError: It does not listen.
        Exception: What ended the pieces of the body.
    """
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=unverified("h2") if tls else None)
    except (ssl.SSLError, ConnectionResetError):  # Whoever does not know the first message may as well hang up.
        raise NoTlsError("its port does not speak TLS") from None
    exchange = _Exchange(reader, writer)
    try:
        await exchange.begin(method, path, headers, body)
        yield exchange.answer, exchange.pieces()
    finally:
        await exchange.end()
        writer.close()


@functools.cache
def unverified(protocol: str) -> ssl.SSLContext:
    """Takes any certificate, as a load balancer does, and says which protocol it wants to speak over TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


@contextlib.contextmanager
def _spoken() -> Iterator[None]:
    try:
        yield
    except (h2.exceptions.ProtocolError, ValueError) as error:
        raise Http2Error(f"it does not speak HTTP/2 ({error.__class__.__name__})") from None


class _Exchange:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.answer, self._came, self._whole = Http2Answer(), bytearray(), False
        self._has_room = asyncio.Event()
        self._sending: asyncio.Future[None] | None = None

    async def begin(self, method: str, path: str, headers: Iterable[tuple[str, str]], body: Body) -> None:
        """Send the request, and wait for the answer's headers."""
        sent = [(name.lower(), value) for name, value in headers]
        host = next((value for name, value in sent if name == "host"), "localhost")
        pseudo = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)]
        own = [(name, value) for name, value in sent if name not in ("host", "content-length")]
        with _spoken():
            self._connection.initiate_connection()
            self._connection.send_headers(_STREAM, [*pseudo, *own], end_stream=not body)
        self._writer.write(self._connection.data_to_send())
        self._sending = asyncio.ensure_future(self._send(_pieces(body)))
        while not self.answer.status:
            await self._more()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The answer's body, as it comes: no more is read while a piece is looked at."""
        while self._came or not self._whole:
            if not self._came:
                await self._more()
            piece, self._came = bytes(self._came), bytearray()
            if piece:
                yield piece

    async def end(self) -> None:
        """Stop sending."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _more(self) -> None:
        with _spoken():
            if data := await self._reader.read(_AT_ONCE):
                self._receive(data)
                # Do not wait until this is sent: a target may read on only after its answer has been taken.
                self._writer.write(self._connection.data_to_send())
                return
            if self._sending is not None and self._sending.done():
                self._sending.result()
        raise Http2Error("it closed the connection before its answer had ended")

    async def _send(self, body: AsyncIterator[bytes]) -> None:
        """Send a body as fast as the target takes it. If it cannot be read, the connection ends."""
        sent = False
        try:
            async for piece in body:
                sent = True
                await self._send_piece(memoryview(piece))
            if sent:
                self._connection.end_stream(_STREAM)
                self._writer.write(self._connection.data_to_send())
        except Exception:  # whatever the reader of a body raises: the target must not wait for the rest
            self._writer.transport.abort()
            raise

    async def _send_piece(self, piece: memoryview) -> None:
        while piece:
            room = min(self._connection.local_flow_control_window(_STREAM), self._connection.max_outbound_frame_size)
            if not room:
                self._has_room.clear()
                await self._has_room.wait()
                continue
            self._connection.send_data(_STREAM, bytes(piece[:room]))
            piece = piece[room:]
            self._writer.write(self._connection.data_to_send())
            await self._writer.drain()

    def _receive(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1"):  # No frame begins so: its length would be four million.
            raise Http2Error("it speaks HTTP/1.1, not HTTP/2")
        for event in self._connection.receive_data(data):
            match event:
                case h2.events.ResponseReceived():
                    fields = [(str(name), str(value)) for name, value in event.headers or ()]
                    self.answer.status = int(dict(fields)[":status"])
                    self.answer.headers = [(name, value) for name, value in fields if not name.startswith(":")]
                case h2.events.DataReceived():
                    self._came += event.data or b""
                    self._connection.acknowledge_received_data(event.flow_controlled_length or 0, _STREAM)
                case h2.events.WindowUpdated():
                    self._has_room.set()
                case h2.events.TrailersReceived():
                    self.answer.trailers = [(str(name), str(value)) for name, value in event.headers or ()]
                case h2.events.StreamEnded():
                    self._whole = True
                case h2.events.StreamReset() if not self._whole:
                    raise Http2Error(f"it reset the request ({event.error_code!r})")
                case h2.events.ConnectionTerminated() if not self._whole and (
                    event.error_code or (event.last_stream_id or 0) < _STREAM
                ):
                    raise Http2Error(f"it ended the connection ({event.error_code!r})")


async def _pieces(body: Body) -> AsyncIterator[bytes]:
    if not isinstance(body, bytes):
        async for piece in body:
            yield piece
    elif body:
        yield body
