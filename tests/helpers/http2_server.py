"""A server of HTTP/2 for tests, with or without TLS: a function answers each request."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

from nova_infra.rehearsal.load_balancer.http2.grpc import framed

Headers = list[tuple[str, str]]


@dataclass
class Reply:
    """An answer: its headers, body and trailers; ``raw`` is sent instead of everything, and nothing is None."""

    status: int = 200
    body: bytes = b""
    headers: Headers = field(default_factory=list)
    trailers: Headers = field(default_factory=list)


def said(message: bytes = b"", status: int = 0) -> Reply:
    """An answer of gRPC. One that failed has no body, and its trailers among its headers, as most servers send it."""
    kind, code = ("content-type", "application/grpc"), ("grpc-status", str(status))
    return Reply(200, b"", [kind, code]) if status else Reply(200, framed(message), [kind], [code])


Answer = Callable[[dict[str, str], bytes], Reply]


@contextlib.asynccontextmanager
async def serving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a free port of loopback, which is given."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        asked: dict[int, tuple[dict[str, str], bytearray]] = {}
        left: dict[int, tuple[bytes, Headers]] = {}

        def send(stream: int) -> None:
            body, trailers = left.pop(stream)
            while body:
                room = min(connection.local_flow_control_window(stream), connection.max_outbound_frame_size)
                if not room:
                    left[stream] = body, trailers
                    return
                connection.send_data(stream, body[:room])
                body = body[room:]
            if trailers:
                connection.send_headers(stream, trailers, end_stream=True)
            else:
                connection.end_stream(stream)

        try:
            while data := await reader.read(65536):
                for event in connection.receive_data(data):
                    match event:
                        case h2.events.RequestReceived():
                            asked[event.stream_id] = {str(k): str(v) for k, v in event.headers}, bytearray()
                        case h2.events.DataReceived():
                            asked[event.stream_id][1].extend(event.data)
                            connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                        case h2.events.StreamEnded():
                            headers, body = asked[event.stream_id]
                            reply = answer(headers, bytes(body))
                            connection.send_headers(event.stream_id, [(":status", str(reply.status)), *reply.headers])
                            left[event.stream_id] = reply.body, reply.trailers
                            send(event.stream_id)
                        case h2.events.WindowUpdated():
                            for stream in [*left]:
                                send(stream)
                writer.write(connection.data_to_send())
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
