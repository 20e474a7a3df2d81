"""Runs a test suite against new revisions: at an address that leads to them, and without credentials."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nova_infra.deployed.aws.toolchain import failed_tests_in
from nova_infra.documents.text import listed
from nova_infra.machine.commands import run_command
from nova_infra.names import TEST_HEADER, TEST_HEADER_VARIABLE
from nova_infra.operations.rollout.suite.entrance import open_entrance

_TOKENS = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL")
"""Variables with which a GitHub job signs in: https://docs.github.com/en/actions/reference/security/oidc."""


def _past_proxies() -> dict[str, str]:
    """Variables that make clients bypass a proxy for this machine."""
    known = {name: os.environ.get(name, "") for name in ("NO_PROXY", "no_proxy")}
    return {name: ",".join(filter(None, (value, "127.0.0.1"))) for name, value in known.items()}


@dataclass(frozen=True)
class SuiteCommand:
    """A shell command that tests an environment.

    Attributes:
        url: The environment's base URL. The command finds another one in ``BASE_URL``, which leads to the new
            revisions.
        seconds_between_looks: How often it is seen whether somebody still waits for it.
        afresh: Whether the log keeps only the latest run.
    """

    command: str
    url: str
    directory: Path
    log: Path
    tell: Callable[[str], None]
    seconds_between_looks: float = 10.0
    afresh: bool = False

    def run(self, still_wanted: Callable[[], bool], seconds: float) -> str:
        """Run it until it ends, nobody waits for it, or its time is over.

        Returns:
            Why it is red, in a clause; empty where it is green.
        """
        return asyncio.run(self._run(still_wanted, seconds))

    async def _run(self, still_wanted: Callable[[], bool], seconds: float) -> str:
        async with open_entrance(self.url) as address:
            return await self._run_at(address, still_wanted, seconds)

    async def _run_at(self, address: str, still_wanted: Callable[[], bool], seconds: float) -> str:
        header, value = TEST_HEADER
        variables = {"BASE_URL": address, TEST_HEADER_VARIABLE: f"{header}: {value}"}
        environment = {**variables, **_past_proxies(), **dict.fromkeys(_TOKENS, "")}
        if self.afresh:
            self.log.unlink(missing_ok=True)
        began, said_before = time.monotonic(), len(self._log())
        running = asyncio.create_task(
            run_command(self.command, directory=self.directory, environment=environment, log=self.log, without_aws=True)
        )
        try:
            while not (await asyncio.wait({running}, timeout=self.seconds_between_looks))[0]:
                if time.monotonic() - began >= seconds:
                    return f"`{self.command}` did not end within {max(round(seconds / 60), 1)} min"
                if not await asyncio.to_thread(still_wanted):
                    return f"`{self.command}` was stopped: nobody waits for it any more"
            code, lines = await running
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        for line in lines:
            self.tell(line)
        if not code:
            return ""
        failed = failed_tests_in(self._log()[said_before:])
        return f"FAILED {listed(failed, 2)}" if failed else f"`{self.command}` exited with {code}"

    def _log(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
