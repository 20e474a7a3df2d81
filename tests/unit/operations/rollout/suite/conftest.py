"""A release whose deployments wait for a suite."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.rollouts import World, target_group
from nova_infra.operations.rollout.suite.gate import SuiteGate

_LONGEST = timedelta(hours=6)
OLD, NEW = {"Resources": {"Image": "old"}}, {"Resources": {"Image": "new"}}


def together(*steps: Callable[[], None]) -> Callable[[], None]:
    """One step of several."""

    def run() -> None:
        for step in steps:
            step()

    return run


class Release:
    """A release of some services, as CloudFormation and ECS go through it while the gate looks on."""

    def __init__(self, environment: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.environment = world, environment
        self.status: dict[str, str] = {}
        self.deployed: dict[str, Any] = {}
        self.plan: list[Callable[[], None]] = []
        self.lines: list[str] = []
        self.runs: list[tuple[str, ...]] = []
        monkeypatch.setattr(environment, "stacks", self._stacks)
        monkeypatch.setattr(environment, "template", lambda name: self.deployed[name.removeprefix("nova-prod-")])
        monkeypatch.setattr(environment, "put_parameter", lambda *_: 1)
        monkeypatch.setattr(environment, "caller", lambda: "the gate")
        for service in ("s01-service", "s02-service"):
            world.requests[target_group(service, "green")] = 3

    def _stacks(self, names: tuple[str, ...]) -> list[SimpleNamespace]:
        known = {f"nova-prod-{name}": status for name, status in self.status.items()}
        return [SimpleNamespace(name=name, status=known[name]) for name in names if name in known]

    def runs_old(self, *services: str) -> None:
        for service in services:
            self.status[service], self.deployed[service] = "UPDATE_COMPLETE", OLD

    def begins(self, service: str) -> None:
        self.status[service] = "UPDATE_IN_PROGRESS"
        self.world.begin(service)

    def waits(self, service: str, weight: float = 0.0) -> None:
        [rollout] = [each for each in self.world.rollouts if each.service == service]
        rollout.stage, rollout.weight = "POST_TEST_TRAFFIC_SHIFT", weight
        rollout.hooks = [{"hookId": service, "targetType": "PAUSE", "status": "AWAITING_ACTION"}]

    def waits_until(self, service: str, *, minutes: float) -> None:
        """At a later step, for so long."""
        self.waits(service, weight=10.0)
        [rollout] = [each for each in self.world.rollouts if each.service == service]
        rollout.hooks[0]["expiresAt"] = self.world.now + timedelta(minutes=minutes)

    def ends(self, service: str, status: str = "UPDATE_COMPLETE") -> None:
        self.status[service] = status
        self.deployed[service] = NEW if status == "UPDATE_COMPLETE" else OLD
        for rollout in self.world.rollouts:
            if rollout.service == service:
                rollout.status, rollout.hooks = "SUCCESSFUL", []

    def suite(self, why: str = "", meanwhile: Callable[[], None] = lambda: None) -> Callable[..., str]:
        def run(still_wanted: Callable[[], bool], _: float) -> str:
            assert still_wanted()
            self.runs.append(tuple(sorted(r.service for r in self.world.rollouts if r.hooks)))
            meanwhile()
            return why

        return run

    def obey(self) -> None:
        """Have the stand-in of ECS carry out the answers that it got."""
        for what, params in self.world.answered:
            arn = params.get("serviceDeploymentArn")
            for rollout in self.world.rollouts:
                if rollout.arn == arn and rollout.hooks:
                    rollout.hooks = []
                    self.ends(rollout.service, "UPDATE_COMPLETE" if what == "continue" else "UPDATE_ROLLBACK_COMPLETE")

    def answer(self, *services: str, suite: Callable[..., str], patience: float = 600) -> list[str]:
        until = self.world.now + _LONGEST

        def wait(seconds: float) -> None:
            assert self.world.now < until, "the gate goes on for ever"
            self.world.pass_by(seconds)
            if self.plan:
                self.plan.pop(0)()
            self.obey()

        wanted = dict.fromkeys(services, NEW)
        gate = SuiteGate(self.environment, wanted, suite, patience, self.lines.append, 10.0, wait)
        return gate.answer()

    @property
    def told(self) -> list[tuple[str, str]]:
        """What ECS was told, and about which service."""
        return [
            (what, params["serviceDeploymentArn"].split("/")[-2].removeprefix("nova-prod-"))
            for what, params in self.world.answered
            if what != "event"
        ]


@pytest.fixture
def release(environment: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> Release:
    made = Release(environment, world, monkeypatch)
    made.runs_old("s01-service", "s02-service")
    return made
