"""The task role's permissions: what the code of a service may do in AWS."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge, acknowledge_own_policy
from nova_infra.config import Permission


def grant(role: iam.IRole, permissions: Sequence[Permission]) -> None:
    """Let a task role do what a service's permissions say.

    Args:
        permissions: The permissions. Wildcards are accepted for the reason that they give.
    """
    for permission in permissions:
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=list(permission.actions), resources=list(permission.resources))
        )
        wide = [f"Action::{action}" for action in permission.actions if "*" in action]
        wide += [f"Resource::{resource}" for resource in permission.resources if "*" in resource]
        if wide:
            reason = permission.reason or "The configuration names the resources that it means by a pattern"
            acknowledge(role, reason, *(f"{AWS_SOLUTIONS}-IAM5[{each}]" for each in wide))
    if permissions:
        acknowledge_own_policy(role)
