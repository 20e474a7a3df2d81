"""What happens around every request: its ids, its log line, and the answer when the code under it fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nova_kit import logs, telemetry
from nova_kit.draining import Draining
from nova_kit.metrics import RequestMetrics
from nova_kit.problems import respond
from nova_kit.protocol import CALLER_LEFT
from nova_kit.selftest import OWN_CALL

_log = logging.getLogger("nova.request")

#: Asked for every few seconds by load balancer and container agent: not worth a line or a data point each.
QUIET_PATHS = frozenset({"/health", "/ready"})

# nginx's name for a request whose caller did not wait for the end of the answer.
_CALLER_LEFT = 499


def is_quiet(scope: MutableMapping[str, Any]) -> bool:
    """Tell whether a request is neither logged nor measured."""
    return OWN_CALL in scope or scope.get("path") in QUIET_PATHS


class RequestScope:
    """ASGI middleware that gives each request its ids, one log line, and an answer even on a defect.

    Args:
        app: What serves the request.
        metrics: Takes each request into account; None where something else does.
        draining: Whether the process is about to stop.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics | None, draining: Draining) -> None:
        self._app = app
        self._metrics = metrics
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or OWN_CALL in scope:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        identifier = logs.adopt_request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
        token = logs.request_id.set(identifier)
        trace_token = logs.trace_id.set(telemetry.adopt(headers))
        begun = time.perf_counter()
        status = 0

        async def decorate(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", identifier.encode()))
                if self._draining:
                    # Moves the load balancer's kept-alive connections to other tasks before this one is gone.
                    others = [(name, value) for name, value in message["headers"] if name != b"connection"]
                    message["headers"] = [*others, (b"connection", b"close")]
            await send(message)

        try:
            await self._app(scope, receive, decorate)
        except asyncio.CancelledError:
            if CALLER_LEFT in scope:
                status = _CALLER_LEFT
            raise
        except Exception:
            _log.exception("unhandled error", extra=logs.fields(method=scope["method"], path=scope["path"]))
            if status:
                raise  # Half a response went out: the server has to cut the connection.
            detail = "The service failed. Try again; if it happens again, report the request id."
            await respond(scope["path"], 500, detail)(scope, receive, decorate)
        finally:
            if scope["path"] not in QUIET_PATHS:
                self._record(scope, status or _CALLER_LEFT, round((time.perf_counter() - begun) * 1000, 2))
            logs.trace_id.reset(trace_token)
            logs.request_id.reset(token)

    def _record(self, scope: Scope, status: int, milliseconds: float) -> None:
        if self._metrics:
            self._metrics.record(status, milliseconds)
        _log.info(
            "request",
            extra=logs.fields(method=scope["method"], path=scope["path"], status=status, duration_ms=milliseconds),
        )
