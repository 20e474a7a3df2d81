"""Limits on what one request may cost: the size of its body, how slowly it may arrive, how long it may take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nova_kit.problems import Problem, respond

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may cost.

    Attributes:
        body_bytes: Size of the body. Default: 256 MiB, for a good quarter of an hour of CD audio.
        stall_seconds: Wait for the next piece of the body. Default: 20.
        request_seconds: From the first byte of the request to the last of the response. Default: 120.
    """

    body_bytes: int = 256 * MIB
    stall_seconds: float = 20.0
    request_seconds: float = 120.0


class RequestLimits:
    """ASGI middleware that holds requests to their limits."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer 408, 413 or 503 in its place."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body = _Body(receive, self._limits, expected=_announces_body(headers))
        started = False

        async def observe(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            # Refused before a byte is read: a caller that announces too much need not send it.
            body.check(_declared_length(headers))
            async with asyncio.timeout(self._limits.request_seconds):
                await self._app(scope, body.receive, observe)
        except Problem as problem:
            refusal = problem
        except TimeoutError:
            refusal = Problem(503, "The request took too long and was given up. Try again, or send less.")
            if not body.complete:
                refusal = _too_slow("The body did not arrive in time. Send it faster, or in smaller parts.")
        else:
            return
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
        self.complete = not expected

    async def receive(self) -> Message:
        if self.complete:
            return await self._receive()
        try:
            async with asyncio.timeout(self._limits.stall_seconds):
                message = await self._receive()
        except TimeoutError:
            raise _too_slow("The body stopped arriving. Send the request again.") from None
        self._received += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        self.check(self._received)
        return message

    def check(self, size: int) -> None:
        if size > self._limits.body_bytes:
            limit = f"{self._limits.body_bytes / MIB:g} MiB"
            raise Problem(413, f"The body is larger than {limit}, the most this service takes. Send a smaller one.")


def _too_slow(detail: str) -> Problem:
    # The rest of the body may still come, or never: the connection is of no more use (RFC 9110, 15.5.9).
    return Problem(408, detail, headers={"Connection": "close"})


def _declared_length(headers: Headers) -> int:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


def _announces_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or _declared_length(headers) > 0
