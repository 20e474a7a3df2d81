"""Lifecycle hooks of a service's deployments: where they wait, for how long, and what answers them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from nova_infra.documents.text import counted
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError

Action = Literal["CONTINUE", "ROLLBACK"]

BEFORE_TASKS = "PRE_SCALE_UP"
BEFORE_STEP = "PRE_PRODUCTION_TRAFFIC_SHIFT"
AFTER_ALL_TRAFFIC = "POST_PRODUCTION_TRAFFIC_SHIFT"
TESTED = "POST_TEST_TRAFFIC_SHIFT"
BEFORE_TRAFFIC = ("POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", TESTED)
"""The stages between healthy new tasks and the first step, in order.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentLifecycleHook.html
"""
_PLAYED = (BEFORE_TASKS, *BEFORE_TRAFFIC, BEFORE_STEP, AFTER_ALL_TRAFFIC)
_DEFAULT_MINUTES = 1440


@dataclass(frozen=True)
class Hook:
    """One hook of a deployment configuration.

    Attributes:
        stages: The lifecycle stages at which it runs.
        function: What ``HookTargetArn`` refers to; empty for a pause.
        details: What else the function is given.
    """

    kind: Literal["PAUSE", "AWS_LAMBDA"]
    stages: tuple[str, ...]
    minutes: int = _DEFAULT_MINUTES
    on_timeout: Action = "ROLLBACK"
    function: str = ""
    details: Any = None


@dataclass(frozen=True)
class HookCall:
    """A hook that a deployment has come to."""

    service: str
    hook: Hook
    stage: str
    percent: float
    arn: str = ""


@dataclass(frozen=True)
class HookAnswer:
    """What a hook came to.

    Attributes:
        reason: Why it rolls back, in a clause.
        times: How often the answer is given; ECS takes the first.
    """

    action: Action
    reason: str = ""
    times: int = 1


class OpenHooks:
    """The hooks of a rollout that a deployment waits at now."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = hooks
        self._minutes: dict[int, int] = {}
        self._passed: set[tuple[str, int]] = set()
        self._stage = ""

    @property
    def any_open(self) -> bool:
        """Whether it waits for one."""
        return bool(self._minutes)

    def open(self, stage: str, step: int, *, on_the_minute: bool) -> list[int]:
        """Reach a stage, once before each step. The rest of the current minute does not count.

        Returns:
            The places of the hooks to wait for; none where there are none, or they have been waited for.
        """
        numbers = [number for number, hook in enumerate(self._hooks) if stage in hook.stages]
        if not numbers or (stage, step) in self._passed:
            return []
        self._passed.add((stage, step))
        self._stage = stage
        self._minutes = {number: self._hooks[number].minutes + (not on_the_minute) for number in numbers}
        return numbers

    def close(self, number: int) -> bool:
        """A hook was answered; False where it was not waited for."""
        return self._minutes.pop(number, None) is not None

    def minute_passed(self) -> str:
        """A minute of their time has passed: returns why the deployment rolls back; empty if it does not."""
        for number in list(self._minutes):
            self._minutes[number] -= 1
            hook = self._hooks[number]
            if self._minutes[number] > 0:
                continue
            if hook.on_timeout == "ROLLBACK":
                who = "nobody answered the gate" if hook.kind == "PAUSE" else "the hook's function did not end"
                return f"{who} at {self._stage} within {counted(hook.minutes, 'minute')}"
            del self._minutes[number]
        return ""


class Steering(Protocol):
    """Answers deployments under way, or stops them."""

    async def answer(self, call: HookCall, /) -> HookAnswer:
        """Answer a hook; one that nobody answers is cancelled when it times out."""

    def aborts(self, service: str, percent: float, /) -> str:
        """Why a deployment that has just reached a share of the traffic is stopped; empty if it is not."""


class GoesOn:
    """Lets every deployment go on."""

    async def answer(self, _: HookCall) -> HookAnswer:
        """Go on."""
        return HookAnswer("CONTINUE")

    def aborts(self, _: str, __: float) -> str:
        """Never."""
        return ""


def read_hooks(configuration: Mapping[str, Any], strategy: str, where: str) -> tuple[Hook, ...]:
    """The hooks of a resolved ``DeploymentConfiguration``."""
    found: Sequence[Mapping[str, Any]] = configuration.get("LifecycleHooks", ())
    if found and strategy == "ROLLING":
        raise UnresolvableError(f"{where}: LifecycleHooks of a rolling deployment are not rehearsed")
    return tuple(_read(hook, f"{where}: LifecycleHooks") for hook in found)


def _read(hook: Mapping[str, Any], where: str) -> Hook:
    kind, stages = hook.get("TargetType", "AWS_LAMBDA"), tuple(hook["LifecycleStages"])
    for stage in stages:
        if stage not in _PLAYED:
            raise UnresolvableError(f"{where}: {stage} is not a stage that the rehearsal plays")
        if kind == "PAUSE" and stage == "TEST_TRAFFIC_SHIFT":
            raise UnresolvableError(f"{where}: ECS allows no PAUSE at {stage}")
    timeout = hook.get("TimeoutConfiguration", {})
    return Hook(
        kind,
        stages,
        int(timeout.get("TimeoutInMinutes", _DEFAULT_MINUTES)),
        timeout.get("Action", "ROLLBACK"),
        str(hook.get("HookTargetArn", "")),
        _details(hook.get("HookDetails"), where),
    )


def _details(details: Any, where: str) -> Any:
    """What a function is given: CloudFormation documents a JSON object as text, and its schema takes an object, too."""
    if not isinstance(details, str):
        return details
    try:
        read = json.loads(details)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise UnresolvableError(f"{where}: HookDetails is no text of a JSON object, which ECS asks for: correct it")
    return read
