"""Gates that the environment's test suite answers: an action of the pipeline runs it and sends its answers."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from nova_infra.rehearsal.ecs.lifecycle.hooks import HookAnswer, HookCall, Steering


class SuiteAnswers:
    """Lets the suite answer the gates of some services, and people all others."""

    def __init__(self, people: Steering, *, holds_time: bool = True) -> None:
        """Let people answer every gate.

        Args:
            holds_time: Whether simulated time stands still while a suite runs, which takes real time. Without it, only
                until who runs the suite has seen that a deployment waits.
        """
        self._people = people
        self._holds_time = holds_time
        self._gated: frozenset[str] = frozenset()
        self._running = 0
        self._looked = False
        self._open: dict[str, asyncio.Future[HookAnswer]] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def leave(self, services: Collection[str]) -> None:
        """Let the suite answer the gates of these ECS services from now on."""
        self._gated = frozenset(services)

    @contextmanager
    def running(self) -> Iterator[None]:
        """While an action of the pipeline answers."""
        self._running += 1
        self._note()
        try:
            yield
        finally:
            self._running -= 1
            self._note()

    async def answer(self, call: HookCall, /) -> HookAnswer:
        """Wait for the suite's answer, or ask people."""
        if call.service not in self._gated:
            return await self._people.answer(call)
        answered: asyncio.Future[HookAnswer] = asyncio.get_running_loop().create_future()
        self._open[call.service] = answered
        self._note()
        try:
            return await answered
        finally:
            del self._open[call.service]
            self._note()

    def settle(self, service: str, answer: HookAnswer) -> None:
        """Answer the gate of an ECS service, if it waits at one: ECS takes the first answer."""
        if (answered := self._open.get(service)) is not None and not answered.done():
            answered.set_result(answer)

    def look(self) -> None:
        """The runner of the suite asks what waits for it."""
        self._looked = self._looked or bool(self._open)
        self._note()

    def aborts(self, service: str, percent: float, /) -> str:
        """Why people stop a deployment."""
        return self._people.aborts(service, percent)

    async def until_idle(self) -> None:
        """Wait while the suite runs: it takes as long here as in AWS, in real minutes."""
        await self._idle.wait()

    def _note(self) -> None:
        if self._running and self._open and (self._holds_time or not self._looked):
            self._idle.clear()
        else:
            self._idle.set()
