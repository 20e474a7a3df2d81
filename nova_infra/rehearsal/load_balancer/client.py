"""HTTP clients (one sends users' requests, the other checks targets' health), and the ports that are listened on."""

import asyncio
import contextlib
import re
import socket
import sys
import zlib
from collections.abc import Sequence
from typing import Any

import aiohttp
from aiohttp import web

from nova_infra.rehearsal.load_balancer.http2 import grpc
from nova_infra.rehearsal.load_balancer.http2.client import Http2Answer, Http2Error, NoTlsError, ask
from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup
from nova_infra.rehearsal.usage.crowding import with_others

_MOST_BYTES = 64 * 1024
_PIECE = 65536
_IP_FREEBIND = 15  # https://man7.org/linux/man-pages/man7/ip.7.html
_ANSWER_SECONDS = 10
_FAILED_NEGOTIATION = "TargetTLSNegotiationErrorCount"
_NO_TLS = "its port does not speak TLS, which its health checks do"
_OF_A_TASK = "10.0.0.10"
"""An address such as tasks have in a VPC."""
MOST_HEADERS = 4096
"""More than fit into the bytes that a load balancer lets pass."""


def open_client(**options: Any) -> aiohttp.ClientSession:
    """An HTTP client that never sends a request again by itself, and reads headers of any length that AWS lets pass.

    It leaves bodies as they came: see :func:`unpacked`.

    aiohttp repeats an idempotent request whose reused connection the server closes; neither a load balancer nor a
    user's own client would, so the repetition would hide that failure. There is no public way to switch that off.
    """
    session = aiohttp.ClientSession(
        **{
            "auto_decompress": False,
            "max_line_size": _MOST_BYTES,
            "max_field_size": _MOST_BYTES,
            "max_headers": MOST_HEADERS,
            **options,
        }
    )
    session._retry_connection = False
    return session


def unpacked(body: bytes, encoding: str) -> bytes | None:
    """A body without its Content-Encoding: as it came where nothing here reads that, None where it is not packed so.

    Deflate may lack zlib's frame, which browsers allow (RFC 9110, 8.4.1.2).
    """
    windows = {"gzip": (zlib.MAX_WBITS + 16,), "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}
    tried = windows.get(encoding.strip().lower().removeprefix("x-"), ()) if body else ()
    found = (_unpacked(body, window) for window in tried)
    return next((each for each in found if each is not None), None) if tried else body


def _unpacked(body: bytes, window: int) -> bytes | None:
    """All members of a packed body, one after the other; None where it is none, or is cut off."""
    found = b""
    while body:
        unpacking = zlib.decompressobj(window)
        try:
            found += unpacking.decompress(body)
        except zlib.error:
            return None
        if not unpacking.eof:
            return None
        body = unpacking.unused_data
    return found


async def probe(client: aiohttp.ClientSession, group: TargetGroup, target: Target) -> bool:
    """Check a target's health once; a failed check is noted on the target."""
    if (fault := target.interference.health()) is not None:
        target.last_fault = fault
        return False
    port, definition = group.settings.check_port, target.task.definition
    # What a container would listen on that does not run here is not known.
    if port not in (0, definition.port) and not definition.sidecars and target.task.listens_on(port) is False:
        target.last_fault = f"nothing listens on port {port}, which its health checks ask"
        return False
    if group.settings.by_connection:
        return await _takes_connection(group, target)
    asked = _ask_health if group.settings.version == "HTTP1" else _ask_health_http2

    async def passes(address: str) -> bool:
        return await asked(client, group, target, _with_port(address, target, port))

    own = target.task.address
    if not own.startswith("127."):
        return await passes(own)
    # A process has no address of its own, and many an app lets this machine's pass that refuses a task's in AWS.
    if await passes(target.checked_as or _OF_A_TASK):
        target.checked_as = target.checked_as or _OF_A_TASK
        return True
    if target.checked_as or not _refused_name(target) or not await passes(own):
        return False
    if await passes(_OF_A_TASK) or not _refused_name(target):
        return True
    target.checked_as = own
    target.task.doubt(
        f"only AWS knows whether a task lets health checks pass: it refuses those that name {_OF_A_TASK}, such as the "
        f"address of its own, and takes those that name {own}"
    )
    return True


async def _takes_connection(group: TargetGroup, target: Target) -> bool:
    """Connect to a target once, if it listens: an engine may take connections in place of a container."""
    port = target.task.definition.port
    try:
        if target.task.listens_on(port) is not False:
            async with asyncio.timeout(with_others(group.settings.timeout)):
                _, writer = await asyncio.open_connection("127.0.0.1", target.task.port)
            writer.close()
            return True
    except TimeoutError:
        target.last_fault = f"port {port} takes no connection"
        return False
    except OSError:
        pass  # said below
    target.last_fault = target.task.explained(f"port {port} refuses connections")
    return False


def _refused_name(target: Target) -> bool:
    """Whether the last check was answered as one for a host that is not served here."""
    return re.search(r" answered (400|403|404|421)$", target.last_fault) is not None


async def _ask_health(client: aiohttp.ClientSession, group: TargetGroup, target: Target, host: str) -> bool:
    """Ask a target's health path once, by HTTP/1.1."""
    try:
        async with client.get(
            f"{scheme(tls=group.settings.checks_tls)}://127.0.0.1:{target.task.port}{group.settings.health_path}",
            ssl=False,
            timeout=aiohttp.ClientTimeout(total=with_others(group.settings.timeout)),
            allow_redirects=False,
            headers={"Host": host, "User-Agent": "ELB-HealthChecker/2.0"},
        ) as response:
            if group.settings.accepts(response.status, target.task.definition.port):
                return True
            target.last_fault = f"GET {group.settings.health_path} answered {response.status}"
    except TimeoutError:
        target.last_fault = f"GET {group.settings.health_path} did not answer within {group.settings.timeout:g} s"
    except (aiohttp.ClientError, ConnectionError) as error:
        said = f"GET {group.settings.health_path} got no answer"
        if group.settings.checks_tls and metric_of(error) == _FAILED_NEGOTIATION:
            target.last_fault = f"{said}: {_NO_TLS}"
        else:
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            refused = isinstance(cause, ConnectionRefusedError)
            why_not = "connection refused" if refused else error.__class__.__name__
            target.last_fault = target.task.explained(f"{said} ({why_not})")
    return False


def metric_of(error: Exception) -> str | None:
    """What a load balancer counts where it could not connect to a target; None where it could."""
    hung_up = isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionResetError)
    if hung_up or isinstance(error, aiohttp.ClientSSLError | NoTlsError):
        return _FAILED_NEGOTIATION
    is_connecting = isinstance(
        error, aiohttp.ClientConnectorError | ConnectionRefusedError | aiohttp.ConnectionTimeoutError
    )
    return "TargetConnectionErrorCount" if is_connecting else None


