"""An environment whose answers a test decides, and values to decide on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nova_infra.deployed.background import Backlog, JobRun, RunningJob
from nova_infra.deployed.model import (
    Alarm,
    Deployment,
    ParameterVersion,
    PastDeployment,
    RunningService,
    RunningTask,
    StoppedTask,
)
from nova_infra.deployed.rollouts import RequestRate
from nova_infra.deployed.stack import Stack, StackEvent
from nova_infra.errors import NovaError
from nova_infra.operations.records.ledger import Entry, Outcome, ReleasedImage, encode_entry

GOOD, BAD = "a" * 40, "b" * 40


@dataclass
class Stub:
    """Answers with what it holds. A method that ``broken`` names raises its error instead."""

    name: str = "prod"
    held_services: tuple[RunningService, ...] = ()
    held_alarms: tuple[Alarm, ...] = ()
    entries: tuple[Entry, ...] = ()
    stopped: Mapping[str, tuple[StoppedTask, ...]] = field(default_factory=dict)
    past: Mapping[str, tuple[PastDeployment, ...]] = field(default_factory=dict)
    failed: Mapping[str, tuple[StackEvent, ...]] = field(default_factory=dict)
    logs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    templates: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    held_stacks: tuple[Stack, ...] | None = None
    revisions: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, NovaError] = field(default_factory=dict)
    held_jobs: tuple[RunningJob, ...] = ()
    failed_tasks: Mapping[str, StoppedTask] = field(default_factory=dict)
    held_backlogs: Mapping[str, Backlog] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        return f"nova-{self.name}"

    def _check(self, method: str) -> None:
        if method in self.broken:
            raise self.broken[method]

    def services(self) -> tuple[RunningService, ...]:
        self._check("services")
        return self.held_services

    def jobs(self) -> tuple[RunningJob, ...]:
        self._check("jobs")
        return self.held_jobs

    def failed_task(self, run: JobRun) -> StoppedTask:
        self._check("failed_task")
        return self.failed_tasks.get(run.arn) or StoppedTask("", run.ended, "", None, "")

    def backlogs(self, services: Sequence[RunningService]) -> Mapping[str, Backlog]:
        assert services == self.held_services
        return self.held_backlogs

    def service_names(self) -> tuple[str, ...]:
        return tuple(service.name for service in self.services())

    def stacks(self, _: Sequence[str] | None = None) -> tuple[Stack, ...]:
        self._check("stacks")
        if self.held_stacks is not None:
            return self.held_stacks
        return tuple(Stack(service.stack, "UPDATE_COMPLETE") for service in self.held_services)

    def stack_revisions(self, _: Sequence[Stack]) -> Mapping[str, str]:
        return self.revisions

    def request_rates(self) -> Mapping[str, RequestRate]:
        self._check("request_rates")
        return {"audio": RequestRate(4, {"errors": 20, "latency": 20})}

    def alarms(self) -> tuple[Alarm, ...]:
        self._check("alarms")
        return self.held_alarms

    def history(self, parameter: str) -> tuple[ParameterVersion, ...]:
        self._check("history")
        assert parameter == f"/nova/{self.name}/release"
        return tuple(ParameterVersion(n, encode_entry(entry)) for n, entry in enumerate(self.entries, 1))

    def parameters(self, path: str) -> Mapping[str, str]:
        self._check("parameters")
        return {name: value for name, value in self.values.items() if name.startswith(path)}

    def stack_name(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def stopped_tasks(self, service: str) -> tuple[StoppedTask, ...]:
        self._check("stopped_tasks")
        return self.stopped.get(service, ())

    def past_deployments(self, service: str) -> tuple[PastDeployment, ...]:
        self._check("past_deployments")
        return self.past.get(service, ())

    def failures(self, stack: str) -> tuple[StackEvent, ...]:
        self._check("failures")
        return self.failed.get(stack, ())

    def log_lines(self, service: str, stream: str, count: int) -> tuple[str, ...]:
        self._check("log_lines")
        assert stream.startswith(self.stack_name(service))
        return self.logs.get(service, ())[-count:]

    def template(self, stack: str) -> dict[str, Any]:
        self._check("template")
        return self.templates[stack]


def deployment(state: str = "COMPLETED", **changes: Any) -> Deployment:
    values = {
        "status": "PRIMARY",
        "rollout_state": state,
        "reason": "",
        "revision": "family:1",
        "created_at": datetime.now(UTC) - timedelta(minutes=12, seconds=5),
        "desired": 2,
        "running": 2,
        "failed": 0,
    }
    return Deployment(**{**values, **changes})


def service(name: str = "audio", *, tag: str = "tag1", digest: str | None = None, **changes: Any) -> RunningService:
    task = RunningTask("family:1", "RUNNING", True, f"registry/nova/{name}:{tag}", digest, 256)
    values = {
        "name": name,
        "stack": f"nova-prod-{name}",
        "revision": "family:1",
        "desired": 2,
        "running": 2,
        "deployments": (deployment(),),
        "tasks": (task, task),
    }
    return RunningService(**{**values, **changes})


def alarm(name: str, state: str = "OK", reason: str = "", **changes: Any) -> Alarm:
    return Alarm(f"nova-prod-{name}", state, reason, datetime(2026, 11, 24, 1, 0, tzinfo=UTC), **changes)


def entry(release: str = GOOD, outcome: Outcome = "verified", *, hours_ago: float = 3, **tags: str) -> Entry:
    images = {name: ReleasedImage(tag, f"sha256:{tag.encode().hex():0>64}") for name, tag in tags.items()}
    at = datetime.now(UTC) - timedelta(hours=hours_ago, seconds=1)
    return Entry(release, images, at, outcome, "pipeline")


def stopped(reason: str, exit_code: int | None = None, *, minutes_ago: float = 5, name: str = "audio") -> StoppedTask:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return StoppedTask("family:2", at, reason, exit_code, "", f"nova-prod-{name}/app/{minutes_ago}")


def past(
    status: str = "ROLLBACK_SUCCESSFUL", reason: str = "", *alarms: str, minutes_ago: float = 30
) -> PastDeployment:
    return PastDeployment(status, reason, alarms, datetime.now(UTC) - timedelta(minutes=minutes_ago, seconds=1))


@dataclass(frozen=True)
class Making:
    """The functions above, for tests."""

    stub: Callable[..., Stub] = Stub
    service: Callable[..., RunningService] = service
    deployment: Callable[..., Deployment] = deployment
    alarm: Callable[..., Alarm] = alarm
    entry: Callable[..., Entry] = entry
    stopped: Callable[..., StoppedTask] = stopped
    past: Callable[..., PastDeployment] = past
    good: str = GOOD
    bad: str = BAD


@pytest.fixture(scope="session")
def make() -> Making:
    """Makes stubs and the values that they hold."""
    return Making()


def lines(text: str) -> Sequence[str]:
    return [line.rstrip() for line in text.splitlines()]
