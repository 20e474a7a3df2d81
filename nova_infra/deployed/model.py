"""The data classes of a running environment, which cross the boundary to AWS or to a rehearsal. Times are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nova_infra.deployed.stack import Template

VCPU_QUOTA = "L-3032A538"
"""Code of Fargate's quota "Fargate On-Demand vCPU resource count". A deployment needs room for twice the tasks."""


@dataclass(frozen=True)
class Image:
    """An image in a registry.

    Attributes:
        repository: ``<registry>/<name>``, without a tag.
        tag: Its tag; empty where it was asked for by digest and has none.
        digest: ``sha256:`` and 64 hexadecimal digits; None where it is not known.
    """

    repository: str
    tag: str
    digest: str | None = None

    @classmethod
    def parse(cls, reference: str) -> Image:
        """Read ``repository:tag``, ``repository@digest`` or both."""
        name, _, digest = reference.partition("@")
        place, slash, last = name.rpartition("/")
        last, _, tag = last.partition(":")
        return cls(f"{place}{slash}{last}", tag, digest or None)

    def __str__(self) -> str:
        """As a task definition refers to it."""
        return f"{self.repository}:{self.tag}" if self.tag else f"{self.repository}@{self.digest}"


def short_digest(digest: str) -> str:
    """A digest as people compare it: its algorithm and twelve of its digits."""
    return digest[:19]


@dataclass(frozen=True)
class RunningTask:
    """A task that ECS keeps running.

    Attributes:
        revision: ``family:revision`` of its task definition.
        status: ``RUNNING``, or one that comes before or after it.
        healthy: What its container health check says; None before it has said anything.
        image: Reference of the image that its container was started from.
        digest: Digest that the reference stood for then; None before it was pulled.
    """

    revision: str
    status: str
    healthy: bool | None
    image: str
    digest: str | None
    cpu: int


@dataclass(frozen=True)
class StoppedTask:
    """A task that ended within the last hour, which is how long ECS remembers it.

    Attributes:
        reason: Why, in ECS's words.
        exit_code: Its container's; None where it never started.
        container_reason: What ECS says about the container, if anything.
    """

    revision: str
    at: datetime | None
    reason: str
    exit_code: int | None
    container_reason: str
    log_stream: str = ""

    @property
    def words(self) -> str:
        """Why it ended, in AWS's words."""
        return "; ".join(part for part in (self.reason, self.container_reason) if part)


@dataclass(frozen=True)
class Deployment:
    """A deployment of a service, as ECS describes it with the service.

    Attributes:
        status: ``PRIMARY`` for the newest, ``ACTIVE`` for one that still has tasks.
        rollout_state: ``IN_PROGRESS``, ``COMPLETED`` or ``FAILED``.
        failed: Number of tasks that did not start.
    """

    status: str
    rollout_state: str
    reason: str
    revision: str
    created_at: datetime | None
    desired: int
    running: int
    failed: int


@dataclass(frozen=True)
class PastDeployment:
    """A deployment that ECS remembers, those that it rolled back included.

    Attributes:
        status: ``SUCCESSFUL``, ``ROLLBACK_SUCCESSFUL``, ``STOPPED``, … in ECS's words.
        started_at: When it began, UTC.
    """

    status: str
    reason: str
    alarms: tuple[str, ...]
    started_at: datetime | None


@dataclass(frozen=True)
class RunningService:
    """A service and what runs of it.

    Attributes:
        stack: Name of its stack, which is also its name in ECS.
        revision: ``family:revision`` of the task definition that it is meant to run.
        deployments: Newest first; more than one while a deployment is under way.
        events: ECS's latest messages, newest first.
        balanced: Whether a load balancer sends it requests; a worker has none.
    """

    name: str
    stack: str
    revision: str
    desired: int
    running: int
    deployments: tuple[Deployment, ...]
    tasks: tuple[RunningTask, ...]
    deployment_alarms: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    balanced: bool = True


@dataclass(frozen=True)
class TaskRevision:
    """A revision of a task definition.

    Attributes:
        revision: ``family:revision``.
        active: Whether it can be run; nothing can roll back to an inactive one.
    """

    revision: str
    active: bool
    image: str


@dataclass(frozen=True)
class Alarm:
    """A CloudWatch alarm.

    Attributes:
        state: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``.
    """

    name: str
    state: str
    reason: str
    since: datetime | None
    composite: bool = False

    @property
    def condition(self) -> str:
        """What a waiver covers: one for an alarm without data does not cover it in ALARM."""
        return f"{self.name} {'without data' if self.state == 'INSUFFICIENT_DATA' else f'in {self.state}'}"


@dataclass(frozen=True)
class ParameterVersion:
    """One version of a parameter in Parameter Store.

    Attributes:
        at: When it was written, by the clock of the store, UTC; None where that keeps no time.
    """

    version: int
    value: str
    at: datetime | None = None


@dataclass(frozen=True)
class StoredSecret:
    """A secret, without its value.

    Attributes:
        deleted: Whether it is scheduled for deletion, so that nobody can read it.
        labels: Staging labels that a version has, such as ``AWSCURRENT``; none where it has no value.
    """

    deleted: bool = False
    labels: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP.

    Attributes:
        status: Status code; 0 where there was none.
        body: Its text, or why there was no answer.
    """

    status: int
    body: str


@dataclass(frozen=True)
class PlayedRelease:
    """The release that a rehearsal plays in an environment."""

    release: str
    images: Mapping[str, Image]
    templates: Mapping[str, Template]
