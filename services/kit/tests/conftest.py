"""A service made up for a test, as a process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pytest

KIT = Path(__file__).parents[1] / "src"


@dataclass(frozen=True)
class Running:
    """A process that serves.

    Attributes:
        port: Where it listens.
        process: The process.
        output: What it printed so far, to be read further. A file: nobody has to empty it for the process to go on.
    """

    port: int
    process: subprocess.Popen[bytes]
    output: TextIO

    def send(self, *pieces: bytes) -> socket.socket:
        """Open a connection and send every piece, or until nobody listens any more; the caller closes it."""
        connection = socket.create_connection(("127.0.0.1", self.port), 15)
        with suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        return connection

    def answer(self, *pieces: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send, and read one answer up to the end of the connection: status, headers and body.

        The end of one that is closed before all was read is a reset; what was answered can be read before it.
        """
        answer = bytearray()
        with self.send(*pieces) as connection, suppress(ConnectionResetError):
            while some := connection.recv(65_536):
                answer += some
        head, _, body = bytes(answer).partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(status.split()[1]), headers, body

    def lines(self) -> Iterator[str]:
        """Read what it prints, line by line, until it ends; half a minute of silence is a failure."""
        line, last = "", time.monotonic()
        while not line.endswith("\n"):
            line += self.output.readline()
            if line.endswith("\n"):
                yield line
                line, last = "", time.monotonic()
            elif self.process.poll() is not None:
                return
            else:
                assert time.monotonic() < last + 30, "it prints nothing more"
                time.sleep(0.01)

    def logged(self, **expected: Any) -> dict[str, Any]:
        """Read on up to a line of the log with these members."""
        for line in self.lines():
            document: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
            if document and all(document.get(name) == value for name, value in expected.items()):
                return document
        raise AssertionError(f"it ended without {expected}")

    def printed(self, *words: str) -> None:
        """Read on until each of some words was in a line."""
        missing = set(words)
        for line in self.lines():
            missing -= {word for word in missing if word in line}
            if not missing:
                return
        raise AssertionError(f"it ended without {missing}")


@contextmanager
def _running(directory: Path, source: str, environment: dict[str, str]) -> Iterator[Running]:
    (directory / "sample.py").write_text(source)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{KIT}{os.pathsep}{directory}",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **environment,
    }
    command = [sys.executable, "-m", "nova_kit.serve", "sample:app"]
    with (directory / "output").open("w+b") as output, (directory / "output").open(encoding="utf-8") as read:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            running = Running(port, process, read)
            running.logged(message="serving")
            yield running
        finally:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def running_in() -> Callable[[Path, str, dict[str, str]], AbstractContextManager[Running]]:
    """A function that runs a module's `app` in a directory, for tests that share a process."""
    return _running


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """A function that runs a module's `app` with further environment variables, until the test is over."""
    with ExitStack() as stack:
        yield lambda source, **environment: stack.enter_context(_running(tmp_path, source, environment))
