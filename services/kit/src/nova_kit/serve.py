"""Runs a service: `python -m nova_kit.serve audio_service.main:app`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator

import uvicorn

from nova_kit import draining, logs
from nova_kit.protocol import Protocol
from nova_kit.settings import Settings, SettingsError

_log = logging.getLogger("nova.serve")

# After SIGTERM the listener stays open this long at least: requests that a load balancer has already sent are answered
# instead of refused.
_LINGER_SECONDS = 0.5

# Left of the stop timeout for closing connections and leaving the interpreter.
_RESERVE_SECONDS = 1.5

# Longer than the 60 s a load balancer keeps an idle connection, so that the service is never the one to close a
# connection on which a request is already under way.
_KEEP_ALIVE_SECONDS = 75


class Server(uvicorn.Server):
    """A server that drains before it stops: it turns unready, finishes what is in flight, then closes.

    Args:
        config: How to serve.
        stop_timeout: Seconds from SIGTERM to the end of the process at the latest.
    """

    def __init__(self, config: uvicorn.Config, *, stop_timeout: float) -> None:
        super().__init__(config)
        self._drain_seconds = max(stop_timeout - _RESERVE_SECONDS, 0)
        self._drain: asyncio.Task[None] | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop, and leave in time even if a thread hangs."""
        await super().serve(sockets)
        if not self.started:
            return
        _log.info("stopped")
        if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
            # The interpreter would wait for worker threads, however long they take. Their requests are over by now.
            sys.stdout.flush()
            os._exit(0)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and end the pause of garbage collection that `run` began."""
        await super().startup(sockets)
        if self.started:
            _log.info("serving", extra=logs.fields(port=self.config.port))
        # What was imported stays: looking through it again and again would find nothing.
        gc.freeze()
        gc.enable()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on SIGTERM and SIGINT. Replaces uvicorn's own way, which ends the process by the signal: not with 0."""
        loop = asyncio.get_running_loop()
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._stop)
        yield

    def _stop(self) -> None:
        if self._drain is not None:
            self.should_exit = self.force_exit = True  # Told twice: whoever it is does not want to wait.
            return
        draining.process.begin()
        self._drain = asyncio.get_running_loop().create_task(self._finish_requests())

    async def _finish_requests(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._drain_seconds
        _log.info("draining", extra=logs.fields(in_flight=len(self.server_state.tasks)))
        await asyncio.sleep(min(_LINGER_SECONDS, self._drain_seconds))
        while self.server_state.tasks and loop.time() < deadline:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.02)
        self.should_exit = True


def _require_temporary_directory() -> None:
    """Insist on a place for large uploads: without one the service would look healthy and fail on each of them."""
    try:
        tempfile.gettempdir()
    except OSError:
        reason = "no directory for temporary files can be written: mount one at /tmp, or name one in TMPDIR"
        raise SettingsError(reason) from None


def run(application: str) -> int:
    """Serve an app until the process is told to stop.

    Args:
        application: `module:attribute`.

    Returns:
        The process's exit code: 0 after a stop that was asked for, 1 when the service could not start.
    """
    module = application.partition(":")[0].partition(".")[0]
    settings = Settings.from_environment(module.replace("_", "-"))
    logs.configure(settings)
    _require_temporary_directory()
    # Imports make many objects and hardly any garbage: looking for it would take up to a fifth of the start.
    gc.disable()
    # Worker threads let the event loop go on five times as soon as by default: `/health` is answered while they work.
    sys.setswitchinterval(0.001)
    config = uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        http=Protocol,
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    server = Server(config, stop_timeout=settings.stop_timeout)
    server.run()
    return 0 if server.started or draining.process else 1


def main(arguments: list[str]) -> int:
    """Serve the app named on the command line."""
    if len(arguments) != 1 or ":" not in arguments[0]:
        print("usage: python -m nova_kit.serve MODULE:APP", file=sys.stderr)
        return 2
    # A stop that arrives while the app is still being imported is a clean stop, too.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        return run(arguments[0])
    except SettingsError as error:
        print(f"nova_kit.serve: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
