"""Passes a request on to a target, and its answer back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable, Iterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from nova_infra.rehearsal.load_balancer.headers import headers_to_target, passed_on
from nova_infra.rehearsal.load_balancer.http2.client import ask
from nova_infra.rehearsal.load_balancer.http2.grpc import status_for_users
from nova_infra.rehearsal.load_balancer.targets import Target

CONNECT_SECONDS = 10.0
"""How long it waits for a connection: then it answers 504, as for a target that is silent for its idle timeout.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html, "HTTP 504".
"""
SHORT_SECONDS = 10.0
"""How long to wait for an operation that was silent twice, if no answer of it ever took this long."""
_MOST_ANSWER_HEADER_BYTES = 32 * 1024
"""The load balancer answers 502 in place of longer headers, all together.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html, "HTTP 502".
"""


class ClientGoneError(Exception):
    """The client closed the connection before it had its answer."""


@dataclass
class TargetAnswer:
    """A target's answer, as far as it got.

    Attributes:
        status: Its status code, None until its headers are there.
        seconds: How long it took until then, as in AWS.
        added: How many of them did not pass here.
        for_users: What the status means to users, where that is another: gRPC fails with 200, which no metric counts
            as a fault.
    """

    status: int | None = None
    seconds: float = 0.0
    added: float = 0.0
    whole: bool = False
    for_users: int | None = None

    @property
    def failed(self) -> bool:
        """Whether the client has no good answer."""
        return not self.whole or self.status is None or (self.for_users or self.status) >= 500


@dataclass
class Silence:
    """Which operations were silent to the end of the idle timeout, twice.

    Targets answer in real time, so an answer that takes 30 s is one, here as in AWS. A target that hangs would make
    every later request take as long to show what the first ones have shown. One silence shows little: a first answer
    may take longer than all others, and every request that was under way by then waits for the same thing.
    """

    _first: dict[Hashable, float] = field(default_factory=dict)
    _silent: set[Hashable] = field(default_factory=set)
    _slow: set[Hashable] = field(default_factory=set)

    def seconds(self, asked: Hashable, most: float) -> float:
        """How long to wait for an answer."""
        return min(most, SHORT_SECONDS) if asked in self._silent - self._slow else most

    def silent(self, asked: Hashable, *, began: float, ended: float) -> None:
        """Note that a request was given up because the target was silent."""
        if began >= self._first.setdefault(asked, ended):
            self._silent.add(asked)

    def answered(self, asked: Hashable, seconds: float) -> None:
        """Note a whole answer, and how many seconds it took."""
        if seconds >= SHORT_SECONDS:
            self._slow.add(asked)


async def exchange(
    client: aiohttp.ClientSession,
    request: web.BaseRequest,
    target: Target,
    answer: TargetAnswer,
    *,
    protocol: str,
    public_port: int,
    version: str,
    idle_seconds: float,
) -> web.StreamResponse:
    """Pass a request on and its answer back, in pieces, so that bodies of any size take the same memory.

    Over HTTP/2 a request and its answer are passed on whole, and an answer's trailers among its headers, because the
    rehearsal's users speak HTTP/1.1: a load balancer's own clients may, too, but for gRPC.

    Args:
        answer: Says how far the target got, also where this raises.
        protocol: ``HTTP`` or ``HTTPS``: what the client spoke in AWS.
        public_port: The port that it asked in AWS.
        version: What the target speaks: ``HTTP1``, ``HTTP2`` or ``GRPC``.
        idle_seconds: How long a target may be silent; one that speaks HTTP/2, how long it may take.

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
    headers = headers_to_target(request.headers, client=request.remote or "", protocol=protocol, port=public_port)
    if version != "HTTP1":
        if version == "GRPC":
            headers["te"] = "trailers"
        async with asyncio.timeout(idle_seconds):
            return await _over_http2(request, target, answer, headers)
    async with client.request(
        request.method,
        # A request may name the whole address instead of only the path.
        URL(f"http://127.0.0.1:{target.task.port}{_path(request)}", encoded=True),
        headers=headers,
        data=_body(request) if request.body_exists else None,
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=idle_seconds),
    ) as upstream:
        seconds = asyncio.get_running_loop().time() - sent
        answer.added = target.longer_by(seconds)
        _check_headers(upstream)
        answer.status, answer.seconds = upstream.status, seconds + answer.added
        return await _pass_back(upstream, request, answer)


async def _pass_back(
    upstream: aiohttp.ClientResponse, request: web.BaseRequest, answer: TargetAnswer
) -> web.StreamResponse:
    """Pass an answer back in pieces, as they come."""
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


def _check_headers(upstream: aiohttp.ClientResponse) -> None:
    if sum(len(name) + len(value) + 4 for name, value in upstream.raw_headers) > _MOST_ANSWER_HEADER_BYTES:
        raise aiohttp.ClientPayloadError("its headers are longer than 32 KiB")
    if len(upstream.headers.getall("Transfer-Encoding", ())) > 1:
        # RFC 9112, 6.1: nobody may chunk twice. Proxies take it for malformed, and so says AWS of a 502.
        raise aiohttp.ClientPayloadError("it has the header Transfer-Encoding twice")


async def _over_http2(
    request: web.BaseRequest, target: Target, answer: TargetAnswer, headers: CIMultiDict[str]
) -> web.StreamResponse:
    body = b"".join([chunk async for chunk in _body(request)])  # Its read() refuses more than 1 MiB.
    began = asyncio.get_running_loop().time()
    came = await ask(target.task.port, request.method, _path(request), headers.items(), body)
    seconds = asyncio.get_running_loop().time() - began
    answer.added = target.longer_by(seconds)
    answer.status, answer.seconds, answer.whole = came.status, seconds + answer.added, True
    passed = passed_on(CIMultiDictProxy(CIMultiDict([*came.headers, *came.trailers])))
    answer.for_users = status_for_users(came.status, passed)
    passed.popall("Content-Length", None)
    return web.Response(status=came.status, headers=passed, body=came.body)


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
