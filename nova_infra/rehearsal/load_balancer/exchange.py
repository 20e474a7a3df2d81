"""Passes a request on to a target, and its answer back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from yarl import URL

from nova_infra.rehearsal.load_balancer.headers import headers_to_target, passed_on
from nova_infra.rehearsal.load_balancer.targets import Target


class ClientGoneError(Exception):
    """The client closed the connection before it had its answer."""


@dataclass
class TargetAnswer:
    """What a target answered, as far as it got.

    Attributes:
        status: Its status code, None until its headers are there.
        seconds: How long it took until then, as in AWS.
        added: How many of them did not pass here.
        whole: Whether all of it came.
    """

    status: int | None = None
    seconds: float = 0.0
    added: float = 0.0
    whole: bool = False

    @property
    def failed(self) -> bool:
        """Whether the client has no good answer."""
        return not self.whole or self.status is None or self.status >= 500


async def exchange(
    client: aiohttp.ClientSession,
    request: web.BaseRequest,
    target: Target,
    answer: TargetAnswer,
    *,
    protocol: str,
    public_port: int,
) -> web.StreamResponse:
    """Pass a request on and its answer back, a piece at a time: bodies of any size take the same memory.

    Args:
        client: Sends requests to targets.
        request: The request.
        target: Where it goes.
        answer: Says how far the target got, also where this raises.
        protocol: ``HTTP`` or ``HTTPS``: what the client spoke in AWS.
        public_port: The port that it asked in AWS.

    Raises:
        ClientGoneError: The client closed the connection.
        TimeoutError: The target did not answer in time.
        aiohttp.ClientError: The target closed the connection, or ConnectionError.
    """
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    sent = asyncio.get_running_loop().time()
    instead = target.interference.before(request.path)
    if instead is not None:
        answer.status, answer.whole = instead, True
        return web.Response(status=instead)
    async with client.request(
        request.method,
        # A request may name the whole address instead of the path alone.
        URL(f"http://127.0.0.1:{target.task.port}{_path(request)}", encoded=True),
        headers=headers_to_target(request.headers, client=request.remote or "", protocol=protocol, port=public_port),
        data=_body(request) if request.body_exists else None,
        allow_redirects=False,
    ) as upstream:
        seconds = asyncio.get_running_loop().time() - sent
        answer.added = target.interference.added_seconds(seconds) + target.added_seconds
        answer.status, answer.seconds = upstream.status, seconds + answer.added
        response = web.StreamResponse(status=upstream.status)
        response.headers.extend(passed_on(upstream.headers))
        with _client_side():
            await response.prepare(request)
        async for chunk in upstream.content.iter_any():
            with _client_side():
                await response.write(chunk)
        answer.whole = True
        with _client_side():
            await response.write_eof()
        return response


def _path(request: web.BaseRequest) -> str:
    return request.raw_path if request.raw_path.startswith("/") else request.rel_url.raw_path_qs


async def _body(request: web.BaseRequest) -> AsyncIterator[bytes]:
    while True:
        with _client_side():
            chunk = await request.content.readany()
        if not chunk:
            return
        yield chunk


@contextlib.contextmanager
def _client_side() -> Iterator[None]:
    """Tell the client's faults from the target's: both are the same kind of error."""
    try:
        yield
    except (aiohttp.ClientError, ConnectionError, web.RequestPayloadError) as error:
        raise ClientGoneError from error
