"""IAM policy statements: what a role may do, and which roles it may pass on."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_iam as iam


def allow(actions: Sequence[str], on: Sequence[str], only_if: Mapping[str, Any] | None = None) -> iam.PolicyStatement:
    """A statement that allows actions on resources."""
    return iam.PolicyStatement(actions=[*actions], resources=[*on], conditions=only_if)


def allow_passing(roles: Sequence[str], to: str) -> iam.PolicyStatement:
    """A statement that allows to pass roles to a service, such as ``ecs-tasks``, and to no other."""
    return allow(["iam:PassRole"], on=roles, only_if={"StringEquals": {"iam:PassedToService": f"{to}.amazonaws.com"}})
