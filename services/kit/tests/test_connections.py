"""What a connection may send, how long it may take, and what becomes of the work when its caller leaves."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import psutil
import pytest

SAMPLE = """
import asyncio, time
from nova_kit import protocol
from nova_kit.app import create_app, router
from nova_kit.workers import Workers

protocol.DISCARD_SECONDS = protocol.LINGER_SECONDS = protocol.SEND_SECONDS = 0.5
protocol.HEAD_SECONDS = 2.0  # On a busy machine the tests take a moment between connecting and sending.

routes = router()
workers = Workers()

@routes.get("/sample/wait")
async def wait() -> None:
    print("waiting", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print("given up", flush=True)

@routes.post("/sample/wait")
async def wait_with_body(numbers: list[int]) -> None:
    await wait()

@routes.get("/sample/work")
async def work() -> None:
    def job(deadline) -> None:
        print("working", flush=True)
        try:
            while True:
                deadline.check()
                time.sleep(0.01)
        finally:
            print("stopped working", flush=True)
    await workers.run(job)

@routes.get("/sample/large")
async def large() -> str:
    return "x" * 50_000_000

@routes.post("/sample/sum")
async def total(numbers: list[int]) -> int:
    return sum(numbers)

app = create_app("sample", routes, summary="A sample.")
"""

Serve = Callable[..., Any]

HEALTH = b"GET /health HTTP/1.1\r\nHost: sample\r\nConnection: close\r\n\r\n"
ENDLESS = b"GET /health HTTP/1.1\r\nHost: sample\r\nX-Endless: "


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, running_in: Callable[..., Any]) -> Iterator[Any]:
    """The sample's process, shared by the tests: what each of them has the process print, it reads up to its end."""
    with running_in(tmp_path_factory.mktemp("served"), SAMPLE, {}) as running:
        yield running


def sent_until_cut_off(connection: socket.socket, piece: bytes, *, pause: float = 0) -> int:
    """Send a piece again and again until the other side does not take it; return how many bytes it took."""
    for count in range(10_000):
        try:
            connection.sendall(piece)
        except OSError:
            return count * len(piece)
        time.sleep(pause)
    raise AssertionError("nobody stopped it")


@pytest.mark.parametrize(
    ("head", "status", "word"),
    [
        (b"GET /health HTTP/1.1\r\n\r\n", 400, "no Host headers"),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400, "2 Host headers"),
        (b"GET /health HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400, "2 Host headers"),
        (b"GET /health HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "not a host name"),
        (b"GET /health HTTP/1.1\r\nHost: user@a\r\n\r\n", 400, "not a host name"),
        (b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431, "more than 100 headers"),
        (ENDLESS + b"y" * 60_000 + b"\r\n\r\n", 431, "larger than 32 KiB"),
        (b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"X" * 60_000 + b": y\r\n\r\n", 431, "larger than 32 KiB"),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "longer than 16 KiB"),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nX-Half: ", 408, "within 2 s"),
        (b"GET /hea", 408, "within 2 s"),
        (b"\r\n\r\n\r\n", 408, "within 2 s"),
        (b"\x16\x03\x01 this is no HTTP\r\n\r\n", 400, "malformed"),
    ],
)
def test_a_head_that_is_refused_gets_a_problem_and_the_end(served: Any, head: bytes, status: int, word: str) -> None:
    found, headers, body = served.answer(head)
    assert (found, headers["connection"], headers["content-type"]) == (status, "close", "application/problem+json")
    assert word in json.loads(body)["detail"]
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize(
    "head",
    [
        HEALTH,
        b"GET /health HTTP/1.0\r\n\r\n",
        HEALTH.replace(b"sample", b"[::1]:8080"),
        HEALTH.replace(b"sample", b""),
        HEALTH.replace(b"\r\n\r\n", b"\r\n" + b"X: y\r\n" * 98 + b"\r\n"),
        ENDLESS + b"y" * 30_000 + b"\r\nConnection: close\r\n\r\n",
    ],
)
def test_a_head_within_the_limits_is_served(served: Any, head: bytes) -> None:
    assert served.answer(head)[0] == 200


def test_a_head_may_arrive_in_many_pieces_and_requests_in_one(served: Any) -> None:
    assert served.answer(*(HEALTH[at : at + 1] for at in range(len(HEALTH))))[0] == 200
    kept = HEALTH.replace(b"Connection: close\r\n", b"")
    with served.send(kept * 2000 + HEALTH) as connection, connection.makefile("rb") as answers:
        assert answers.read().count(b"HTTP/1.1 200 ") == 2001


def test_what_came_before_a_refused_request_is_answered_and_nothing_after_it(served: Any) -> None:
    kept = HEALTH.replace(b"Connection: close\r\n", b"")
    with served.send(kept + b"GET /health HTTP/1.1\r\n\r\n" + HEALTH) as connection:
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.count(b"HTTP/1.1 200 ") == 1
    assert answers.count(b"HTTP/1.1 ") <= 2
    assert b'{"status":"ok"}' in answers


def test_a_header_without_end_costs_little_memory(served: Any) -> None:
    before = psutil.Process(served.process.pid).memory_info().rss
    with served.send(ENDLESS) as connection:
        assert sent_until_cut_off(connection, b"y" * 65536, pause=0.001) < 100_000_000
    assert served.answer(HEALTH)[0] == 200
    assert psutil.Process(served.process.pid).memory_info().rss - before < 30_000_000


def test_heads_that_are_half_sent_do_not_hold_their_connections(served: Any) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(served.send(b"GET /health HTTP/1.1\r\nX: ")) for _ in range(300)]
        assert served.answer(HEALTH)[0] == 200
        assert all(connection.recv(12) == b"HTTP/1.1 408" for connection in opened)


