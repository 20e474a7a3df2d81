"""A Lambda function that ECS calls at lifecycle hooks: its timeout, its role, and the role to call it by."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from nova_infra.checks.acknowledge import NIST, acknowledge, acknowledge_own_policy
from nova_infra.constructs.observability.retention import log_group
from nova_infra.constructs.statements import allow
from nova_infra.names import hook_log_group, hook_role_name


class HookFunction(Construct):
    """One function for all services of an environment.

    It has fixed names, so that the services' stacks need nothing of this one but that it was deployed before.

    Attributes:
        may: The policy of its role.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        description: str,
        code: str,
        key: kms.IKey,
        retention: logs.RetentionDays,
        statements: Sequence[iam.PolicyStatement] = (),
    ) -> None:
        """Create the function, its log group and both roles.

        Args:
            name: Name of the function, and of its role.
            code: Its Python code, with a function ``handler``.
        """
        super().__init__(scope, construct_id)
        group = log_group(self, "Log", retention, key, name=hook_log_group(name))
        role = iam.Role(self, "Role", role_name=name, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        writes = allow(["logs:CreateLogStream", "logs:PutLogEvents"], on=[group.log_group_arn])
        self.may = iam.Policy(self, "Writes", statements=[writes, *statements], roles=[role])
        function = lambda_.Function(
            self,
            "Function",
            function_name=name,
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_14,
            handler="index.handler",
            code=lambda_.Code.from_inline(code),
            role=role,
            log_group=group,
            timeout=cdk.Duration.minutes(5),
        )
        function.node.add_dependency(self.may)
        self._let_ecs_call(name, function)
        self._acknowledge(function)

    def _acknowledge(self, function: lambda_.Function) -> None:
        acknowledge_own_policy(self.may)
        acknowledge(
            function,
            "ECS calls it and waits for its answer, a few times a deployment: there is nothing to queue, nothing to "
            "limit, and it calls only public addresses",
            f"{NIST}-LambdaConcurrency",
            f"{NIST}-LambdaDLQ",
            f"{NIST}-LambdaInsideVPC",
        )

    def _let_ecs_call(self, name: str, function: lambda_.Function) -> None:
        calls = iam.Role(
            self,
            "Hook",
            role_name=hook_role_name(name),
            description=f"Lets ECS call {name}",
            assumed_by=iam.ServicePrincipal("ecs.amazonaws.com"),
        )
        may_call = iam.Policy(
            self,
            "Calls",
            statements=[allow(["lambda:InvokeFunction"], on=[function.function_arn])],
            roles=[calls],
        )
        acknowledge_own_policy(may_call)
