"""A service as a process: how it starts, how it stops, and what watches it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from nova_kit import logs, serve
from nova_kit.healthcheck import fault

KIT = Path(__file__).parents[1] / "src"

SAMPLE = """
import asyncio, time
from nova_kit.app import create_app, router
routes = router()
released = asyncio.Event()

@routes.get("/sample/wait")
async def wait() -> str:
    print("waiting", flush=True)
    await released.wait()
    return "done"

@routes.get("/sample/release")
async def release() -> None:
    released.set()

@routes.get("/sample/block")
async def block() -> None:
    print("blocking", flush=True)
    await asyncio.to_thread(time.sleep, 60)

app = create_app("sample", routes, summary="A sample.")
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


@contextmanager
def running(directory: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    (directory / "sample.py").write_text(SAMPLE)
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "nova_kit.serve", "sample:app"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{KIT}{os.pathsep}{directory}",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            **environment,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        read_until(process, "serving")
        assert fault(port) is None
        yield process, port
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], word: str) -> None:
    """Read what a process prints up to a line with a word in it."""
    assert process.stdout is not None
    assert any(word in line for line in process.stdout), f"it ended without {word!r}"


def test_on_sigterm_readiness_drops_requests_finish_and_the_exit_code_is_0(tmp_path: Path) -> None:
    with running(tmp_path) as (process, port):
        answers: list[tuple[int, bytes]] = []
        request = threading.Thread(target=lambda: answers.append(get(port, "/sample/wait")))
        request.start()
        read_until(process, "waiting")
        process.send_signal(signal.SIGTERM)
        read_until(process, "draining")
        assert get(port, "/ready")[0] == 503
        assert get(port, "/health")[0] == 200
        assert get(port, "/sample/release")[0] == 200
        request.join()
        assert answers == [(200, b'"done"')]
        read_until(process, "stopped")
        assert process.wait(timeout=10) == 0


@pytest.mark.exhaustive("test_on_sigterm_readiness_drops_requests_finish_and_the_exit_code_is_0")
def test_requests_that_do_not_end_are_cut_off_when_the_stop_timeout_is_over(tmp_path: Path) -> None:
    with running(tmp_path, STOP_TIMEOUT="2") as (process, port):
        for path, word in (("/sample/wait", "waiting"), ("/sample/block", "blocking")):
            threading.Thread(target=lambda path=path: _ignore_errors(port, path), daemon=True).start()
            read_until(process, word)
        process.send_signal(signal.SIGTERM)
        # Long before the thread that sleeps for a minute, and without end for the request that nobody releases.
        assert process.wait(timeout=20) == 0


@pytest.mark.exhaustive("test_on_sigterm_readiness_drops_requests_finish_and_the_exit_code_is_0")
def test_what_is_no_http_is_answered_with_a_problem_and_head_is_framed_without_a_body(tmp_path: Path) -> None:
    with running(tmp_path) as (_, port):
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
            with connection.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"content-type: application/problem+json" in head
        assert json.loads(body)["status"] == 400

        kept = HTTPConnection("127.0.0.1", port, timeout=5)
        for method, length in (("HEAD", 0), ("GET", 15), ("HEAD", 0)):
            kept.request(method, "/health")
            response = kept.getresponse()
            assert (response.status, len(response.read())) == (200, length)


def _ignore_errors(port: int, path: str) -> None:
    with suppress(OSError, HTTPException):
        get(port, path)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", None),
        (b"HTTP/1.1 500 Oh\r\n\r\n", "GET /health answered 500"),
        (b"", "GET /health answered nothing"),
    ],
)
def test_the_health_check_believes_nothing_but_200(answer: bytes, expected: str | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        assert fault(server.getsockname()[1]) == expected


def test_the_health_check_fails_when_nothing_listens() -> None:
    assert "refused" in (fault(free_port()) or "")


def test_the_health_check_does_not_load_the_framework() -> None:
    code = "import nova_kit.healthcheck, sys; print('fastapi' in sys.modules or 'asyncio' in sys.modules)"
    environment = {"PYTHONPATH": str(KIT), "PATH": os.environ["PATH"]}
    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip() == "False"


def test_without_a_place_for_uploads_it_does_not_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/self"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(logs, "configure", lambda _: None)
    assert serve.main(["sample:app"]) == 2
    assert capsys.readouterr().err == (
        "nova_kit.serve: no directory for temporary files can be written: mount one at /tmp, or name one in TMPDIR\n"
    )


@pytest.mark.exhaustive("test_on_sigterm_readiness_drops_requests_finish_and_the_exit_code_is_0")
def test_a_setting_that_cannot_be_used_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text(SAMPLE)
    environment = {"PYTHONPATH": f"{KIT}{os.pathsep}{tmp_path}", "PATH": os.environ["PATH"], "PORT": "http"}
    command = [sys.executable, "-m", "nova_kit.serve", "sample:app"]
    outcome = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert outcome.returncode == 2
    assert (
        outcome.stderr
        == "nova_kit.serve: PORT='http': input should be a valid integer, unable to parse string as an integer\n"
    )