def scheme(*, tls: bool) -> str:
    """The scheme of a request to a target. No load balancer verifies its certificate, so ``ssl=False`` goes with it."""
    return "https" if tls else "http"


def _with_port(address: str, target: Target, check_port: int) -> str:
    """The host that a health check asks for: the target's own address, as apps that refuse it report."""
    port = check_port or target.task.definition.port
    return address if port in (80, 443) else f"{address}:{port}"


async def ask_task(
    client: aiohttp.ClientSession,
    port: int,
    version: str,
    method: str,
    path: str,
    *,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    follow: bool = False,
    tls: bool = False,
) -> tuple[int, bytes]:
    """Ask a task itself, past the load balancer.

    Args:
        client: Sends requests of HTTP/1.1.
        version: What it speaks: ``HTTP1``, ``HTTP2`` or ``GRPC``.
        follow: Whether redirects are followed, over HTTP/1.1.
        tls: Whether it speaks TLS.

    Returns:
        What the status means to users, 0 for no answer, and the body.
    """
    try:
        if version != "HTTP1":
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await ask(port, method, path, headers, body, tls=tls)
            return grpc.status_for_users(answer.status, dict(answer.headers + answer.trailers)), answer.body
        async with client.request(
            method,
            f"{scheme(tls=tls)}://127.0.0.1:{port}{path}",
            ssl=False,
            headers=headers,
            data=body or None,
            allow_redirects=follow,
            timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS),
        ) as response:
            packed = await response.read()
            return response.status, unpacked(packed, response.headers.get("Content-Encoding", "")) or b""
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return 0, b""


async def _ask_health_http2(_: aiohttp.ClientSession, group: TargetGroup, target: Target, named: str) -> bool:
    """Check a target over HTTP/2, or call the method that a check of gRPC names: its status decides, as in AWS.

    An answer of the standard method that says NOT_SERVING has status 0, so the load balancer takes it for healthy.
    """
    host, tls = ("host", named), group.settings.checks_tls
    path, is_grpc = group.settings.health_path, group.settings.version == "GRPC"
    what = f"{grpc.OPERATION}{path}" if is_grpc else f"GET {path}"
    agent = ("user-agent", "ELB-HealthChecker/2.0")
    try:
        async with asyncio.timeout(with_others(group.settings.timeout)):
            if is_grpc:
                answer = await ask(
                    target.task.port, "POST", path, [host, agent, *grpc.HEADERS], grpc.framed(b""), tls=tls
                )
            else:
                answer = await ask(target.task.port, "GET", path, [host, agent], tls=tls)
    except TimeoutError:
        target.last_fault = f"{what} did not answer within {group.settings.timeout:g} s"
    except Http2Error as error:
        target.last_fault = f"{what} got no answer: {error}"
    except OSError as error:
        target.last_fault = f"{what} got no answer ({error.__class__.__name__})"
    else:
        status = str(answer.status)
        if is_grpc and answer.status == 200:
            status = answer.trailer(grpc.STATUS) or ""
        if status.isdigit() and group.settings.accepts(int(status), target.task.definition.port):
            return True
        target.last_fault = f"{what} answered {status_of(answer) if is_grpc else answer.status}"
    return False


def status_of(answer: Http2Answer) -> str:
    """The status of an answer of gRPC, in words."""
    if answer.status != 200:
        return f"{answer.status} of HTTP"
    code = answer.trailer(grpc.STATUS)
    if code is None:
        return "without a grpc-status"
    return grpc.status_in_words(grpc.OPERATION, grpc.status_for_users(200, {grpc.STATUS: code}))


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
