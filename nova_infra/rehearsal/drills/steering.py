"""Answers a waiting deployment in a drill: somebody promotes it (once or twice) or aborts it, or nobody answers."""

import asyncio
from typing import Literal

from nova_infra.rehearsal.ecs.lifecycle.hooks import HookAnswer, HookCall

Answers = Literal["go on", "nobody", "twice", "abort"]

GATE_MINUTES = 2
"""How long a drill's gates wait: an hour would show no more."""


class DrillSteering:
    """Answers as a drill says; only the faulty service is affected."""

    def __init__(self, answers: Answers, service: str) -> None:
        """Take a part."""
        self._answers = answers
        self._service = service

    async def answer(self, call: HookCall, /) -> HookAnswer:
        """Answer a hook."""
        if self._answers == "nobody" and call.service.endswith(self._service):
            await asyncio.Event().wait()
        return HookAnswer("CONTINUE", times=2 if self._answers == "twice" else 1)

    def aborts(self, service: str, percent: float, /) -> str:
        """Why a deployment is stopped; empty where it is not."""
        if self._answers == "abort" and service.endswith(self._service):
            return f"somebody aborted it at {percent:g} % of the traffic"
        return ""
