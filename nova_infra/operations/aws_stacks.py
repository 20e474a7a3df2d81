"""An environment's stacks in AWS CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nova_infra.operations.aws_answers import names_its_own_source, read_change
from nova_infra.operations.aws_session import Aws, ServiceError
from nova_infra.operations.errors import AwsError, RefusedError
from nova_infra.operations.model import Certificate, ChangeSet, Stack, StackEvent, Template

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
_MAX_TEMPLATE_BYTES = 51_200
# A change set of a few resources is ready within seconds; an update may bake for up to 33 hours.
_CHANGE_SET_WAIT = {"Delay": 2, "MaxAttempts": 150}
_UPDATE_WAIT = {"Delay": 5, "MaxAttempts": 34 * 3600 // 5}
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class AwsStacks:
    """The part of :class:`nova_infra.operations.aws.AwsEnvironment` that CloudFormation answers for."""

    def __init__(self, prefix: str, *, aws: Aws) -> None:
        """Name them.

        Args:
            prefix: ``<platform>-<environment>``, the prefix of all physical names.
            aws: Their account and region.
        """
        self.prefix = prefix
        self._aws = aws

    def stack_name(self, name: str) -> str:
        """The name of a service's stack, or of ``platform`` or ``overview``."""
        return f"{self.prefix}-{name}"

    def stacks(self, names: Sequence[str]) -> tuple[Stack, ...]:
        """Stacks by their names; those that do not exist are left out."""
        return tuple(stack for stack in self._aws.each(self._stack, names) if stack is not None)

    def _stack(self, name: str) -> Stack | None:
        try:
            [stack] = self._aws.call("cloudformation", "describe_stacks", StackName=name)["Stacks"]
        except ServiceError as error:
            if error.code == "ValidationError" and "does not exist" in str(error):
                return None
            raise
        return Stack(
            name=stack["StackName"],
            status=stack["StackStatus"],
            reason=stack.get("StackStatusReason", ""),
            change_set=stack.get("ChangeSetId") or "",
            parameters={p["ParameterKey"]: p.get("ParameterValue", "") for p in stack.get("Parameters", ())},
            capabilities=tuple(stack.get("Capabilities", ())),
            tags={tag["Key"]: tag["Value"] for tag in stack.get("Tags", ())},
            notifications=tuple(stack.get("NotificationARNs", ())),
            outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())},
        )

    def template(self, stack: str) -> Template:
        """The template that a stack was last deployed with, as it was handed in."""
        answer = self._aws.call("cloudformation", "get_template", StackName=stack, TemplateStage="Original")
        body = answer["TemplateBody"]
        if isinstance(body, str):  # botocore parses JSON by itself where the answer allows it
            try:
                body = json.loads(body)
            except ValueError:
                body = None
        if not isinstance(body, dict):
            raise RefusedError(f"{stack}: its template is not JSON, as CDK writes it: deploy it with Nova first")
        return dict(body)

    def failures(self, stack: str) -> tuple[StackEvent, ...]:
        """What failed in a stack's latest operation, the first failure first."""
        failed = []
        for event in self._aws.pages("cloudformation", "describe_stack_events", "StackEvents", StackName=stack):
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
        """The certificates in the platform's stack."""
        resources = self._aws.pages(
            "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=self.stack_name("platform")
        )
        found = []
        for resource in resources:
            if resource["ResourceType"] == "AWS::CertificateManager::Certificate":
                arn = resource["PhysicalResourceId"]
                certificate = self._aws.call("acm", "describe_certificate", CertificateArn=arn)["Certificate"]
                found.append(Certificate(certificate["DomainName"], certificate["Status"], certificate.get("NotAfter")))
        return tuple(found)

    def create_change_set(self, stack: Stack, template: Template, *, name: str, description: str) -> ChangeSet:
        """Create a change set from another template, with all else of the stack as it is, and wait for it."""
        body = json.dumps(template, separators=(",", ":"))
        if len(body.encode()) > _MAX_TEMPLATE_BYTES:
            raise RefusedError(
                f"{stack.name}: its template has {len(body.encode()):,} bytes, and CloudFormation takes "
                f"{_MAX_TEMPLATE_BYTES:,} without a bucket: deploy the earlier commit through the pipeline instead"
            )
        more: dict[str, Any] = {"NotificationARNs": list(stack.notifications)} if stack.notifications else {}
        # The role that CloudFormation acts by stays the stack's own, as long as none is named; nor need it be passed.
        answer = self._aws.call(
            "cloudformation",
            "create_change_set",
            StackName=stack.name,
            ChangeSetName=name,
            ChangeSetType="UPDATE",
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
        arn = answer["Id"]
        ready = self._aws.wait(
            "cloudformation",
            "change_set_create_complete",
            _CHANGE_SET_WAIT,
            StackName=stack.name,
            ChangeSetName=arn,
        )
        if not ready:
            return self._unready(stack, arn)
        changes = self._aws.pages(
            "cloudformation", "describe_change_set", "Changes", StackName=stack.name, ChangeSetName=arn
        )
        return ChangeSet(
            stack.name, arn, tuple(read_change(c["ResourceChange"]) for c in changes if "ResourceChange" in c)
        )

    def _unready(self, stack: Stack, arn: str) -> ChangeSet:
        """An empty change set where CloudFormation found no change.

        Raises:
            AwsError: It was something else.
        """
        state = self._aws.call("cloudformation", "describe_change_set", StackName=stack.name, ChangeSetName=arn)
        reason = state.get("StatusReason", "no reason given")
        unready = ChangeSet(stack.name, arn, ())
        self.delete_change_set(unready)
        if state.get("Status") == "FAILED" and any(text in reason for text in _NO_CHANGES):
            return unready
        raise AwsError(f"{stack.name}: CloudFormation made no change set ({state.get('Status')}): {reason}")

    def execute_change_set(self, change_set: ChangeSet) -> bool:
        """Start a change set's execution; False where it cannot be executed any more."""
        try:
            self._aws.call(
                "cloudformation", "execute_change_set", StackName=change_set.stack, ChangeSetName=change_set.name
            )
        except ServiceError as error:
            if error.code in ("InvalidChangeSetStatus", "ChangeSetNotFound", "ValidationError"):
                return False
            raise
        return True

    def delete_change_set(self, change_set: ChangeSet) -> None:
        """Delete a change set that was not executed."""
        try:
            self._aws.call(
                "cloudformation", "delete_change_set", StackName=change_set.stack, ChangeSetName=change_set.name
            )
        except ServiceError as error:
            if error.code not in ("ChangeSetNotFound", "InvalidChangeSetStatus"):
                raise

    def wait_for_stack(self, stack: str) -> Stack:
        """Wait until no operation on a stack is under way."""
        # However the operation ended, the stack's status says it.
        self._aws.wait("cloudformation", "stack_update_complete", _UPDATE_WAIT, StackName=stack)
        found = self._stack(stack)
        if found is None:
            raise AwsError(f"{stack}: was deleted meanwhile: find out by whom")
        return found
