"""The Lambda function of ``together``, by which the services of a release wait for one another."""

import json
from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge
from nova_infra.constructs.hooks.hook_function import HookFunction
from nova_infra.constructs.statements import allow
from nova_infra.names import services_in_cluster, stack_name, together_name

_READS = (
    *("ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions", "ecs:DescribeServices"),
    "ecs:ListServiceDeployments",
)


class ReleaseGroup(HookFunction):
    """The function of a release that goes together. It has the release in its code, and only reads ECS."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        cluster: str,
        images: Mapping[str, str],
        key: kms.IKey,
        retention: logs.RetentionDays,
    ) -> None:
        """Create the function.

        Args:
            images: Name of each service of the group to the tag of its image.
        """
        stack = cdk.Stack.of(scope)
        code = Path(__file__).with_name("release_group_handler.py").read_text(encoding="utf-8")
        tags = {stack_name(prefix, name): tag for name, tag in sorted(images.items())}
        kinds = ("service", "service-deployment", "service-revision")
        own = services_in_cluster(prefix, cluster)
        arns = [stack.format_arn(service="ecs", resource=kind, resource_name=own) for kind in kinds]
        super().__init__(
            scope,
            construct_id,
            name=together_name(prefix),
            description=f"Makes a release's services in {prefix} wait for one another, before any user reaches them",
            code=f"{code}\n\nRELEASE.update({json.dumps(tags)})\n",
            key=key,
            retention=retention,
            statements=[allow(list(_READS), on=arns)],
        )
        acknowledge(
            self.may,
            "Deployments and revisions get their names later; it may look at them and change nothing",
            *(f"{AWS_SOLUTIONS}-IAM5[Resource::{stack.resolve(arn)}]" for arn in arns),
        )
