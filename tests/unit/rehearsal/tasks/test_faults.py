from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nova_infra.rehearsal.tasks.faults import command_with_fault

# What `python -m serving tiny:app` runs: the smallest server of an ASGI application.
SERVING = """
import asyncio, http.server, importlib, os, sys
module, _, name = sys.argv[1].partition(":")
app = getattr(importlib.import_module(module), name)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        sent = []
        async def send(message): sent.append(message)
        asyncio.run(app({"type": "http", "path": self.path}, None, send))
        self.send_response(sent[0]["status"])
        self.end_headers()
    def log_message(self, *_): pass

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
APP = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""

Start = Callable[[str], Callable[[str], int]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the service with a fault; what it returns asks it for a path and gives the status."""
    (tmp_path / "serving.py").write_text(SERVING)
    (tmp_path / "tiny.py").write_text(APP)
    processes = []

    def run(fault: str) -> Callable[[str], int]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = command_with_fault([sys.executable, "-m", "serving", "tiny:app"], fault)
        environment = os.environ | {"PORT": str(port), "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        processes.append(process)

        def ask(path: str) -> int:
            end = time.monotonic() + 10
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as response:
                        return int(response.status)
                except urllib.error.HTTPError as error:
                    return error.code
                except urllib.error.URLError:
                    if process.poll() is not None or time.monotonic() > end:
                        raise
                    time.sleep(0.01)

        ask.process = process  # type: ignore[attr-defined]
        return ask

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def test_errors_hit_their_exact_share_of_requests_and_no_health_check(start: Start) -> None:
    ask = start("errors:0.8")
    statuses = [ask("/x") for _ in range(10)]
    assert statuses.count(500) == 8
    assert {ask("/health") for _ in range(5)} == {200}


def test_errors_after_some_requests_begin_exactly_then(start: Start) -> None:
    ask = start("errors-after:3")
    assert [ask("/x") for _ in range(5)] == [200, 200, 200, 500, 500]
    assert ask("/health") == 200


def test_an_unhealthy_service_still_answers_requests(start: Start) -> None:
    ask = start("unhealthy")
    assert (ask("/health"), ask("/x")) == (500, 200)


def test_wrong_answers_spare_what_the_load_and_the_health_check_ask_for(start: Start) -> None:
    ask = start("wrong-answers")
    assert [ask(path) for path in ("/health", "/tiny/version", "/tiny/thing", "/")] == [200, 200, 404, 404]


def test_slowness_delays_requests_but_no_health_check(start: Start) -> None:
    ask = start("slow:0.3")
    ask("/health")
    began = time.monotonic()
    assert ask("/x") == 200
    assert time.monotonic() - began >= 0.3


def test_a_deadlock_leaves_its_share_of_requests_without_an_answer_and_no_health_check(start: Start) -> None:
    ask = start("deadlock:0.5")
    assert ask("/health") == ask("/x") == ask("/health") == 200
    with pytest.raises(TimeoutError):
        ask("/x")


def test_a_crash_ends_the_process_with_a_message(start: Start) -> None:
    process = start("crash").process  # type: ignore[attr-defined]
    _, said = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "crashes while it starts" in said


def test_a_service_deaf_to_sigterm_lives_on(start: Start) -> None:
    ask = start("deaf-to-sigterm")
    assert ask("/x") == 200
    ask.process.send_signal(signal.SIGTERM)  # type: ignore[attr-defined]
    assert ask("/x") == 200


def test_a_command_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault can be put around it"):
        command_with_fault(["gunicorn", "app"], "crash")
