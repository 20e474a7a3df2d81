"""Approvals and answers of gates in a rehearsal: given in advance, or asked for on the terminal."""

import asyncio
import sys

from rich.console import Console

from nova_infra.rehearsal.ecs.lifecycle.hooks import HookAnswer, HookCall
from nova_infra.rehearsal.live.live import View
from nova_infra.rehearsal.pipeline.player import Approve


def approval(console: Console, view: View, *, in_advance: bool) -> Approve:
    """Answers approvals: everything is approved in advance, or the person at the terminal decides."""

    async def approve(name: str) -> bool:
        if in_advance:
            return True
        with view.paused():
            console.print(f"{name}: go on? \\[y/N] ", end="")
            answer = await _read_line()
        return answer.strip().lower() in ("y", "yes")

    return approve


class GateApprovals:
    """Lets the person who gives the approvals also answer the gates of deployments."""

    def __init__(self, approve: Approve) -> None:
        self._approve = approve
        self._terminal = asyncio.Lock()

    async def answer(self, call: HookCall, /) -> HookAnswer:
        """Ask whether the deployment goes on; one question at a time."""
        async with self._terminal:
            goes_on = await self._approve(f"{call.service} waits at {call.stage}")
        return HookAnswer("CONTINUE") if goes_on else HookAnswer("ROLLBACK", "its gate was refused")

    def aborts(self, _: str, __: float, /) -> str:
        """Nobody stops a deployment that is under way."""
        return ""


async def _read_line() -> str:
    """A line from the terminal, not read in a thread, which would keep Ctrl-C waiting for the Enter key."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()
