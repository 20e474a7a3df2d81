"""Identifies the caller of AWS: each task definition has an access key, which leads to its role."""

import base64
import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from nova_infra.deployed.aws.client.call_permissions import AwsCall
from nova_infra.names import partition_of
from nova_infra.operations.planner.roles import TaskRole, encrypting_keys
from nova_infra.rehearsal.cloudformation import physical
from nova_infra.rehearsal.cloudformation.stack import PlayedStack

_WITH_A_KEY = {
    "sqs:ReceiveMessage": ("kms:Decrypt",),
    "sqs:SendMessage": ("kms:GenerateDataKey", "kms:Decrypt"),
    "secretsmanager:GetSecretValue": ("kms:Decrypt",),
}
"""Further permissions that a call needs if a customer-managed key encrypts its resource:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html,
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html."""


class Caller:
    """The tasks of one revision.

    Attributes:
        judged: Whether what it is denied is said of the release; of the baseline it is not.
    """

    def __init__(
        self,
        stack: PlayedStack,
        task: str,
        revision: str,
        *,
        judged: bool,
        keys: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Keep the source of its role. Reading the role takes time, and most tasks never call AWS.

        Args:
            judged: Whether it belongs to the release.
            keys: ARN of what a customer's key encrypts to that key, in any stack.
        """
        self.revision = revision
        self.judged = judged
        self._stack = stack
        self._task = task
        self._keys = keys
        self._role: TaskRole | None = None

    @property
    def arn(self) -> str:
        """The caller, as AWS would name it."""
        name = self.role.name or self._task
        home = self._stack.home
        return f"arn:{partition_of(home.region)}:sts::{home.account}:assumed-role/{name}/rehearsal"

    @property
    def role(self) -> TaskRole:
        """What it may do."""
        if self._role is None:
            self._role = TaskRole(_filled_in(self._stack), self._task)
        return self._role

    def denied(self, call: AwsCall) -> tuple[str, str] | None:
        """The action and resource that its role does not allow; None if the call is allowed."""
        return self.role.denied(self._needs(call))

    def doubt(self, call: AwsCall) -> str:
        """Why AWS may deny a call that is allowed here, in a clause; empty where it will not."""
        if not call.is_known:
            return f"calls {call.service} in a way of which it is not known which permission it needs"
        found = self.role.doubt(self._needs(call))
        return f"calls {found[0]}, which AWS may deny: {found[1]}" if found else ""

    def _needs(self, call: AwsCall) -> list[tuple[str, str]]:
        decrypted = [
            (action, self._keys[resource])
            for needed, resource in call.needs
            if resource in self._keys
            for action in _WITH_A_KEY.get(needed, ())
        ]
        return [*call.needs, *decrypted]

    def remedy(self, action: str, resource: str) -> str:
        """The missing permission and where to grant it, in a clause."""
        on = f"{action} on {resource}" if resource != "*" else action
        if self.role.is_missing:
            return f"{on}: its task definition has no TaskRoleArn"
        line = f'permissions = [{{ actions = ["{action}"], resources = ["{self._as_written(resource)}"] }}]'
        return f"{on}: grant it to its task role, {self.role.name} (with Nova: {line})"

    def _as_written(self, resource: str) -> str:
        """A resource as ``nova.toml`` names it, for every environment and every object of a bucket."""
        if resource == "*":
            return "…"
        *start, region, account, name = resource.split(":", 5)
        home = self._stack.home
        region, account = (
            f"{{{key}}}" if value == known else value
            for key, value, known in (("region", region, home.region), ("account", account, home.account))
        )
        if start[-1] == "s3" and "/" in name:
            name = f"{name.partition('/')[0]}/*"
        return ":".join([*start, region, account, name])


def callers_of(
    stack: PlayedStack, *, judged: bool, keys: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Caller]:
    """Revision to caller, of each task definition of a stack."""
    found = {}
    for task in stack.resources("AWS::ECS::TaskDefinition"):
        revision = stack.revision(task)
        found[revision] = Caller(stack, task, revision, judged=judged, keys=keys)
    return found


def keys_of(stack: PlayedStack) -> dict[str, str]:
    """ARN of each queue and secret of a stack that a key of the stack encrypts, to the ARN of that key."""
    found = {}
    for each, key in encrypting_keys(stack.template["Resources"]).items():
        arn = physical.arn(stack.template["Resources"][each]["Type"], stack.physical_name(each), stack.home)
        found[arn] = f"arn:{partition_of(stack.home.region)}:kms:{stack.home.region}:{stack.home.account}:key/{key}"
    return found


def access_key(revision: str) -> str:
    """The access key that the tasks of a revision sign with."""
    return f"AKIA{base64.b32encode(hashlib.sha256(revision.encode()).digest()).decode()[:16]}"


def _filled_in(stack: PlayedStack) -> dict[str, Any]:
    """A stack's resources with the names and ARNs of stand-ins filled in; every other reference stays.

    Where nobody says which account and region a stack is in, a policy of it is for any: the code of a task may know.
    """
    resources: dict[str, Any] = stack.template["Resources"]
    home = stack.home if stack.home.account != physical.Home.account else physical.Home("*", "*")

    def filled(value: Any) -> Any:
        match value:
            case list():
                return [filled(each) for each in value]
            case {"Ref": "AWS::AccountId"}:
                return home.account
            case {"Ref": "AWS::Region"}:
                return home.region
            case {"Ref": "AWS::Partition"}:
                return stack.ref("AWS::Partition")
            case {"Ref": str(name)} if _stood_in(resources, name):
                return physical.reference(resources[name]["Type"], stack.physical_name(name), home)
            case {"Fn::GetAtt": [str(name), str(wanted)]} if _stood_in(resources, name):
                kind = resources[name]["Type"]
                return physical.attribute(kind, stack.physical_name(name), wanted, stack.properties(name), home)
            case {"Fn::Join": [str(separator), list(parts)]}:
                known = filled(parts)
                whole = all(isinstance(each, str) for each in known)
                return separator.join(known) if whole else {"Fn::Join": [separator, known]}
            case dict():
                return {key: filled(each) for key, each in value.items()}
        return value

    return {
        name: {**resource, "Properties": filled(resource.get("Properties", {}))} for name, resource in resources.items()
    }


def _stood_in(resources: Mapping[str, Any], name: str) -> bool:
    return resources.get(name, {}).get("Type") in physical.STOOD_IN_FOR
