"""Reads ``DeploymentConfiguration``: CANARY or LINEAR steps, bakes, the circuit breaker's threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.ecs.lifecycle.hooks import Hook, read_hooks

# What AWS takes where a template gives no value: API_CanaryConfiguration and API_LinearConfiguration in
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/.
_CANARY = {"CanaryPercent": 5.0, "CanaryBakeTimeInMinutes": 10}
_LINEAR = {"StepPercent": 10.0, "StepBakeTimeInMinutes": 6}


@dataclass(frozen=True)
class TrafficStep:
    """A share of the traffic and how long it stays so."""

    percent: float
    bake_minutes: int


@dataclass(frozen=True)
class CircuitBreaker:
    """When failing tasks end a deployment.

    Attributes:
        kind: How ``value`` counts: ``COUNT``, ``BOUNDED_PERCENT`` or ``UNBOUNDED_PERCENT``.
        value: A number of tasks, or a percentage of the desired count.
        reset_on_healthy_task: Whether a task that becomes healthy sets the count of failures back to 0.
        rolls_back: Whether the service rolls back to its last completed deployment.
    """

    kind: str = "BOUNDED_PERCENT"
    value: int = 50
    reset_on_healthy_task: bool = True
    rolls_back: bool = True

    def threshold(self, desired: int) -> int:
        """Number of failed tasks that opens it: 3 to 200 (API_ThresholdConfiguration, deployment-circuit-breaker)."""
        if self.kind == "COUNT":
            return self.value
        share = math.ceil(desired * self.value / 100)
        return share if self.kind == "UNBOUNDED_PERCENT" else min(max(share, 3), 200)


@dataclass(frozen=True)
class DeploymentConfiguration:
    """A service's deployment configuration.

    Attributes:
        strategy: ``ROLLING``, ``CANARY``, ``LINEAR`` or ``BLUE_GREEN``.
        steps: The shares of traffic, in order. A rolling deployment has only the last: its traffic follows its tasks.
        alarms_roll_back: Whether the service then rolls back to its last completed deployment.
        minimum_percent: Tasks that stay healthy during a rolling deployment, in percent of the desired count.
        maximum_percent: Tasks that may run during a rolling deployment, in percent of the desired count.
    """

    strategy: str
    steps: tuple[TrafficStep, ...]
    alarms: tuple[str, ...]
    alarms_roll_back: bool
    breaker: CircuitBreaker | None
    minimum_percent: int
    maximum_percent: int
    hooks: tuple[Hook, ...] = ()
    bake_is_given: bool = True

    def with_bake(self, minutes: int) -> DeploymentConfiguration:
        """The same rollout with another final bake."""
        *before, last = self.steps
        return replace(self, steps=(*before, replace(last, bake_minutes=minutes)))

    @property
    def shifts_traffic(self) -> bool:
        """Whether it starts all new tasks first and then moves the traffic."""
        return self.strategy != "ROLLING"

    @property
    def in_words(self) -> str:
        """Its shares of traffic and bakes, such as ``canary: 10 % for 5 min, then 100 % for 5 min``."""
        name = self.strategy.lower().replace("_", "/")
        *before, last = self.steps
        if not before:
            return f"{name}: all at once, then {last.bake_minutes} min of bake"
        first = before[0]
        if len(before) > 1:
            shares = f"{first.percent:g} % more every {first.bake_minutes} min"
        else:
            shares = f"{first.percent:g} % for {first.bake_minutes} min"
        return f"{name}: {shares}, then 100 % for {last.bake_minutes} min"


def read_rollout(properties: Mapping[str, Any], where: str) -> DeploymentConfiguration:
    """The rollout that a resolved ``DeploymentConfiguration`` defines (CloudFormation's reference of it)."""
    strategy = properties.get("Strategy", "ROLLING")
    last = TrafficStep(100.0, int(properties.get("BakeTimeInMinutes", 0)))
    try:
        steps = (*_steps_before_last(strategy, properties), last)
    except KeyError as error:
        raise UnresolvableError(f"{where}: DeploymentConfiguration has strategy {strategy} but no {error}") from None
    alarms = properties.get("Alarms", {})
    return DeploymentConfiguration(
        strategy=strategy,
        steps=steps,
        alarms=tuple(alarms.get("AlarmNames", ())) if alarms.get("Enable") else (),
        alarms_roll_back=bool(alarms.get("Rollback")),
        breaker=_breaker(properties.get("DeploymentCircuitBreaker", {}), where),
        minimum_percent=int(properties.get("MinimumHealthyPercent", 100)),
        maximum_percent=int(properties.get("MaximumPercent", 200)),
        hooks=read_hooks(properties, strategy, f"{where}.DeploymentConfiguration"),
        bake_is_given="BakeTimeInMinutes" in properties,
    )


def _steps_before_last(strategy: str, properties: Mapping[str, Any]) -> list[TrafficStep]:
    match strategy:
        case "ROLLING" | "BLUE_GREEN":
            return []
        case "CANARY":
            canary = {**_CANARY, **properties.get("CanaryConfiguration", {})}
            return [TrafficStep(float(canary["CanaryPercent"]), int(canary["CanaryBakeTimeInMinutes"]))]
        case "LINEAR":
            linear = {**_LINEAR, **properties.get("LinearConfiguration", {})}
            size, bake = float(linear["StepPercent"]), int(linear["StepBakeTimeInMinutes"])
            return [TrafficStep(size * number, bake) for number in range(1, math.ceil(100 / size))]
    raise KeyError(f"strategy {strategy!r} that the rehearsal knows")


def _breaker(properties: Mapping[str, Any], where: str) -> CircuitBreaker | None:
    if not properties.get("Enable"):
        return None
    threshold = properties.get("ThresholdConfiguration", {})
    kind = threshold.get("Type", "BOUNDED_PERCENT")
    if kind not in ("COUNT", "BOUNDED_PERCENT", "UNBOUNDED_PERCENT"):
        raise UnresolvableError(f"{where}: ThresholdConfiguration.Type {kind!r} is not one that the rehearsal knows")
    return CircuitBreaker(
        kind=kind,
        value=int(threshold.get("Value", 50)),
        reset_on_healthy_task=bool(properties.get("ResetOnHealthyTask", True)),
        rolls_back=bool(properties.get("Rollback")),
    )
