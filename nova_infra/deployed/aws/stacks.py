"""An environment's stacks in CloudFormation: templates, failures, change sets with parameters, waiting."""

import json
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nova_infra.deployed.aws.answers import names_its_own_source, read_change, read_revision, read_stack
from nova_infra.deployed.aws.client.errors import DeniedError, ServiceError
from nova_infra.deployed.aws.client.session import Aws, pause
from nova_infra.deployed.stack import MAX_BYTES_WITHOUT_BUCKET, Certificate, ChangeSet, Stack, StackEvent, Template
from nova_infra.errors import AwsError, PassingError, RefusedError, StrangerError
from nova_infra.names import EVENT_SOURCE, stack_name

_CHANGE_SET_SECONDS = 300
_SECONDS_UNTIL_BEGUN = 1.0
"""Until a stack shows that its change set is being executed."""
_SECONDS_BETWEEN_LOOKS = 2.0
_PATIENCE_SECONDS = 600
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class AwsStacks(ABC):
    """The part of :class:`nova_infra.deployed.aws.environment.AwsEnvironment` that CloudFormation answers for."""

    def __init__(self, prefix: str, *, aws: Aws) -> None:
        self.prefix = prefix
        self.aws = aws
        self._lists_stacks = True

    def announce(self, message: str) -> None:
        """Report an action in an event, which the platform's stack sends to the alert topic (API_PutEvents)."""
        event = {"Source": EVENT_SOURCE, "DetailType": self.prefix, "Detail": json.dumps({"message": message})}
        answer = self.aws.call("events", "put_events", Entries=[event])
        if answer.get("FailedEntryCount"):
            raise AwsError(f"AWS: events:put_events: {answer['Entries'][0].get('ErrorMessage', 'no message')}")

    @abstractmethod
    def service_names(self) -> tuple[str, ...]:
        """The names of the services."""

    def stack_name(self, name: str) -> str:
        return stack_name(self.prefix, name)

    def stacks(self, names: Sequence[str] | None = None) -> tuple[Stack, ...]:
        if self._lists_stacks:  # in one paginated call: DescribeStacks is throttled at a few calls a second
            try:
                found = [read_stack(s) for s in self.aws.pages("cloudformation", "describe_stacks", "Stacks")]
            except DeniedError:
                # The roles of an environment are those of its last deployment, and may be older: then a stack whose
                # first deployment failed is not found.
                self._lists_stacks = False
        if not self._lists_stacks:
            known = ("platform", *self.service_names(), "overview") if names is None else ()
            wanted = names if names is not None else [self.stack_name(name) for name in known]
            found = [stack for stack in self.aws.each(self._stack, sorted(set(wanted))) if stack is not None]
        if names is None:
            return tuple(sorted(_within(self.prefix, found), key=lambda stack: stack.name))
        by_name = {stack.name: stack for stack in found}
        return tuple(by_name[name] for name in names if name in by_name)

    def _stack(self, name: str) -> Stack | None:
        return _stack(self.aws, name)

    def stack_revisions(self, stacks: Sequence[Stack]) -> Mapping[str, str]:
        def asked(stack: str) -> str:
            found = self.aws.pages("cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=stack)
            arns = [str(r["PhysicalResourceId"]) for r in found if r["ResourceType"] == "AWS::ECS::TaskDefinition"]
            return read_revision(arns[0]) if len(arns) == 1 else ""

        said = {s.name: read_revision(made) for s in stacks if (made := s.revision)}
        silent = [stack.name for stack in stacks if stack.name not in said]
        answers = zip(silent, self.aws.each(asked, silent), strict=True)
        return said | {stack: made for stack, made in answers if made}

    def template(self, stack: str) -> Template:
        return _template(self.aws, stack)

    def failures(self, stack: str) -> tuple[StackEvent, ...]:
        failed = []
        for event in self.aws.pages("cloudformation", "describe_stack_events", "StackEvents", StackName=stack):
            status = event.get("ResourceStatus", "")
            if status.endswith("_FAILED"):
                failed.append(
                    StackEvent(
                        logical_id=event.get("LogicalResourceId", ""),
                        type=event.get("ResourceType", ""),
                        status=status,
                        reason=event.get("ResourceStatusReason", ""),
                        at=event.get("Timestamp"),
                    )
                )
            begins = event.get("PhysicalResourceId") == event["StackId"] and status in (
                "CREATE_IN_PROGRESS",
                "UPDATE_IN_PROGRESS",
                "DELETE_IN_PROGRESS",
            )
            if begins:
                break
        return tuple(reversed(failed))

    def certificates(self) -> tuple[Certificate, ...]:
        resources = self.aws.pages(
            "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=self.stack_name("platform")
        )
        found = []
        for resource in resources:
            if resource["ResourceType"] == "AWS::CertificateManager::Certificate":
                arn = resource["PhysicalResourceId"]
                certificate = self.aws.call("acm", "describe_certificate", CertificateArn=arn)["Certificate"]
                found.append(Certificate(certificate["DomainName"], certificate["Status"], certificate.get("NotAfter")))
        return tuple(found)

    def create_change_set(self, stack: Stack, template: Template, *, name: str, description: str) -> ChangeSet:
        body = json.dumps(template, separators=(",", ":"))
        if len(body.encode()) > MAX_BYTES_WITHOUT_BUCKET:
            raise RefusedError(
                f"{stack.name}: its template has {len(body.encode()):,} bytes, but CloudFormation accepts only "
                f"{MAX_BYTES_WITHOUT_BUCKET:,} without a bucket: deploy the earlier commit through the pipeline instead"
            )
        more: dict[str, Any] = {"NotificationARNs": list(stack.notifications)} if stack.notifications else {}
        # CloudFormation keeps acting with the stack's own role as long as none is named, and the caller need not pass
        # it.
        self.aws.write(
            "cloudformation",
            "create_change_set",
            done=lambda: bool(self._state(stack.name, name)),
            StackName=stack.name,
            ChangeSetName=name,
            ChangeSetType="UPDATE",
            ClientToken=name,
            Description=description,
            TemplateBody=body,
            Parameters=[
                {"ParameterKey": key, "UsePreviousValue": True}
                for key in stack.parameters
                if not names_its_own_source(template, key)
            ],
            Capabilities=list(stack.capabilities) or ["CAPABILITY_NAMED_IAM"],
            Tags=[{"Key": key, "Value": value} for key, value in stack.tags.items()],
            **more,
        )
        return self._ready(stack, name)

    def _ready(self, stack: Stack, name: str) -> ChangeSet:
        """A change set, once CloudFormation has made it: within seconds, for a few resources."""
        until = time.monotonic() + _CHANGE_SET_SECONDS
        wait = 0.25
        while (state := self._state(stack.name, name)).get("Status") in (None, "CREATE_PENDING", "CREATE_IN_PROGRESS"):
            if time.monotonic() > until:
                raise AwsError(f"{stack.name}: CloudFormation took too long to make a change set: run this again")
            pause(wait)
            wait = min(2 * wait, 4)
        arn = state["ChangeSetId"]
        if state["Status"] != "CREATE_COMPLETE":
            return self._unready(stack, state)
        changes = list(state.get("Changes", ()))
        if "NextToken" in state:
            which = {"StackName": stack.name, "ChangeSetName": arn}
            changes = list(self.aws.pages("cloudformation", "describe_change_set", "Changes", **which))
        return ChangeSet(
            stack.name, arn, tuple(read_change(c["ResourceChange"]) for c in changes if "ResourceChange" in c)
        )

    def _state(self, stack: str, change_set: str) -> dict[str, Any]:
        """A change set as CloudFormation describes it; nothing where there is none."""
        try:
            return self.aws.call("cloudformation", "describe_change_set", StackName=stack, ChangeSetName=change_set)
        except ServiceError as error:
            if error.code == "ChangeSetNotFound" or "does not exist" in str(error):
                return {}
            raise

    def _unready(self, stack: Stack, state: Mapping[str, Any]) -> ChangeSet:
        """An empty change set where CloudFormation found no change.

        Raises:
            AwsError: It was something else.
        """
        reason = state.get("StatusReason", "no reason given")
        unready = ChangeSet(stack.name, state["ChangeSetId"], ())
        self.delete_change_set(unready)
        if state["Status"] == "FAILED" and any(text in reason for text in _NO_CHANGES):
            return unready
        raise AwsError(f"{stack.name}: CloudFormation made no change set ({state['Status']}): {reason}")

    def execute_change_set(self, change_set: ChangeSet) -> bool:
        stack, name = change_set.stack, change_set.name
        try:
            self.aws.write(
                "cloudformation",
                "execute_change_set",
                done=lambda: self._begun(change_set),
                StackName=stack,
                ChangeSetName=name,
                ClientRequestToken=token(name),
            )
        except ServiceError as error:
            if error.code in ("InvalidChangeSetStatus", "ChangeSetNotFound", "ValidationError"):
                return self._begun(change_set)
            raise
        return True

    def _begun(self, change_set: ChangeSet) -> bool:
        """Whether a change set is being executed, or has been: CloudFormation says so itself, or its stack does."""
        state = self._state(change_set.stack, change_set.name)
        if str(state.get("ExecutionStatus", "")).startswith("EXECUTE_"):
            return True
        stack = self._stack(change_set.stack) if state.get("ExecutionStatus") != "AVAILABLE" else None
        return stack is not None and bool(stack.change_set) and stack.change_set == change_set.name

    def change_set_names(self, stack: str) -> tuple[str, ...]:
        listed = self.aws.pages("cloudformation", "list_change_sets", "Summaries", StackName=stack)
        return tuple(
            each["ChangeSetName"]
            for each in listed
            if each.get("ExecutionStatus") == "AVAILABLE" and each.get("StackName", stack) == stack
        )

    def delete_change_set(self, change_set: ChangeSet) -> None:
        try:
            self.aws.write(
                "cloudformation",
                "delete_change_set",
                done=lambda: not self._state(change_set.stack, change_set.name),
                StackName=change_set.stack,
                ChangeSetName=change_set.name,
            )
        except ServiceError as error:
            if error.code not in ("ChangeSetNotFound", "InvalidChangeSetStatus"):
                raise

    def cancel_update(self, stack: str) -> None:
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CancelUpdateStack.html
        def done() -> bool:
            found = self._stack(stack)
            return found is None or found.status != "UPDATE_IN_PROGRESS"

        try:
            self.aws.write(
                "cloudformation",
                "cancel_update_stack",
                done=done,
                StackName=stack,
                ClientRequestToken=token(f"cancel-{secrets.token_hex(8)}"),
            )
        except ServiceError as error:
            if error.code != "ValidationError" or not done():
                raise

    def wait_for_stacks(self, names: Sequence[str]) -> Iterator[Stack]:
        # One call asks for all of them. Calls that are throttled or unanswered are repeated, for ten minutes.
        waiting, unanswered_since = set(names), None
        seconds = _SECONDS_UNTIL_BEGUN
        while waiting:
            pause(seconds)
            seconds = _SECONDS_BETWEEN_LOOKS
            try:
                found = self.stacks(sorted(waiting))
            except PassingError:
                unanswered_since = unanswered_since or time.monotonic()
                if time.monotonic() - unanswered_since > _PATIENCE_SECONDS:
                    raise
                continue
            unanswered_since = None
            if gone := waiting - {stack.name for stack in found}:
                raise AwsError(f"{', '.join(sorted(gone))}: was deleted in the meantime: find out who did it")
            for stack in found:
                if not stack.busy:
                    waiting.discard(stack.name)
                    yield stack


def deployed_template(aws: Aws, name: str) -> Template | None:
    """The template that a stack was last deployed with; None without such a stack, or where that did not succeed."""
    stack = _stack(aws, name)
    return _template(aws, name) if stack is not None and stack.succeeded else None


def _stack(aws: Aws, name: str) -> Stack | None:
    try:
        [stack] = aws.call("cloudformation", "describe_stacks", StackName=name)["Stacks"]
    except ServiceError as error:
        if error.code == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return read_stack(stack)


def _template(aws: Aws, stack: str) -> Template:
    answer = aws.call("cloudformation", "get_template", StackName=stack, TemplateStage="Original")
    body = answer["TemplateBody"]
    if isinstance(body, str):  # botocore parses JSON by itself where the answer allows it
        try:
            body = json.loads(body)
        except ValueError:
            body = None
    if not isinstance(body, dict):
        raise StrangerError(f"{stack}: its template is not JSON: deploy it with Nova first")
    return dict(body)


def token(name: str) -> str:
    """A token with which CloudFormation recognizes a repeated request: at most 128 letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9-]", "-", name)[-128:].lstrip("-")


def _within(prefix: str, stacks: Iterable[Stack]) -> list[Stack]:
    """The stacks of an environment, and none of another one whose longer name begins with its name."""
    own = [stack for stack in stacks if stack.name.startswith(f"{prefix}-")]
    others = [s.name.removesuffix("platform") for s in own if s.name.removeprefix(f"{prefix}-").endswith("-platform")]
    return [stack for stack in own if not any(stack.name.startswith(other) for other in others)]
