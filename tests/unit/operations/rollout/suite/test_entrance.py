"""The local address that leads a suite's requests to new revisions."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from nova_infra.operations.rollout.suite.entrance import open_entrance


class Upstream:
    """An environment that answers as it is told and remembers what it was asked."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.url = ""
        self.heads: list[str] = []
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            if "expect: 100-continue" in head.lower():
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if "content-length:" in head.lower():
                self.bodies.append(await reader.readexactly(int(head.lower().split("content-length:")[1].split()[0])))
            writer.write(self.answer.replace(b"URL", self.url.encode()))
            if b"101 " in self.answer:
                writer.write(b"echo " + await reader.readexactly(5))
        writer.close()


@contextlib.asynccontextmanager
async def upstream(answer: bytes) -> AsyncIterator[Upstream]:
    made = Upstream(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made


async def ask(address: str, request: bytes) -> str:
    """All that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(request.replace(b"ADDRESS", address.encode()))
    answer = await reader.read(-1)
    writer.close()
    return answer.decode()


def play(
    request: bytes, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
) -> tuple[Upstream, str, str]:
    """Ask through an entrance: the environment, what came back, and the entrance's address."""

    async def played() -> tuple[Upstream, str, str]:
        async with upstream(answer) as environment, open_entrance(environment.url) as address:
            return environment, await ask(address, request), address

    return asyncio.run(played())


@pytest.mark.parametrize(
    "sent", [b"", b"X-Nova-Test: something else\r\n"], ids=["no header of its own", "another value of it"]
)
def test_every_request_gets_the_header_and_the_environments_own_name(sent: bytes) -> None:
    environment, said, address = play(
        b"GET /shop/version HTTP/1.1\r\nHost: ADDRESS\r\nOrigin: ADDRESS\r\n" + sent + b"\r\n"
    )
    [head] = environment.heads
    lines = head.lower().split("\r\n")
    assert lines[0] == "get /shop/version http/1.1"
    assert [line for line in lines if line.startswith("x-nova-test")] == ["x-nova-test: new-revision"]
    assert f"host: {environment.url.removeprefix('http://')}" in lines
    assert f"origin: {environment.url}" in lines
    assert address not in head
    assert said.endswith("\r\n\r\nok")


def test_a_second_request_on_the_same_connection_is_not_passed_on_without_the_header() -> None:
    request = b"GET /one HTTP/1.1\r\nHost: ADDRESS\r\nConnection: keep-alive\r\n\r\n"
    request += b"GET /two HTTP/1.1\r\nHost: ADDRESS\r\n\r\n"
    environment, said, _ = play(request)
    assert [head.split()[1] for head in environment.heads] == ["/one"]
    assert "connection: close" in environment.heads[0].lower()
    assert "Connection: close" in said


def test_a_body_arrives_whole_also_after_a_100_continue() -> None:
    body = b"x" * 200_000
    request = (
        b"POST / HTTP/1.1\r\nHost: ADDRESS\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    environment, said, _ = play(request)
    assert environment.bodies == [body]
    assert said.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Location: URL/basket?x=1", "Location: ADDRESS/basket?x=1"),
        ("Location: URL", "Location: ADDRESS"),
        ("Location: https://login.example/", "Location: https://login.example/"),
        ("Location: URL.example/", "Location: URL.example/"),
        ("Location: /basket", "Location: /basket"),
        ("Set-Cookie: a=1; Path=/; Secure; HttpOnly", "Set-Cookie: a=1; Path=/; HttpOnly"),
        ("Set-Cookie: a=1; Domain=x.example; SameSite=None; Secure", "Set-Cookie: a=1"),
        ("Set-Cookie: a=insecure; Path=/domain", "Set-Cookie: a=insecure; Path=/domain"),
    ],
)
def test_answers_lead_back_to_the_entrance(header: str, expected: str) -> None:
    environment, said, address = play(
        b"GET / HTTP/1.1\r\nHost: ADDRESS\r\n\r\n",
        f"HTTP/1.1 302 Found\r\n{header}\r\nContent-Length: 0\r\n\r\n".encode(),
    )
    assert expected.replace("ADDRESS", address).replace("URL", environment.url) in said.split("\r\n")


@pytest.mark.parametrize("prefix", ["__Host-", "__Secure-", "__Host-Http-", "__host-"])
def test_a_cookie_for_https_alone_is_set_for_browsers_and_for_all_other_clients(prefix: str) -> None:
    cookie = f"Set-Cookie: {prefix}id=7; Path=/; Secure; HttpOnly; SameSite=None"
    _, said, _ = play(
        b"GET / HTTP/1.1\r\nHost: ADDRESS\r\n\r\n",
        f"HTTP/1.1 200 OK\r\n{cookie}\r\nContent-Length: 0\r\n\r\n".encode(),
    )
    assert [line for line in said.split("\r\n") if line.startswith("Set-Cookie")] == [
        cookie,
        f"Set-Cookie: copy-of-{prefix}id=7; Path=/; HttpOnly",
    ]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("a=1; copy-of-__Host-id=7", "a=1; __Host-id=7"),
        ("__Host-id=7; copy-of-__Host-id=7; b=2", "__Host-id=7; b=2"),
        ("copy-of-a=1", "copy-of-a=1"),
    ],
    ids=["the copy alone", "both", "a name of the environment's own"],
)
def test_the_environment_gets_the_cookies_that_it_has_set(sent: str, expected: str) -> None:
    environment, _, _ = play(f"GET / HTTP/1.1\r\nHost: ADDRESS\r\nCookie: {sent}\r\n\r\n".encode())
    assert f"Cookie: {expected}" in environment.heads[0].split("\r\n")


def test_an_upgraded_connection_is_passed_on_as_it_is() -> None:
    environment, said, _ = play(
        b"GET /socket HTTP/1.1\r\nHost: ADDRESS\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    )
    [head] = environment.heads
    assert "connection: upgrade" in head.lower()
    assert "x-nova-test: new-revision" in head
    assert said.endswith("echo hello")


def test_an_environment_that_cannot_be_reached_is_reported() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

        async def played() -> str:
            async with open_entrance(url) as address:
                return await ask(address, b"GET / HTTP/1.1\r\n\r\n")

        said = asyncio.run(played())
    assert said.startswith("HTTP/1.1 502 ")
    assert f"{url} cannot be reached" in said


def test_what_is_still_open_ends_with_the_entrance() -> None:
    async def played() -> bytes:
        async with upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") as environment:
            async with open_entrance(environment.url) as address:
                reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
                writer.write(b"GET")  # The rest never comes.
                await asyncio.sleep(0)
            said = await asyncio.wait_for(reader.read(-1), 30)
            writer.close()
            return said

    assert asyncio.run(played()) == b""
