"""Plays a state machine in the Amazon States Language, as the template has it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.jobs.paths import StateError, filled_in, holds, look_up, put, required

Call = Callable[[str, Any], Awaitable[Any]]
"""Carries out a Task state: takes its resource and parameters, and returns the result."""

_FLOW = frozenset({"Type", "Comment", "Next", "End"})
_DATA = frozenset({"InputPath", "OutputPath", "ResultPath", "ResultSelector", "Parameters"})
_KNOWN = {
    "Task": _FLOW | _DATA | {"Resource", "TimeoutSeconds", "Retry", "Catch"},
    "Choice": _FLOW | {"Choices", "Default"},
    "Map": _FLOW | _DATA | {"ItemsPath", "ItemSelector", "ItemProcessor", "Iterator", "MaxConcurrency"},
    "Pass": _FLOW | _DATA | {"Result"},
    "Wait": _FLOW | {"Seconds"},
    "Succeed": _FLOW,
    "Fail": _FLOW | {"Error", "Cause"},
}
_MOST_STATES = 1000
"""Of one execution: AWS ends one after 25,000 events, https://docs.aws.amazon.com/step-functions/latest/dg/limits.html."""


@dataclass(frozen=True)
class JobExecution:
    """An execution that has ended.

    Attributes:
        status: ``SUCCEEDED``, ``FAILED`` or ``TIMED_OUT``, as Step Functions has it.
    """

    status: str
    error: str = ""
    cause: str = ""
    states: tuple[str, ...] = ()


@dataclass
class StateMachine:
    """A state machine.

    Attributes:
        limit: How many real seconds a time limit is here.
        pause: How many real seconds a wait, or a pause before another try, is here.
    """

    definition: Mapping[str, Any]
    call: Call
    limit: Callable[[float], float] = field(default=float)
    pause: Callable[[float], float] = field(default=float)

    async def execute(self, name: str, data: Any = None) -> JobExecution:
        """Execute it once.

        Raises:
            UnresolvableError: It has something that the rehearsal does not know; names the state.
        """
        states: list[str] = []
        context = {"Execution": {"Name": name, "Input": data or {}}}
        limit = self.definition.get("TimeoutSeconds")
        try:
            async with asyncio.timeout(self.limit(float(limit)) if limit else None):
                await self._walk(self.definition, data or {}, context, states)
        except TimeoutError:
            return JobExecution("TIMED_OUT", "States.Timeout", f"it took longer than {limit} s", tuple(states))
        except StateError as error:
            return JobExecution("FAILED", error.error, str(error), tuple(states))
        return JobExecution("SUCCEEDED", states=tuple(states))

    async def _walk(self, machine: Mapping[str, Any], data: Any, context: Any, states: list[str]) -> Any:
        name = str(machine["StartAt"])
        while True:
            states.append(name)
            state = machine["States"][name]
            try:
                if len(states) > _MOST_STATES:
                    raise UnresolvableError(f"goes through more than {_MOST_STATES} states: end it sooner")
                data, following = await self._step(state, data, context, states)
            except UnresolvableError as error:
                raise UnresolvableError(f"state {name}: {error}") from None
            if following is None:
                return data
            name = following

    async def _step(
        self, state: Mapping[str, Any], data: Any, context: Any, states: list[str]
    ) -> tuple[Any, str | None]:
        """One state: its output, and the next state; None at the end."""
        kind = str(state["Type"])
        unknown = sorted(state.keys() - _KNOWN[kind]) if kind in _KNOWN else [kind]
        if unknown:
            raise UnresolvableError(f"{unknown[0]}: is not played by the rehearsal: leave it out")
        following = state.get("Next")
        match kind:
            case "Succeed":
                return data, None
            case "Fail":
                raise StateError(str(state.get("Error", "")), str(state.get("Cause", "")))
            case "Choice":
                return data, _chosen(state, data, context)
            case "Wait":
                await asyncio.sleep(self.pause(float(state["Seconds"])))
                return data, following
        entered = data if (path := state.get("InputPath", "$")) == "$" else required(path, data, context)
        if kind == "Pass":
            made = filled_in(state["Parameters"], entered, context) if "Parameters" in state else entered
            result = state.get("Result", made)
        elif kind == "Map":
            result = await self._map(state, entered, context, states)
        else:
            try:
                result = await self._task(state, entered, context)
            except StateError as error:
                for catch in state.get("Catch", ()):
                    if _is_meant(error, catch["ErrorEquals"]):
                        told = {"Error": error.error, "Cause": str(error)}
                        return put(catch.get("ResultPath", "$"), told, data), str(catch["Next"])
                raise
        if "ResultSelector" in state:
            result = filled_in(state["ResultSelector"], result, context)
        left = put(state.get("ResultPath", "$"), result, data)
        return (left if (path := state.get("OutputPath", "$")) == "$" else required(path, left, context)), following

    async def _task(self, state: Mapping[str, Any], data: Any, context: Any) -> Any:
        parameters = filled_in(state.get("Parameters", data), data, context)
        tries: dict[int, int] = {}
        limit = state.get("TimeoutSeconds")
        while True:
            try:
                async with asyncio.timeout(self.limit(float(limit)) if limit else None):
                    return await self.call(str(state["Resource"]), parameters)
            except TimeoutError:
                error = StateError("States.Timeout", f"it took longer than {limit} s")
            except StateError as failed:
                error = failed
            found = next(
                (n for n, retry in enumerate(state.get("Retry", ())) if _is_meant(error, retry["ErrorEquals"])), None
            )
            if found is None:
                raise error
            retry, tried = state["Retry"][found], tries.get(found, 0)
            if tried >= int(retry.get("MaxAttempts", 3)):
                raise error
            tries[found] = tried + 1
            pause = float(retry.get("IntervalSeconds", 1)) * float(retry.get("BackoffRate", 2)) ** tried
            await asyncio.sleep(self.pause(pause))

    async def _map(self, state: Mapping[str, Any], data: Any, context: Any, states: list[str]) -> list[Any]:
        items = look_up(str(state.get("ItemsPath", "$")), data, context)
        if not isinstance(items, list):
            raise StateError("States.Runtime", f"{state.get('ItemsPath', '$')} is not a list")
        inner = state.get("ItemProcessor", state.get("Iterator", {}))
        results = []
        for number, item in enumerate(items):
            own = {**context, "Map": {"Item": {"Index": number, "Value": item}}}
            template = state.get("ItemSelector", state.get("Parameters"))
            entered = item if template is None else filled_in(template, data, own)
            results.append(await self._walk(inner, entered, own, states))
        return results


def _chosen(state: Mapping[str, Any], data: Any, context: Any) -> str:
    """The next state of a choice."""
    chosen = next((c["Next"] for c in state["Choices"] if holds(c, data, context)), state.get("Default"))
    if chosen is None:
        raise StateError("States.NoChoiceMatched", "no choice holds, and there is no Default")
    return str(chosen)


def _is_meant(error: StateError, names: list[str]) -> bool:
    return (
        error.error in names
        or "States.ALL" in names
        or ("States.TaskFailed" in names and error.error != "States.Timeout")
    )
