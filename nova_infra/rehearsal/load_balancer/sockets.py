"""The ports of this machine that a load balancer listens on, and connections that are passed on."""

import asyncio
import contextlib
import socket
import sys

from aiohttp import web

_PIECE = 65536
_IP_FREEBIND = 15  # https://man7.org/linux/man-pages/man7/ip.7.html


def port_of(request: web.BaseRequest) -> int:
    """The port of this machine at which a request arrived."""
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return int(name[1]) if name else 0


def bound(address: str, port: int) -> socket.socket:
    """A socket at an address that this machine gets with its first container."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform == "linux":
        bound.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)
    bound.bind((address, port))
    return bound


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what one side of a connection sends, to its end."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()


def let_send_body(request: web.BaseRequest) -> None:
    """Tell a client that waits for it to send its body: SDKs of AWS wait a second before each upload to S3."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
