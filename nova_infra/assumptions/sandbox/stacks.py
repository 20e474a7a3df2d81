"""The actions of an experiment in a sandbox account: deploy its one stack, call AWS, wait.

Everything that an experiment makes is in a stack with the tag :data:`TAG`, or goes with what is: so whatever is left
by a run that was killed is found again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, Protocol, TypeVar

from nova_infra.deployed.protocol import Account
from nova_infra.errors import AwsError, NovaError, PassingError

_Result = TypeVar("_Result")

Template = dict[str, Any]

TAG = "nova:prove"
PREFIX = "nova-prove"
GROUND = "ground"
_BETWEEN_LOOKS = 5.0
_STACK_MINUTES = 30


class SandboxAccount(Account, Protocol):
    """What is asked of the account: :class:`nova_infra.deployed.aws.client.session.Aws`."""

    @property
    def region(self) -> str:
        """Where the experiments run."""
        ...

    def assumed(self, role_arn: str) -> SandboxAccount:
        """The same account, by a role in it."""
        ...


class UndecidedError(Exception):
    """An experiment could not be carried out to its end; its text says why."""


class StoppedError(Exception):
    """The run was interrupted: the experiment ends where it is."""


@dataclass(frozen=True)
class SandboxStack:
    """A stack after CloudFormation has finished with it.

    Attributes:
        failure: The first resource that failed, and why; empty where none did.
    """

    name: str
    status: str
    outputs: Mapping[str, str]
    failure: str = ""

    @property
    def is_deployed(self) -> bool:
        """Whether the template is what is there."""
        return self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


class Sandbox:
    """A sandbox account, for one experiment.

    Attributes:
        ground: Outputs of the stack that experiments share; empty where the experiment needs none of it.
        now: The time, UTC.
    """

    def __init__(
        self,
        account: SandboxAccount,
        name: str,
        *,
        ground: Mapping[str, str],
        stopped: Event,
        minutes: float = _STACK_MINUTES,
        pause: Callable[[float], object] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Nothing is deployed yet.

        Args:
            stopped: Set when the run is interrupted.
            minutes: How long the experiment may take; it is undecided then.
        """
        self.name, self.ground = name, ground
        self._account, self._stopped, self.now = account, stopped, clock
        self._pause = pause or stopped.wait
        self._minutes, self._end = minutes, clock() + timedelta(minutes=minutes)
        self._has_stack = False

    @property
    def region(self) -> str:
        """Where the experiment runs."""
        return self._account.region

    @property
    def stack_name(self) -> str:
        """Name of the experiment's stack."""
        return f"{PREFIX}-{self.name}"

    def call(self, service: str, operation: str, /, **arguments: Any) -> dict[str, Any]:
        """Call an operation of AWS."""
        if self._stopped.is_set():
            raise StoppedError
        return self._account.call(service, operation, **arguments)

    def pages(self, service: str, operation: str, key: str, /, **arguments: Any) -> Iterator[Any]:
        """All items under a key of a paginated operation's answers."""
        if self._stopped.is_set():
            raise StoppedError
        return self._account.pages(service, operation, key, **arguments)

    def assume(self, role_arn: str) -> SandboxAccount | None:
        """The account by a role in it; None while the role cannot be assumed yet."""
        try:
            return self._account.assumed(role_arn)
        except NovaError:
            return None

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._pause(seconds)
        if self._stopped.is_set():
            raise StoppedError

    def wait(self, what: str, look: Callable[[], _Result | None], *, minutes: float) -> _Result:
        """The first answer that is true, of looks a few seconds apart.

        Args:
            what: What is waited for, for the reading where it does not come.
        """
        until = min(self.now() + timedelta(minutes=minutes), self._end)
        while True:
            try:
                if found := look():
                    return found
            except PassingError:
                pass  # AWS did not answer this time
            if self.now() >= self._end:
                raise UndecidedError(f"the experiment waited for {what} when its {self._minutes:g} minutes were over")
            if self.now() >= until:
                raise UndecidedError(f"{what} did not come within {minutes:g} minutes")
            self.sleep(_BETWEEN_LOOKS)

    def start(self, template: Template) -> None:
        """Have CloudFormation make the experiment's stack, or change it, without waiting for it."""
        operation = "update_stack" if self._has_stack else "create_stack"
        # A failed creation is left as it is: the experiment reads it, and everything goes afterwards anyway.
        more: dict[str, Any] = {} if self._has_stack else {"OnFailure": "DO_NOTHING"}
        self.call(
            "cloudformation",
            operation,
            StackName=self.stack_name,
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_IAM"],
            Tags=[{"Key": TAG, "Value": self.name}],
            ClientRequestToken=f"{self.name}-{uuid.uuid4()}",  # a repeated call is the same request
            **more,
        )
        self._has_stack = True

    def settled(self, *, minutes: float = _STACK_MINUTES) -> SandboxStack:
        """The experiment's stack, once CloudFormation has finished with it."""
        return self.wait(f"the end of {self.stack_name}'s deployment", self._look, minutes=minutes)

    def try_to_deploy(self, template: Template) -> SandboxStack:
        """Make the experiment's stack, or change it, and wait; it may fail."""
        self.start(template)
        return self.settled()

    def deploy(self, template: Template) -> SandboxStack:
        """Make the experiment's stack, or change it, and wait.

        Raises:
            UndecidedError: It failed, so that nothing is known.
        """
        stack = self.try_to_deploy(template)
        if not stack.is_deployed:
            raise UndecidedError(f"{self.stack_name} ended in {stack.status}: {stack.failure or 'no reason given'}")
        return stack

    def _look(self) -> SandboxStack | None:
        [found] = self.call("cloudformation", "describe_stacks", StackName=self.stack_name)["Stacks"]
        status = str(found["StackStatus"])
        if status.endswith("_IN_PROGRESS"):
            return None
        outputs = {each["OutputKey"]: str(each["OutputValue"]) for each in found.get("Outputs", ())}
        stack = SandboxStack(self.stack_name, status, outputs)
        return stack if stack.is_deployed else SandboxStack(self.stack_name, status, outputs, self._failure())

    def _failure(self) -> str:
        events = self.call("cloudformation", "describe_stack_events", StackName=self.stack_name)["StackEvents"]
        failed = [event for event in events if str(event.get("ResourceStatus", "")).endswith("_FAILED")]
        # The newest is first; what was cancelled because of another one is not a cause.
        causes = [event for event in failed if "cancelled" not in event.get("ResourceStatusReason", "")]
        if not causes:
            return ""
        return f"{causes[-1]['LogicalResourceId']}: {causes[-1].get('ResourceStatusReason', 'no reason given')}"


class LeftoversError(AwsError):
    """Something that experiments made could not be removed."""
