"""Sends a target one request over HTTP/2 without TLS and without an upgrade, as a load balancer does."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions

_STREAM = 1
_AT_ONCE = 64 * 1024


class Http2Error(ConnectionError):
    """The target did not answer as HTTP/2 has it. The message says what it did."""


@dataclass
class Http2Answer:
    """What a target answered.

    Attributes:
        headers: Its headers, the names in lower case.
        trailers: What came after the body, such as ``grpc-status``.
    """

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def trailer(self, name: str) -> str | None:
        """A trailer, or the header of that name: an answer without a body has its trailers there."""
        return dict(self.headers + self.trailers).get(name)


async def ask(
    port: int,
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | AsyncIterator[bytes] = b"",
) -> Http2Answer:
    """Send one request on a connection of its own, and wait for all of the answer.

    Args:
        body: All of it, or its pieces: another one is taken when the target has taken the one before.

    Raises:
        Http2Error: The target speaks another protocol, or ends the connection or the answer too early.
        ConnectionError: It does not listen.
        Exception: What ended the pieces of the body.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await _Exchange(reader, writer).ask(method, path, headers, body)
    except (h2.exceptions.ProtocolError, ValueError) as error:
        raise Http2Error(f"it does not speak HTTP/2 ({error.__class__.__name__})") from None
    finally:
        writer.close()


class _Exchange:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._answer, self._body = Http2Answer(), bytearray()
        self._has_room = asyncio.Event()

    async def ask(
        self, method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes | AsyncIterator[bytes]
    ) -> Http2Answer:
        sent = [(name.lower(), value) for name, value in headers]
        host = next((value for name, value in sent if name == "host"), "localhost")
        pseudo = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)]
        self._connection.initiate_connection()
        self._connection.send_headers(
            _STREAM, [*pseudo, *((k, v) for k, v in sent if k not in ("host", "content-length"))], end_stream=not body
        )
        self._writer.write(self._connection.data_to_send())
        sending = asyncio.ensure_future(self._send(_pieces(body)))
        try:
            while data := await self._reader.read(_AT_ONCE):
                if self._receive(data):
                    return self._answer
                # Do not wait until this is sent: a target may read on only after its answer has been taken.
                self._writer.write(self._connection.data_to_send())
            if sending.done():
                sending.result()
            raise Http2Error("it closed the connection before its answer had ended")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

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

    def _receive(self, data: bytes) -> bool:
        """Process received data; return whether the answer has ended."""
        if data.startswith(b"HTTP/1"):  # No frame begins so: its length would be four million.
            raise Http2Error("it speaks HTTP/1.1, not HTTP/2")
        for event in self._connection.receive_data(data):
            match event:
                case h2.events.ResponseReceived():
                    fields = [(str(name), str(value)) for name, value in event.headers or ()]
                    self._answer.status = int(dict(fields)[":status"])
                    self._answer.headers = [(name, value) for name, value in fields if not name.startswith(":")]
                case h2.events.DataReceived():
                    self._body += event.data or b""
                    self._connection.acknowledge_received_data(event.flow_controlled_length or 0, _STREAM)
                case h2.events.WindowUpdated():
                    self._has_room.set()
                case h2.events.TrailersReceived():
                    self._answer.trailers = [(str(name), str(value)) for name, value in event.headers or ()]
                case h2.events.StreamEnded():
                    self._answer.body = bytes(self._body)
                    return True
                case h2.events.StreamReset():
                    raise Http2Error(f"it reset the request ({event.error_code!r})")
                case h2.events.ConnectionTerminated() if event.error_code or (event.last_stream_id or 0) < _STREAM:
                    raise Http2Error(f"it ended the connection ({event.error_code!r})")
        return False


async def _pieces(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if not isinstance(body, bytes):
        async for piece in body:
            yield piece
    elif body:
        yield body
