"""Passes a request on to a target, and its answer back; `proxy` answers where that fails, such as 502 or 504."""

import asyncio
import contextlib
import re
import zlib
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from nova_infra.rehearsal.load_balancer.client import let_send_body, scheme
from nova_infra.rehearsal.load_balancer.headers import PublicName, headers_to_target, passed_on
from nova_infra.rehearsal.load_balancer.http2.client import asking
from nova_infra.rehearsal.load_balancer.http2.grpc import status_for_users
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroupSettings
from nova_infra.rehearsal.usage.crowding import with_others

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


_MOST_BYTES_TO_REWRITE = 2**20
_TEXT = re.compile(r"text/|application/([\w.-]+\+)?(json|xml)\b")


class ClientGoneError(Exception):
    """The client closed the connection before it had its answer."""

    status = 460


class ClientSilentError(ClientGoneError):
    """The client sent nothing for the idle timeout while part of its request was outstanding."""

    status = 408


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
    settings: TargetGroupSettings,
    idle_seconds: float,
    name: PublicName | None = None,
) -> web.StreamResponse:
    """Pass a request on and its answer back, in pieces, so that bodies of any size take the same memory.

    An answer of gRPC is passed on whole, with its trailers among its headers, because the rehearsal's users speak
    HTTP/1.1, which clients of gRPC never do.

    Args:
        answer: Says how far the target got, also where this raises.
        protocol: ``HTTP`` or ``HTTPS``: what the client spoke in AWS.
        public_port: The port that it asked in AWS.
        settings: Those of the group, which say what the target speaks.
        idle_seconds: How long the client may send nothing, and a target take and send nothing.
        name: What the client would have called the load balancer in AWS, if it called it by an address of this machine.

    Raises:
        ClientGoneError: The client closed the connection, or was silent.
        TimeoutError: The target did not answer in time.
        aiohttp.ClientError: The target closed the connection, or ConnectionError.
    """
    let_send_body(request)
    instead = target.interference.before(request.path)
    if instead is not None:
        answer.status, answer.whole = instead, True
        return web.Response(status=instead)
    headers = headers_to_target(request.headers, client=request.remote or "", protocol=protocol, port=public_port)
    headers = name.to_target(headers) if name is not None else headers
    if (version := settings.version) == "GRPC":
        headers["te"] = "trailers"
    # Over HTTP/1.1 the client itself watches how long the answer, and each of its pieces, takes.
    most = None if version == "HTTP1" else idle_seconds
    async with asyncio.timeout(most) as limit:
        upload = _Upload(request, limit, idle_seconds, afterwards=most)
        if version != "HTTP1":
            return await _over_http2(upload, target, answer, headers, name, settings)
        return await _over_http1(client, upload, target, answer, headers, name, settings)


