"""The function that asks new revisions for their smoke paths, and the role by which ECS calls it."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from nova_infra.checks.acknowledge import NIST, acknowledge
from nova_infra.names import smoke_hook_role_name, smoke_log_group, smoke_name


class SmokeTest(Construct):
    """One function for all services of an environment, with a role that may only write its log.

    It has fixed names, so that the services' stacks need nothing of this one but that it was deployed before.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, prefix: str, key: kms.IKey, retention: logs.RetentionDays
    ) -> None:
        """Create the function, its log group and both roles.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            prefix: ``<platform>-<environment>``, the prefix of all physical names.
            key: Key of the log group.
            retention: How long its log is kept.
        """
        super().__init__(scope, construct_id)
        name = smoke_name(prefix)
        log_group = logs.LogGroup(
            self,
            "Log",
            log_group_name=smoke_log_group(prefix),
            encryption_key=key,
            retention=retention,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        role = iam.Role(self, "Role", role_name=name, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        writes = iam.Policy(
            self,
            "Writes",
            statements=[
                iam.PolicyStatement(
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group.log_group_arn]
                )
            ],
            roles=[role],
        )
        function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description=f"Asks new revisions in {prefix} for their smoke paths, before any user meets them",
            runtime=lambda_.Runtime.PYTHON_3_14,
            handler="index.handler",
            code=lambda_.Code.from_inline(Path(__file__).with_name("smoke_function.py").read_text(encoding="utf-8")),
            role=role,
            log_group=log_group,
            timeout=cdk.Duration.minutes(5),
        )
        function.node.add_dependency(writes)
        calls = iam.Role(
            self,
            "Hook",
            role_name=smoke_hook_role_name(prefix),
            description=f"By which ECS calls {name}",
            assumed_by=iam.ServicePrincipal("ecs.amazonaws.com"),
        )
        may_call = iam.Policy(
            self,
            "Calls",
            statements=[iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[function.function_arn])],
            roles=[calls],
        )
        for policy in (writes, may_call):
            acknowledge(policy, "A policy of one role, which nothing else may have", f"{NIST}-IAMNoInlinePolicy")
        acknowledge(
            function,
            "ECS calls it and waits for its answer, a few times a deployment: there is nothing to queue, nothing to "
            "limit, and it asks the environment's public address",
            f"{NIST}-LambdaConcurrency",
            f"{NIST}-LambdaDLQ",
            f"{NIST}-LambdaInsideVPC",
        )
