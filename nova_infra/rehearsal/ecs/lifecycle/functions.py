"""Functions that ECS calls at lifecycle hooks: the template's own code, run here."""

import asyncio
import builtins
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.ecs.lifecycle.api import EcsApi, sdk
from nova_infra.rehearsal.ecs.lifecycle.hooks import TESTED, HookAnswer, HookCall, Steering

_RECALL_MINUTES = 1
"""ECS calls again after 30 s, or after ``callBackDelay``; a minute is what the clock can wait.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/lambda-lifecycle-hooks.html
"""


class Functions:
    """Calls the functions of an environment; somebody else answers its pauses."""

    def __init__(
        self, people: Steering, *, localize: Callable[[Any], Any], next_minute: Callable[[], Any], ecs: EcsApi
    ) -> None:
        """Know none yet.

        Args:
            people: Who answers pauses, and stops deployments.
            localize: Replaces public addresses in a value by those on this machine.
            next_minute: Waits for the end of the simulated minute.
        """
        self._people = people
        self._localize = localize
        self._next_minute = next_minute
        self._sdk = sdk(ecs)
        self._code: dict[str, str] = {}
        self._elsewhere: dict[str, str] = {}

    def put(self, properties: Mapping[str, Any], where: str) -> None:
        """Create or replace a function, by its template's resolved properties."""
        # One without a name is called by no hook.
        name = str(properties.get("FunctionName", where))
        if is_playable(properties):
            self._code[name] = str(properties["Code"]["ZipFile"])
        else:
            self._elsewhere[name] = where

    async def answer(self, call: HookCall, /) -> HookAnswer:
        """Call a hook's function, again while it is in progress; ask people about a pause."""
        if call.hook.kind == "PAUSE":
            return await self._people.answer(call)
        name = call.hook.function.rpartition(":function:")[2]
        if name in self._elsewhere:
            raise UnresolvableError(
                f"{self._elsewhere[name]}: a deployment calls it, and only a Python function whose code is in the "
                "template can be called here: put it there, or leave the hook out"
            )
        if name not in self._code:
            return HookAnswer("ROLLBACK", f"the function of its hook, {name or call.hook.function}, does not exist")
        details = self._localize(call.hook.details)
        while True:
            event = {"hookDetails": details, "lifecycleStage": call.stage, "executionDetails": {"serviceArn": call.arn}}
            context = SimpleNamespace(invoked_function_arn=call.hook.function)
            said, told = await asyncio.to_thread(_call, self._code[name], event, context, self._sdk)
            match said.get("hookStatus"):
                case "SUCCEEDED":
                    return HookAnswer("CONTINUE")
                case "IN_PROGRESS":
                    details = said.get("hookDetails", details)
                    for _ in range(_RECALL_MINUTES):
                        await self._next_minute()
                case _:
                    return HookAnswer("ROLLBACK", f"{_failed(call)}: {told or 'no reason'}")

    def aborts(self, service: str, percent: float, /) -> str:
        """Why people stop a deployment."""
        return self._people.aborts(service, percent)


def is_playable(properties: Mapping[str, Any]) -> bool:
    """Whether a function can be called here: it is Python, and its code is in the template."""
    runtime, handler = str(properties.get("Runtime", "")), properties.get("Handler")
    return (
        bool(properties.get("Code", {}).get("ZipFile")) and handler == "index.handler" and runtime.startswith("python")
    )


def _failed(call: HookCall) -> str:
    return "its tests failed before any user reached it" if call.stage == TESTED else f"its hook at {call.stage} failed"


def _call(code: str, event: Mapping[str, Any], context: object, boto3: ModuleType) -> tuple[Mapping[str, Any], str]:
    """A function's answer, and what it printed. One that fails has no answer."""
    printed: list[str] = []

    def load(name: str, *rest: Any) -> Any:
        return boto3 if name == "boto3" else __import__(name, *rest)

    namespace: dict[str, Any] = {
        "__builtins__": {**vars(builtins), "__import__": load},
        "print": lambda *words: printed.append(" ".join(map(str, words))),
    }
    try:
        exec(compile(code, "index.py", "exec"), namespace)  # noqa: S102  (the template's own code)
        said = namespace["handler"](event, context)
    except Exception as error:  # whatever the function raises, Lambda answers, too
        return {}, f"{type(error).__name__}: {error}"
    return said if isinstance(said, Mapping) else {}, "; ".join(printed)
