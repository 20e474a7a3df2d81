"""What the timings of ``nova`` against AWS share: a local server that answers each call after a while.

The command gets a directory with a ``nova.toml`` and made-up credentials: nothing leaves the machine.
"""

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

ROOT = Path(__file__).parents[1]
LATENCY_SECONDS = 0.08
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true"}


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object, **__: object) -> None:
        pass


class SlowServer:
    """Serves an application whose answers take their time, once ``seconds`` is set.

    Attributes:
        url: Where it answers.
        seconds: How long each answer takes.
        calls: When each call came, by ``time.perf_counter``.
    """

    def __init__(self, application: Any) -> None:
        """Begin to answer, at once at first."""
        self._application = application
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.seconds = 0.0
        self.calls: list[float] = []
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        self.calls.append(time.perf_counter())
        time.sleep(self.seconds)
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()


@contextlib.contextmanager
def project(services: Iterable[str]) -> Iterator[Path]:
    """A directory with the tests' ``nova.toml``, but these services, to run the command in."""
    with tempfile.TemporaryDirectory() as directory:
        environments, _, _ = (ROOT / "tests/unit/nova.toml").read_text(encoding="utf-8").partition("[[services]]")
        tables = (f'[[services]]\nname = "{name}"\npaths = ["/{name}/*"]\n' for name in services)
        Path(directory, "nova.toml").write_text(environments + "\n".join(tables), encoding="utf-8")
        yield Path(directory)
