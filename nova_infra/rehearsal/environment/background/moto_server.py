"""Starts moto's server, which holds queues, tables, buckets, parameters and secrets as AWS would."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from nova_infra.machine.processes import Process, start_process
from nova_infra.machine.scratch import scratch_directory
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.tasks.task import free_port

_TRIES = 150
_EVERY_SECONDS = 0.2


class MotoServer:
    """The server, which only this machine reaches."""

    def __init__(self, account: str) -> None:
        self.url = ""
        self._account = account
        self._process: Process | None = None
        self._reader: asyncio.Task[bytes] | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        port = free_port()
        self._scratch = scratch_directory("stand-ins")
        words = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
            "MOTO_ACCOUNT_ID": self._account,
        }
        self._process = await start_process(words, directory=Path(self._scratch.name), environment=environment)
        self._reader = asyncio.create_task(self._process.output.read())
        for _ in range(_TRIES):
            if self._process.exit_code is not None:
                raise UnresolvableError(
                    "moto's server, which stands in for queues, tables and buckets, does not start: "
                    "pip install 'nova-infra[stand-ins]'"
                )
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(_EVERY_SECONDS)
                continue
            writer.close()
            break
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Stop it. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop(1.0)
        if self._reader is not None:
            self._reader.cancel()
        if self._scratch is not None:
            self._scratch.cleanup()