def test_a_body_that_goes_on_after_its_answer_is_cut_off(served: Any) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with served.send(head) as connection:
        assert connection.recv(12) == b"HTTP/1.1 404"
        assert sent_until_cut_off(connection, b"1\r\nx\r\n", pause=0.01) > 0


CHUNKED = (
    b"POST /sample/sum HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    ("piece", "status"),
    [
        (b"1\r\n[\r\n0\r\nX-Trailer: " + b"y" * 100_000, 431),
        (b"1\r\n[\r\n0\r\n" + b"X: y\r\n" * 20_000, 431),
        (b"1;" + b"y" * 100_000, 431),
        (b"1\r\n[\r\nnonsense\r\n", 400),
    ],
)
def test_what_stands_beside_a_body_has_limits_too(served: Any, piece: bytes, status: int) -> None:
    found, headers, _ = served.answer(CHUNKED, piece)
    assert (found, headers["connection"]) == (status, "close")
    served.logged(message="request", status=499)


def while_still_sending(served: Any, head: bytes) -> bytes:
    """Send a head, then its body without looking up for longer than an answer takes; read what there is after that."""
    with served.send(head) as connection:
        for _ in range(20):
            connection.sendall(b"x" * 1000)  # A reset fails here, or takes the answer away from the buffer below.
            time.sleep(0.01)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /health HTTP/1.1\r\nContent-Length: 900000\r\n\r\n", b"400"),
        (CHUNKED + b"1\r\n[\r\nnonsense\r\n", b"400"),
        (b"POST /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 900000\r\n\r\n", b"404"),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", b"200"),
    ],
)
def test_a_caller_who_is_still_sending_can_read_the_last_answer(served: Any, head: bytes, status: bytes) -> None:
    assert while_still_sending(served, head).startswith(b"HTTP/1.1 " + status)


@pytest.mark.exhaustive("test_a_head_within_the_limits_is_served")
def test_the_app_is_told_at_once_that_its_request_was_refused(serve: Serve) -> None:
    running = serve(SAMPLE.replace("protocol.LINGER_SECONDS = ", "", 1))
    with running.send(CHUNKED, b"1\r\n[\r\nnonsense\r\n"):
        began = time.monotonic()
        running.logged(message="request", status=499)
        assert time.monotonic() - began < 1.5


def test_a_trailer_within_the_limits_is_taken(served: Any) -> None:
    body = b"3\r\n[1,\r\n2\r\n2]\r\n0\r\nX-Trailer: y\r\n\r\n"
    assert served.answer(CHUNKED.replace(b"Host: a", b"Host: a\r\nConnection: close"), body)[2] == b"3"


def test_what_follows_an_upgrade_is_not_read(served: Any) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    with served.send(head) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        assert sent_until_cut_off(connection, b"x" * 1000, pause=0.01) < 1_000_000


def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(served: Any) -> None:
    with served.send() as connection:
        assert connection.recv(100) == b""
    kept = HEALTH.replace(b"Connection: close\r\n", b"")
    with served.send(kept) as connection, connection.makefile("rb") as answers:
        assert answers.readline().startswith(b"HTTP/1.1 200 ")
        time.sleep(1)  # Twice as long; between two requests a connection may rest.
        connection.sendall(HEALTH)
        assert b"HTTP/1.1 200 " in answers.read()


def test_a_body_that_ends_after_its_answer_leaves_the_connection_usable(served: Any) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    with served.send(head) as connection, connection.makefile("rb") as answers:
        assert answers.readline().startswith(b"HTTP/1.1 404 ")
        connection.sendall(b"xxxxx")
        time.sleep(0.7)  # Longer than what is thrown away may take.
        connection.sendall(HEALTH)
        assert b"HTTP/1.1 200 " in answers.read()


def test_a_caller_who_never_takes_the_answer_is_cut_off(served: Any) -> None:
    with served.send(b"GET /sample/large HTTP/1.1\r\nHost: a\r\n\r\n") as connection:
        served.logged(message="request", path="/sample/large")
        time.sleep(1)
        received = 0
        with suppress(ConnectionResetError):
            while piece := connection.recv(1_000_000):
                received += len(piece)
    assert received < 50_000_000


@pytest.mark.parametrize(("path", "begun", "ended"), [("wait", "waiting", "given up"), ("work", "working", "stopped")])
def test_a_caller_who_leaves_ends_the_work_and_is_logged_as_499(served: Any, path: str, begun: str, ended: str) -> None:
    with served.send(f"GET /sample/{path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()):
        served.printed(begun)
    # In any order: the log line does not wait for a thread to stop.
    served.printed(ended, '"status": 499')


def test_a_caller_who_leaves_after_a_large_body_is_seen_to_leave(served: Any) -> None:
    body = b"[" + b"1," * 2_000_000 + b"1]"
    head = b"POST /sample/wait HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with served.send(head % len(body), body[:1]) as connection:
        time.sleep(0.5)  # Until the app waits for the rest.
        connection.sendall(body[1:])
        served.printed("waiting")
    served.printed("given up", '"status": 499')


def test_a_caller_who_leaves_in_the_middle_of_a_body_is_logged_as_499(served: Any) -> None:
    head = b"POST /sample/sum HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n[1,"
    with served.send(head):
        time.sleep(0.2)
    served.printed('"status": 499')


def test_connections_beyond_the_limit_are_told_to_come_back(serve: Serve) -> None:
    running = serve(SAMPLE.replace("routes =", "protocol.MOST_CONNECTIONS = 3\nroutes =", 1))
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(running.send())
        status, headers, _ = running.answer()
        assert (status, headers["retry-after"]) == (503, "1")
    deadline = time.monotonic() + 10
    while running.answer(HEALTH)[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
