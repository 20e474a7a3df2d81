"""The data classes of a running environment, which cross the boundary to AWS or to a rehearsal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Template = dict[str, Any]
"""A CloudFormation template as parsed JSON."""

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


@dataclass(frozen=True)
class RunningTask:
    """A task that ECS keeps running.

    Attributes:
        revision: ``family:revision`` of its task definition.
        status: ``RUNNING``, or one that comes before or after it.
        healthy: What its container health check says; None before it has said anything.
        image: Reference of the image that its container was started from.
        digest: Digest that the reference stood for then; None before it was pulled.
        cpu: CPU units.
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
        revision: ``family:revision`` of its task definition.
        at: When it ended, UTC.
        reason: Why, in ECS's words.
        exit_code: Its container's; None where it never started.
        container_reason: What ECS says about the container, if anything.
        log_stream: Where its container's log is, in the log group of its service.
    """

    revision: str
    at: datetime | None
    reason: str
    exit_code: int | None
    container_reason: str
    log_stream: str = ""


@dataclass(frozen=True)
class Deployment:
    """A deployment of a service, as ECS describes it with the service.

    Attributes:
        status: ``PRIMARY`` for the newest, ``ACTIVE`` for one that still has tasks.
        rollout_state: ``IN_PROGRESS``, ``COMPLETED`` or ``FAILED``.
        reason: Why it is in that state.
        revision: ``family:revision`` of its task definition.
        created_at: When it began, UTC.
        desired: Number of tasks that it wants.
        running: Number of tasks that run.
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
        reason: Why.
        alarms: Names of the alarms that stopped it.
        started_at: When it began, UTC.
    """

    status: str
    reason: str
    alarms: tuple[str, ...]
    started_at: datetime | None


@dataclass(frozen=True)
class Service:
    """A service and what runs of it.

    Attributes:
        name: Its name in ``nova.toml``.
        stack: Name of its stack, which is also its name in ECS.
        revision: ``family:revision`` of the task definition that it is meant to run.
        desired: Number of tasks that it is meant to run.
        running: Number of tasks that run.
        deployments: Newest first; more than one while a deployment is under way.
        tasks: Its tasks.
        deployment_alarms: Names of the alarms that roll its deployments back.
        events: ECS's latest messages, newest first.
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


@dataclass(frozen=True)
class TaskDefinition:
    """A revision of a task definition.

    Attributes:
        revision: ``family:revision``.
        active: Whether it can be run; an inactive one cannot be gone back to.
        image: Reference of its container's image.
    """

    revision: str
    active: bool
    image: str


@dataclass(frozen=True)
class Stack:
    """A deployed stack.

    Attributes:
        name: Its name.
        status: CloudFormation's word for its state.
        reason: Why it is in that state, if CloudFormation says so.
        change_set: ARN of the change set that it was last changed by; empty where it was none.
        parameters: Parameter to value.
        capabilities: What it was acknowledged to need.
        tags: Key to value.
        notifications: ARNs of the topics that are told of its events.
        outputs: Output to value.
        arn: Its ARN.
    """

    name: str
    status: str
    reason: str = ""
    change_set: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    notifications: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    arn: str = ""

    @property
    def busy(self) -> bool:
        """Whether an operation on it is under way."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def updatable(self) -> bool:
        """Whether it can be changed: it is complete, be it after a rollback."""
        return self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")


@dataclass(frozen=True)
class StackEvent:
    """Something that CloudFormation did to a resource.

    Attributes:
        logical_id: The resource.
        type: Its type.
        status: What came of it.
        reason: Why, if CloudFormation says so.
        at: When, UTC.
    """

    logical_id: str
    type: str
    status: str
    reason: str
    at: datetime | None


@dataclass(frozen=True)
class Alarm:
    """A CloudWatch alarm.

    Attributes:
        name: Its name.
        state: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``.
        reason: Why it is in that state, with the values that it saw.
        since: Since when, UTC.
        composite: Whether it is made of other alarms.
    """

    name: str
    state: str
    reason: str
    since: datetime | None
    composite: bool = False

    @property
    def condition(self) -> str:
        """What a person accepts of it: one that is accepted without data is not accepted in ALARM."""
        return f"{self.name} {'without data' if self.state == 'INSUFFICIENT_DATA' else f'in {self.state}'}"


@dataclass(frozen=True)
class Certificate:
    """A TLS certificate of an environment.

    Attributes:
        domain: The name that it is for.
        status: ``ISSUED``, or why it is not.
        expires: When it ends, UTC.
    """

    domain: str
    status: str
    expires: datetime | None


@dataclass(frozen=True)
class ParameterVersion:
    """One version of a parameter in Parameter Store.

    Attributes:
        version: Its number, counted from 1.
        value: Its value.
        at: When it was written, by the clock of the store, UTC; None where that keeps no time.
    """

    version: int
    value: str
    at: datetime | None = None


@dataclass(frozen=True)
class Change:
    """What a change set would do to one resource.

    Attributes:
        action: ``Add``, ``Modify``, ``Remove``, …
        logical_id: The resource.
        type: Its type.
        replacement: ``True``, ``False`` or ``Conditional``; empty where the question does not arise.
        causes: What makes it change: ``direct`` for its own properties, else the logical id of the resource that it
            takes a value from.
    """

    action: str
    logical_id: str
    type: str
    replacement: str = ""
    causes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeSet:
    """A change set that is ready.

    Attributes:
        stack: Name of the stack.
        name: Its ARN, or its name.
        changes: What it would do; empty where nothing differs.
    """

    stack: str
    name: str
    changes: tuple[Change, ...]


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
class LogEvent:
    """A line of a log.

    Attributes:
        id: What CloudWatch knows it by.
        at: When it was written, UTC.
        task: Id of the task that wrote it.
        message: The line.
    """

    id: str
    at: datetime
    task: str
    message: str


@dataclass(frozen=True)
class TaskDetail:
    """A task, as an operator looks at it.

    Attributes:
        arn: Its ARN.
        revision: ``family:revision`` of its task definition.
        status: ECS's word for its state.
        health: ``healthy``, ``unhealthy`` or ``unknown``.
        zone: Where it runs.
        image: Reference of its image.
        digest: Digest that the reference stood for; None before it was pulled.
        started: When it started, UTC.
        stopped: When it ended, UTC; None while it runs.
        reason: Why it ended.
        exit_code: Its container's; None where it never started, or runs.
    """

    arn: str
    revision: str
    status: str
    health: str
    zone: str
    image: str
    digest: str | None
    started: datetime | None
    stopped: datetime | None = None
    reason: str = ""
    exit_code: int | None = None

    @property
    def id(self) -> str:
        """The last part of its ARN, as log streams have it."""
        return self.arn.rpartition("/")[2]


@dataclass(frozen=True)
class OneOff:
    """A task that was started by itself.

    Attributes:
        arn: Its ARN.
        log_group: Where its log is.
        log_stream: The stream in it.
    """

    arn: str
    log_group: str
    log_stream: str


@dataclass(frozen=True)
class Capacity:
    """How many tasks a service may have.

    Attributes:
        least: The least, now.
        most: The most, now.
        usual: The least and the most, when nothing is scaled for an incident.
        scaled: Whether it is scaled for an incident.
    """

    least: int
    most: int
    usual: tuple[int, int]
    scaled: bool


@dataclass(frozen=True)
class PlayedRelease:
    """The release that a rehearsal plays in an environment.

    Attributes:
        release: Its name.
        images: Service to image, with a digest.
        templates: Stack name to template of the environment's stacks.
    """

    release: str
    images: Mapping[str, Image]
    templates: Mapping[str, Template]