@dataclass
class _Upload:
    """The body of a request, in pieces.

    Attributes:
        limit: Ends the exchange where the target takes no further piece.
        afterwards: Seconds that the target then has for its answer; None where others watch that.
        fault: Why the client did not send all of it.
    """

    request: web.BaseRequest
    limit: asyncio.Timeout
    idle_seconds: float
    afterwards: float | None
    fault: ClientGoneError | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """Each piece, as it comes."""
        while True:
            self.wait_for_target(None)
            try:
                async with asyncio.timeout(self.idle_seconds):
                    with _client_side():
                        chunk = await self.request.content.readany()
            except (ClientGoneError, TimeoutError) as error:
                self.fault = error if isinstance(error, ClientGoneError) else ClientSilentError()
                raise self.fault from None
            self.wait_for_target(self.idle_seconds if chunk else self.afterwards)
            if not chunk:
                return
            yield chunk

    async def answered(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The pieces of an answer, for each of which the target has as long."""
        async for piece in pieces:
            self.wait_for_target(None)
            yield piece
            self.wait_for_target(self.idle_seconds)

    def wait_for_target(self, seconds: float | None) -> None:
        """Have the target take or send something within some seconds."""
        self.limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)


async def _over_http1(
    client: aiohttp.ClientSession,
    upload: _Upload,
    target: Target,
    answer: TargetAnswer,
    headers: CIMultiDict[str],
    name: PublicName | None,
    settings: TargetGroupSettings,
) -> web.StreamResponse:
    request, sent = upload.request, asyncio.get_running_loop().time()
    try:
        async with client.request(
            request.method,
            # A request may name the whole address instead of only the path.
            URL(f"{scheme(tls=settings.tls)}://127.0.0.1:{target.task.port}{_path(request)}", encoded=True),
            ssl=False,
            headers=headers,
            data=upload.pieces() if request.body_exists else None,
            allow_redirects=False,
            # A target that waits for a processor takes no connection meanwhile.
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=with_others(CONNECT_SECONDS), sock_read=upload.idle_seconds
            ),
        ) as upstream:
            seconds = asyncio.get_running_loop().time() - sent
            answer.added = target.longer_by(seconds)
            _check_headers(upstream, target)
            answer.status, answer.seconds = upstream.status, seconds + answer.added
            return await _pass_back(
                upstream.status, upstream.headers, upstream.content.iter_any(), request, answer, name
            )
    except aiohttp.ClientError:
        if upload.fault is not None:
            raise upload.fault from None
        raise


async def _pass_back(
    status: int,
    own: CIMultiDictProxy[str],
    pieces: AsyncIterator[bytes],
    request: web.BaseRequest,
    answer: TargetAnswer,
    name: PublicName | None,
) -> web.StreamResponse:
    """Pass an answer back in pieces, as they come; one that may name the load balancer, whole."""
    response = web.StreamResponse(status=status)
    headers = passed_on(own)
    response.headers.extend(name.to_client(headers) if name is not None else headers)
    whole, leading = b"", None
    if name is not None and request.method != "HEAD" and _may_name(headers):
        leading = _Leading(name, zipped="Content-Encoding" in headers)
        if "Content-Length" in headers:
            whole = leading.here(b"".join([piece async for piece in pieces])) + leading.here(b"", last=True)
            response.content_length = len(whole)
    with _client_side():
        await response.prepare(request)
        if whole:
            await response.write(whole)
    async for chunk in pieces:
        with _client_side():
            await response.write(leading.here(chunk) if leading is not None else chunk)
    answer.whole = True
    with _client_side():
        await response.write_eof(leading.here(b"", last=True) if leading is not None and not whole else b"")
    return response


class _Leading:
    """Turns the links of a text, which may come in pieces and compressed by gzip, to addresses of this machine."""

    def __init__(self, name: PublicName, *, zipped: bool) -> None:
        self._name, self._rest = name, b""
        self._unzip = zlib.decompressobj(zlib.MAX_WBITS + 16) if zipped else None
        self._zip = zlib.compressobj(wbits=zlib.MAX_WBITS + 16)
        self._empty = True

    def here(self, piece: bytes, *, last: bool = False) -> bytes:
        """As much of the text as is certain by now."""
        self._empty = self._empty and not piece
        if self._unzip is None or self._empty:  # an answer without a body may say how it would be encoded
            return self._turned(piece, last)
        try:
            text = self._turned(self._unzip.decompress(piece), last)
        except zlib.error:  # it is not what it says, which concerns its client alone
            self._unzip = None
            return piece
        return self._zip.compress(text) + self._zip.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)

    def _turned(self, piece: bytes, last: bool) -> bytes:
        text = self._rest + piece
        text, self._rest = (text, b"") if last else self._name.divided(text)
        return self._name.leading_here(text)


def _check_headers(upstream: aiohttp.ClientResponse, target: Target) -> None:
    if sum(len(name) + len(value) + 4 for name, value in upstream.raw_headers) > _MOST_ANSWER_HEADER_BYTES:
        target.unusable = "its headers are longer than 32 KiB"
    elif len(upstream.headers.getall("Transfer-Encoding", ())) > 1:
        # RFC 9112, 6.1: nobody may chunk twice. Proxies take it for malformed, and so says AWS of a 502.
        target.unusable = "it has the header Transfer-Encoding twice"
    else:
        return
    raise aiohttp.ClientPayloadError(target.unusable)


def _may_name(headers: Mapping[str, str]) -> bool:
    """Whether an answer is a text that can be read, and is short where its length is said."""
    size = headers.get("Content-Length", "0")
    is_short = size.isdigit() and int(size) <= _MOST_BYTES_TO_REWRITE
    return (
        is_short
        and headers.get("Content-Encoding", "gzip") == "gzip"
        and bool(_TEXT.match(headers.get("Content-Type", "")))
    )


async def _over_http2(
    upload: _Upload,
    target: Target,
    answer: TargetAnswer,
    headers: CIMultiDict[str],
    name: PublicName | None,
    settings: TargetGroupSettings,
) -> web.StreamResponse:
    request, began = upload.request, asyncio.get_running_loop().time()
    body = upload.pieces() if request.body_exists else b""
    to_target = target.task.port, request.method, _path(request), headers.items(), body
    async with asking(*to_target, tls=settings.tls) as (came, pieces):
        seconds = asyncio.get_running_loop().time() - began
        answer.added = target.longer_by(seconds)
        answer.status, answer.seconds = came.status, seconds + answer.added
        pieces = upload.answered(pieces)
        if settings.version != "GRPC":
            own = CIMultiDictProxy(CIMultiDict(came.headers))
            return await _pass_back(came.status, own, pieces, request, answer, name)
        whole = b"".join([piece async for piece in pieces])
    answer.whole = True
    passed = passed_on(CIMultiDictProxy(CIMultiDict([*came.headers, *came.trailers])))
    answer.for_users = status_for_users(came.status, passed)
    passed.popall("Content-Length", None)
    return web.Response(status=came.status, headers=passed, body=whole)


def _path(request: web.BaseRequest) -> str:
    return request.raw_path if request.raw_path.startswith("/") else request.rel_url.raw_path_qs


@contextlib.contextmanager
def _client_side() -> Iterator[None]:
    """Tell the client's faults from the target's: both are the same kind of error."""
    try:
        yield
    except (aiohttp.ClientError, ConnectionError, web.RequestPayloadError) as error:
        raise ClientGoneError from error
