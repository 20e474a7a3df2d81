"""The task role's permissions in AWS; `config/resolved` has filled in their ``{account}`` and ``{region}``."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence

import aws_cdk as cdk
import constructs
import jsii
from aws_cdk import aws_iam as iam

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge, acknowledge_own_policy
from nova_infra.config import Permission
from nova_infra.constructs.statements import allow


def grant(role: iam.IRole, permissions: Sequence[Permission]) -> None:
    """Let a task role do what a service's permissions say."""
    for permission in permissions:
        role.add_to_principal_policy(allow(list(permission.actions), on=list(permission.resources)))
        wide = [f"Action::{action}" for action in permission.actions if "*" in action]
        wide += [f"Resource::{resource}" for resource in permission.resources if "*" in resource]
        if wide:
            reason = permission.reason or "The configuration names the resources that it means by a pattern"
            acknowledge(role, reason, *(f"{AWS_SOLUTIONS}-IAM5[{each}]" for each in wide))
    if permissions:
        acknowledge_own_policy(role)


_LONGEST = 4_500
"""Largest policy, in characters, of which a role can hold the old and the new one: IAM allows 10,240 together.

What only CloudFormation knows counts as 100 characters, so that some are left for longer ones.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
"""
_UNKNOWN = re.compile(r'\{"(?:Ref":"(?!AWS::)|Fn::GetAtt":)[^}]*\}')
_LONGEST_NAME = 128


def name_policy_by_grants(role: iam.IRole, grants: Iterable[object]) -> None:
    """Give a role's own policy a name that changes with what it grants.

    CloudFormation changes a policy in place before it deploys the service. If the release takes a secret away, no task
    of the running revision could start then, neither to scale nor to roll back. A policy of another name is another
    resource: the new one is made first, and the old one is deleted when all else has succeeded:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html

    Args:
        grants: What its policy grants beyond what every service gets; nothing where it keeps its usual name. A policy
            that is too long, with all that is granted to the role elsewhere, keeps its name, too.
    """
    said = json.dumps(sorted({json.dumps(each, sort_keys=True) for each in grants}))
    if said == "[]":
        return
    policy = role.node.try_find_child("DefaultPolicy")
    resource = policy.node.default_child if policy is not None else None
    if isinstance(resource, iam.CfnPolicy):
        cdk.Aspects.of(resource).add(_NamedByGrants(hashlib.sha256(said.encode()).hexdigest()[:8].upper()))


@jsii.implements(cdk.IAspect)
class _NamedByGrants:
    """Names a policy when everything that it grants is known."""

    def __init__(self, digest: str) -> None:
        self._digest = digest

    def visit(self, node: constructs.IConstruct) -> None:
        """See ``cdk.IAspect``."""
        assert isinstance(node, iam.CfnPolicy), "it is the only node of its tree"
        written = json.dumps(node.stack.resolve(node.policy_document), separators=(",", ":"))
        if len(_UNKNOWN.sub(100 * "?", written)) > _LONGEST:
            return
        # The end of the usual name has the hash of the construct's path, which tells it from others of the stack.
        name = f"{node.stack.get_logical_id(node)}{self._digest}"[-_LONGEST_NAME:]
        node.override_logical_id(name)
        node.policy_name = name
