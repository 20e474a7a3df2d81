"""What roles may do and who may assume them, for the rehearsal and the planner.

In doubt it may: where the role is not in the template, where a policy is AWS's own, where a condition would decide.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from nova_infra.checks.permissions.attached import Attached, branches
from nova_infra.checks.permissions.statements import Statement, allowing, in_one_partition
from nova_infra.checks.rule import Template, as_list, as_text, referenced
from nova_infra.operations.changes.certain import is_function, table, tables

_SUFFIX = "-AbCdEf"
"""Six characters that Secrets Manager puts behind a name: a policy may name a secret with or without them."""


class TaskRole:
    """The role of one task definition.

    Attributes:
        name: Logical id of the role; empty where there is none in the template.
    """

    def __init__(self, resources: Mapping[str, Mapping[str, Any]], task: str) -> None:
        """Read it.

        Args:
            resources: Logical id to resource; references to what has a name of its own may be filled in.
        """
        role = resources[task].get("Properties", {}).get("TaskRoleArn")
        self.is_missing = role is None
        self.name = found if (found := referenced(role) or "") in resources else ""
        self._resources = resources

    @cached_property
    def _statements(self) -> list[Statement]:
        found = Attached(Template(self._resources)).statements(self.name)
        # What the template alone cannot name may be anything.
        return [
            replace(each, resources=tuple(re.sub(r"\$\{\w+\}", "*", one) for one in each.resources)) for each in found
        ]

    def denied(self, needs: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
        """The first permission that it is sure to lack: an action and a resource's ARN; None if it has all."""
        for action, resource in needs:
            if self.is_missing:
                return action, resource
            if self.name and not any(allowing(self._statements, action, each) for each in _names(resource)):
                return action, resource
        return None


def _names(resource: str) -> tuple[str, ...]:
    name = in_one_partition(resource)
    return (name, f"{name}{_SUFFIX}") if ":secretsmanager:" in name else (name,)


_KEY_OF = {"AWS::SQS::Queue": "KmsMasterKeyId", "AWS::SecretsManager::Secret": "KmsKeyId"}
"""Type to the property that names the customer's key which encrypts it."""


def encrypting_keys(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Logical id of each queue and secret that a key of the same template encrypts, to that of the key.

    Only where the key's policy leaves it to IAM who may decrypt: of other keys this is not known.
    """
    found = {}
    for name, each in resources.items():
        key = referenced(table(each.get("Properties")).get(_KEY_OF.get(each["Type"], ""))) or ""
        if resources.get(key, {}).get("Type") == "AWS::KMS::Key" and _is_left_to_iam(resources[key]):
            found[name] = key
    return found


def _is_left_to_iam(key: Mapping[str, Any]) -> bool:
    """Whether a key's policy admits only its account, whose identities then need permissions of their own."""
    policy = table(key.get("Properties")).get("KeyPolicy")
    if not isinstance(policy, Mapping) or is_function(policy):
        return False
    statements = as_list(policy.get("Statement"))
    if len(tables(statements)) < len(statements):
        return False
    allowed = [each.get("Principal") for each in tables(statements) if each.get("Effect") == "Allow"]
    accounts = [each.get("AWS") if isinstance(each, dict) else None for each in allowed]
    return all(isinstance(each, (str, dict)) and as_text(each).endswith(":root") for each in accounts)


def trusts(template: Template, role: str, service: str) -> bool:
    """Whether a role of a template lets a service assume it, or may."""
    document = template.resources[role].get("Properties", {}).get("AssumeRolePolicyDocument")
    statements = [each for one in branches(document) for each in branches(one.get("Statement"))]
    allowed = [each for each in statements if each.get("Effect") != "Deny"]
    principals = [p for each in allowed for p in branches(each.get("Principal"), mappings=False)]
    named = [
        name
        for each in principals
        for name in (branches(each.get("Service"), mappings=False) if table(each) else [each])
    ]
    # What only CloudFormation knows may be any.
    unknown = any(map(is_function, (*branches(document), *statements, *named)))
    return unknown or any(isinstance(each, str) and (each in (service, "*") or "${" in each) for each in named)
