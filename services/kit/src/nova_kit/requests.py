"""What happens around every request: its id, its log line, its metrics, and the answer when the code under it fails."""

from __future__ import annotations

import asyncio
import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nova_kit import logs, metrics
from nova_kit.draining import Draining
from nova_kit.problems import respond
from nova_kit.protocol import CALLER_LEFT
from nova_kit.selftest import OWN_CALL

_log = logging.getLogger("nova.request")

#: Asked for every few seconds by load balancer and container agent: not worth a line or a data point each.
QUIET_PATHS = frozenset({"/health", "/ready"})

# nginx's name for a request whose caller did not wait for the end of the answer.
_CALLER_LEFT = 499


class RequestScope:
    """ASGI middleware that gives each request an id, one log line with its metrics, and an answer even on a defect."""

    def __init__(self, app: ASGIApp, service: str, draining: Draining) -> None:
        self._app = app
        self._service = service
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or OWN_CALL in scope:
            await self._app(scope, receive, send)
            return
        identifier = logs.adopt_request_id(Headers(scope=scope).get("x-request-id"))
        token = logs.request_id.set(identifier)
        begun = time.perf_counter()
        status = 0

        async def decorate(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = identifier
                if self._draining:
                    # Moves the load balancer's kept-alive connections to other tasks before this one is gone.
                    headers["Connection"] = "close"
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
                self._record(scope, status, (time.perf_counter() - begun) * 1000)
            logs.request_id.reset(token)

    def _record(self, scope: Scope, status: int, milliseconds: float) -> None:
        status = status or _CALLER_LEFT
        values = {
            "Requests": (1, "Count"),
            "Errors": (int(status >= 500), "Count"),
            "Latency": (round(milliseconds, 2), "Milliseconds"),
        }
        _log.info(
            "request",
            extra=logs.fields(
                method=scope["method"],
                path=scope["path"],
                status=status,
                **metrics.embed(self._service, values),
            ),
        )
