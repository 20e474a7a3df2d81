"""Stacks as CloudFormation has them: which states are busy or updatable; change sets. Times are UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nova_infra.names import REVISION_OUTPUT

Template = dict[str, Any]
"""A CloudFormation template as parsed JSON."""
MAX_BYTES_WITHOUT_BUCKET = 51_200
"""Of a template that is sent in the call itself:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html."""


@dataclass(frozen=True)
class Stack:
    """A deployed stack.

    Attributes:
        change_set: ARN of the change set that it was last changed by; empty where it was none.
        capabilities: What it was acknowledged to need.
        notifications: ARNs of the topics that are notified of its events.
        protected: Whether it refuses to be deleted.
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
    protected: bool = False

    @property
    def busy(self) -> bool:
        """Whether an operation on it is under way."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def updatable(self) -> bool:
        """Whether it can be changed: it is complete, be it after a rollback."""
        return self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")

    @property
    def succeeded(self) -> bool:
        """Whether it is as its last deployment wanted it."""
        return self.updatable and "ROLLBACK" not in self.status

    @property
    def revision(self) -> str:
        """ARN of the task definition that it made last; empty after a failure, or from an old version of Nova."""
        return self.outputs.get(REVISION_OUTPUT, "") if self.succeeded else ""


@dataclass(frozen=True)
class StackEvent:
    """Something that CloudFormation did to a resource."""

    logical_id: str
    type: str
    status: str
    reason: str
    at: datetime | None


@dataclass(frozen=True)
class Change:
    """What a change set would do to one resource.

    Attributes:
        action: ``Add``, ``Modify``, ``Remove``, …
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
        name: Its ARN, or its name.
        changes: What it would do; empty where nothing differs.
    """

    stack: str
    name: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Certificate:
    """A TLS certificate of an environment."""

    domain: str
    status: str
    expires: datetime | None
