"""The Lambda function of the smoke tests; `smoke_test_handler` is its code."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge
from nova_infra.constructs.hooks.hook_function import HookFunction
from nova_infra.constructs.statements import allow
from nova_infra.names import services_in_cluster, smoke_name


class SmokeTest(HookFunction):
    """The function of an environment's smoke tests, whose role may only write its log, and look at what may stop."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        cluster: str,
        stops: bool,
        key: kms.IKey,
        retention: logs.RetentionDays,
    ) -> None:
        """Create the function.

        Args:
            stops: Whether a schedule stops one of the services, so that nobody answers at some hours.
        """
        stack = cdk.Stack.of(scope)
        services = stack.format_arn(
            service="ecs", resource="service", resource_name=services_in_cluster(prefix, cluster)
        )
        super().__init__(
            scope,
            construct_id,
            name=smoke_name(prefix),
            description=f"Requests the smoke paths of new revisions in {prefix}, before any user reaches them",
            code=Path(__file__).with_name("smoke_test_handler.py").read_text(encoding="utf-8"),
            key=key,
            retention=retention,
            statements=[allow(["ecs:DescribeServices"], on=[services])] if stops else (),
        )
        if stops:
            said = "Services come and go; it may look at them and change nothing"
            acknowledge(self.may, said, f"{AWS_SOLUTIONS}-IAM5[Resource::{stack.resolve(services)}]")
