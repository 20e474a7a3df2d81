"""A local address for a test suite: every request to it reaches the new revisions."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from nova_infra.names import TEST_HEADER

_MOST_HEAD = 2**17
"""Bytes that the head of a request or an answer may have: a load balancer takes 64 KB."""
_CHUNK = 2**16
_PORTS = {"http": 80, "https": 443}
_PREFIXED = re.compile(r"__(?:host|secure|http)-", re.IGNORECASE)
"""Prefixes of cookies that clients accept only over https, such as ``__Host-Http-``.

https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis
"""
_COPY = "copy-of-"
"""Prefix of their copies' names."""


@asynccontextmanager
async def open_entrance(url: str) -> AsyncIterator[str]:
    """Forward requests from an address on this machine to an environment, each with the tests' header.

    The environment sees its own name in ``Host`` and ``Origin``, and each request on a connection of its own, since the
    header has to be added to every one. Upgraded connections, such as WebSockets, are passed on as they are. Redirects
    to the environment's own address stay here; of cookies, ``Secure`` and ``Domain`` are left out, by which a client
    would not send them back here. A cookie whose name begins with ``__Host-`` or ``__Secure-`` needs ``Secure``: it is
    set as it is, which browsers accept from this machine, and once more under a name that all other clients send back.

    Yields:
        The address, such as ``http://127.0.0.1:41234``.
    """
    entrance = _Entrance(url)
    server = await asyncio.start_server(entrance.serve, "127.0.0.1", 0, limit=_MOST_HEAD)
    try:
        entrance.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield entrance.address
    finally:
        server.close()
        await entrance.close()
        await server.wait_closed()


class _Entrance:
    """Serves one connection after another; :attr:`address` is where it does."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.address = ""
        self._url = f"{parts.scheme}://{parts.netloc}"
        self._host, self._name = parts.hostname or "", parts.netloc
        self._port = parts.port or _PORTS[parts.scheme]
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one request on, and its answer back."""
        task = asyncio.current_task()
        assert task is not None, "the server runs it in a task"
        self._serving.add(task)
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
                await self._pass_on(reader, writer)
        except asyncio.CancelledError:  # The suite has ended.
            pass
        finally:
            self._serving.discard(task)
            writer.close()

    async def close(self) -> None:
        """Stop forwarding."""
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        try:
            answers, asked = await asyncio.open_connection(self._host, self._port, ssl=self._tls, limit=_MOST_HEAD)
        except OSError as error:
            said = f"{self._url} cannot be reached: {error}\n".encode()
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Type: text/plain\r\n")
            writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(said), said))
            await writer.drain()
            return
        sending = asyncio.create_task(_copy(reader, asked, self._request(head)))
        try:
            status = 100
            while status < 200 and status != 101:  # What comes before an answer, such as 100 Continue.
                head = await answers.readuntil(b"\r\n\r\n")
                status = int(head.split(maxsplit=2)[1])
                writer.write(self._answer(head) if status >= 200 else head)
            await _copy(answers, writer)
        finally:
            sending.cancel()
            asked.close()
            await asyncio.gather(sending, return_exceptions=True)

    def _request(self, head: bytes) -> bytes:
        name, value = TEST_HEADER

        def changed(key: str, said: str) -> list[str]:
            match key:
                case "host":
                    return [self._name]
                case "origin" | "referer":
                    return [said.replace(self.address, self._url)]
                case "cookie":
                    return [without_copies(said)]
            return [] if key == name else [said]

        kept = [(name, value)]
        if not re.search(rb"\r\nupgrade:", head, re.IGNORECASE):
            kept.append(("Connection", "close"))
        return _with_headers(head, changed, kept)

    def _answer(self, head: bytes) -> bytes:
        def changed(key: str, said: str) -> list[str]:
            if key == "location" and (said + "/").startswith((self._url + "/", self._url + "?")):
                return [self.address + said[len(self._url) :]]
            return cookies_here(said) if key == "set-cookie" else [said]

        return _with_headers(head, changed, [("Connection", "close")])


def cookies_here(cookie: str) -> list[str]:
    """The values of ``Set-Cookie`` by which clients send a cookie back to an address without TLS."""
    said = re.sub(r";\s*domain=[^;]*(?=;|$)", "", cookie, flags=re.IGNORECASE)
    plain = re.sub(r";\s*(secure|samesite=none)\s*(?=;|$)", "", said, flags=re.IGNORECASE)
    return [said, _COPY + plain] if _PREFIXED.match(cookie) else [plain]


def without_copies(cookies: str) -> str:
    """The value of ``Cookie`` as the environment has set them: a copy stands for a cookie that was not sent."""
    pairs = [pair.strip() for pair in cookies.split(";")]
    names = {pair.partition("=")[0] for pair in pairs}
    sent = []
    for pair in pairs:
        original = pair.removeprefix(_COPY)
        if original == pair or not _PREFIXED.match(original):
            sent.append(pair)
        elif original.partition("=")[0] not in names:
            sent.append(original)
    return "; ".join(sent)


def _with_headers(head: bytes, changed: Callable[[str, str], Sequence[str]], more: list[tuple[str, str]]) -> bytes:
    """The head of a message with other headers.

    Args:
        head: Up to the empty line, included.
        changed: Gives a header's new value by its name in small letters and its value, one for each
            line: none leaves it out.
        more: Headers that replace those of the same name.
    """
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    replaced = {name.lower() for name, _ in more}
    kept = [first]
    for line in lines:
        name, _, value = line.partition(":")
        new = changed(name.lower(), value.strip()) if name.lower() not in replaced else ()
        kept += [f"{name}: {each}" for each in new]
    kept += [f"{name}: {value}" for name, value in more]
    return "\r\n".join([*kept, "", ""]).encode("latin-1")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = b"") -> None:
    """Forward data until it ends."""
    chunk = first or await reader.read(_CHUNK)
    with contextlib.suppress(ConnectionError):
        while chunk:
            writer.write(chunk)
            await writer.drain()
            chunk = await reader.read(_CHUNK)
