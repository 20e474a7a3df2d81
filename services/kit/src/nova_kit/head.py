"""HEAD wherever GET is answered (RFC 9110, 9.3.2): load balancers, proxies and people check addresses with it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware that answers HEAD as GET is answered, without the body.

    FastAPI's routes take the methods they name and no others; a route that named both would be documented twice.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        # A copy: the server reads the method again when it frames the response.
        await self._app({**scope, "method": "GET"}, receive, without_body)
