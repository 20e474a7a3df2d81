"""One true call of a service, before anybody else may call it: `python -m nova_kit.selftest audio_service.main:app`.

A service gives `create_app` a self-test: it sends a tiny input through the whole app and looks at the answer. It runs
when an image is built, so that an image with a broken dependency is never pushed, and once in every process before
`/ready` says so. That loads codecs, dictionaries and pools, which the first caller would have to wait for.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message

from nova_kit import logs

_log = logging.getLogger("nova.selftest")

#: In the scope of a call that the service makes itself: no log line, no metrics, and a defect is not hidden behind 500.
OWN_CALL = "nova.own_call"

#: Seconds until a self-test that does not end has failed.
MOST_SECONDS = 30.0

_BOUNDARY = "nova-selftest"


class SelftestError(Exception):
    """The service did not give the answer that it has to give."""


Selftest = Callable[[ASGIApp], Awaitable[None]]


@dataclass(frozen=True)
class Answer:
    """What the app answered.

    Attributes:
        call: Method and path, for messages.
        status: HTTP status code.
        content: The body.
    """

    call: str
    status: int
    content: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object that was answered with 200.

        Raises:
            SelftestError: The answer is another one.
        """
        try:
            document = json.loads(self.require_ok())
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise SelftestError(f"{self.call} did not answer a JSON object")
        return document

    def require(self, **expected: Any) -> None:
        """Insist on 200 and on members of the JSON answer.

        Args:
            expected: Each member's value.

        Raises:
            SelftestError: The status or a member is another one.
        """
        document = self.document
        for name, value in expected.items():
            if (found := document.get(name)) != value:
                raise SelftestError(f"{self.call} answered {name} = {found!r} where {value!r} is right")

    def require_ok(self) -> bytes:
        """Insist on 200, and return the body.

        Raises:
            SelftestError: The status is another one.
        """
        if self.status != 200:
            raise SelftestError(f"{self.call} answered {self.status}: {self.content.decode(errors='replace')[:300]}")
        return self.content


async def get(app: ASGIApp, path: str) -> Answer:
    """Ask the app for a path."""
    return await _call(app, "GET", path)


async def post_json(app: ASGIApp, path: str, document: Mapping[str, Any]) -> Answer:
    """Send a JSON document to a path of the app."""
    return await _call(app, "POST", path, json.dumps(document).encode(), "application/json")


async def post_form(app: ASGIApp, path: str, file: bytes, **fields: str) -> Answer:
    """Send a form with a file of unknown type, named `file`, and further fields to a path of the app."""
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="sample"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = b"".join([*parts, head.encode(), file, f"\r\n--{_BOUNDARY}--\r\n".encode()])
    return await _call(app, "POST", path, body, f"multipart/form-data; boundary={_BOUNDARY}")


async def _call(app: ASGIApp, method: str, path: str, body: bytes = b"", media_type: str = "") -> Answer:
    """Call the app as its server does."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", media_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ],
        "client": None,
        "server": None,
        OWN_CALL: True,
    }
    unread = [body]
    status, content = 0, bytearray()

    async def receive() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await asyncio.Future()  # The caller stays.

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            content.extend(message.get("body", b""))

    await app(scope, receive, send)
    return Answer(f"{method} {path}", status, bytes(content))


class Warmth:
    """Whether a process has passed its self-test.

    Args:
        selftest: The service's own; None for a service without one, which is warm as it is.

    Attributes:
        selftest: The service's own.
        fault: What keeps the process from being ready; None once the self-test has passed.
    """

    def __init__(self, selftest: Selftest | None) -> None:
        self.selftest = selftest
        self._run: asyncio.Task[None] | None = None
        self.fault: str | None = "The service is starting." if selftest else None

    def begin(self, app: ASGIApp) -> None:
        """Start the self-test beside what else the process does."""
        if self.selftest and self.fault:
            self._run = asyncio.create_task(self._judge(self.selftest, app))

    async def end(self) -> None:
        """Stop the self-test, if it is still under way."""
        if self._run:
            # An app may be started again, in another event loop.
            run, self._run = self._run, None
            run.cancel()
            await asyncio.wait([run])

    async def settled(self) -> None:
        """Wait until the self-test has passed or failed."""
        if self._run:
            await asyncio.wait([self._run])

    async def _judge(self, selftest: Selftest, app: ASGIApp) -> None:
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await selftest(app)
        except TimeoutError:
            reason = f"it did not end within {MOST_SECONDS:g} s"
        except SelftestError as error:
            reason = str(error)
        except Exception as error:
            reason = _named(error)
        else:
            self.fault = None
            _log.info("self-test passed", extra=logs.fields(seconds=round(time.perf_counter() - begun, 3)))
            return
        reason = " ".join(reason.split())
        self.fault = f"The self-test failed: {reason}"
        _log.error("self-test failed: %s", reason)


def _named(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


async def _fault(application: str) -> str | None:
    """Start an app as a server would, and say what its self-test found."""
    module, _, attribute = application.partition(":")
    try:
        app = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        return f"it cannot be loaded: {_named(error)}"
    async with app.router.lifespan_context(app):
        await app.state.warmth.settled()
    fault: str | None = app.state.warmth.fault
    return fault


def main(arguments: list[str]) -> int:
    """Run the self-test of the app named on the command line; return 0 if it passed, 1 if not, 2 for wrong usage."""
    if len(arguments) != 1 or ":" not in arguments[0]:
        print("usage: python -m nova_kit.selftest MODULE:APP", file=sys.stderr)
        return 2
    # What the service logs meanwhile repeats what is said here.
    logging.disable()
    begun = time.perf_counter()
    fault = asyncio.run(_fault(arguments[0]))
    if fault:
        print(f"nova_kit.selftest: {arguments[0]}: {' '.join(fault.split())}", file=sys.stderr)
    else:
        print(f"{arguments[0]}: self-test passed in {time.perf_counter() - begun:.2f} s")
    sys.stdout.flush()
    # Threads that still hang in a broken dependency must not keep a build waiting.
    return int(fault is not None)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
