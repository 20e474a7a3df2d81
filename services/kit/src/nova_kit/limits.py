"""Limits on what one request may cost: the size of its body, how slowly it may arrive, how long it may take."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nova_kit import deadlines
from nova_kit.problems import Problem, respond

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may cost.

    Attributes:
        body_bytes: Size of the body. Default: 256 MiB, for a good quarter of an hour of CD audio.
        stall_seconds: Wait for the body, and as long again as its bytes take at the slowest rate. Default: 20.
        slowest_rate: Bytes per second. Default: 8 KiB.
        request_seconds: From the first byte of the body to the last of the response. Default: 120.
        bodies: How many requests with a body may be under way. Default: 64; a large one lies on disk.
    """

    body_bytes: int = 256 * MIB
    stall_seconds: float = 20.0
    slowest_rate: float = 8 * 1024.0
    request_seconds: float = 120.0
    bodies: int = 64


class RequestLimits:
    """ASGI middleware that holds requests to their limits."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._bodies = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer 408, 413 or 503 in its place."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        expected = _announces_body(headers)
        body = _Body(receive, self._limits, expected=expected)
        started = False

        async def observe(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        token = deadlines.begin(self._limits.request_seconds, headers.get(deadlines.HEADER))
        self._bodies += expected
        try:
            if expected and self._bodies > self._limits.bodies:
                raise deadlines.overloaded("The service is busy: too many requests are under way.")
            # Refused before a byte is read: a caller that announces too much need not send it.
            body.check(_declared_length(headers))
            async with asyncio.timeout(deadlines.seconds_left()):
                await self._app(scope, body.receive, observe)
        except Problem as problem:
            refusal = problem
        except TimeoutError:
            refusal = _too_slow()
            if body.complete:
                refusal = deadlines.overloaded("The service could not finish this in time.")
        else:
            return
        finally:
            self._bodies -= expected
            deadlines.end(token)
        if started:
            return
        response = respond(scope["path"], refusal.status_code, refusal.detail, headers=refusal.headers)
        await response(scope, receive, send)


class _Body:
    """The body of one request on its way in."""

    def __init__(self, receive: Receive, limits: Limits, *, expected: bool) -> None:
        self._receive = receive
        self._limits = limits
        self._received = 0
        self._waited = 0.0
        self.complete = not expected

    async def receive(self) -> Message:
        if self.complete:
            return await self._receive()
        limits = self._limits
        # What the service itself takes to store what came is not the caller's to answer for.
        patience = limits.stall_seconds + self._received / limits.slowest_rate - self._waited
        begun = time.monotonic()
        try:
            async with asyncio.timeout(patience):
                message = await self._receive()
        except TimeoutError:
            raise _too_slow() from None
        self._waited += time.monotonic() - begun
        self._received += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        self.check(self._received)
        return message

    def check(self, size: int) -> None:
        if size > self._limits.body_bytes:
            limit = f"{self._limits.body_bytes / MIB:g} MiB"
            raise Problem(413, f"The body is larger than {limit}, the most this service takes. Send a smaller one.")


def _too_slow() -> Problem:
    # The rest of the body may still come, or never: the connection is of no more use (RFC 9110, 15.5.9).
    detail = "The body did not arrive in time. Send it faster, or in smaller parts."
    return Problem(408, detail, headers={"Connection": "close"})


def _declared_length(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


def _announces_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or _declared_length(headers) > 0
