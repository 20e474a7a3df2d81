"""The custom resource of ``before_deploy``: a command, such as a migration, in the image to be deployed."""

import hashlib
import inspect
from collections.abc import Sequence
from importlib import resources
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, NIST, acknowledge, acknowledge_own_policy
from nova_infra.config import Service
from nova_infra.config.services.job import MAX_RELEASE_SECONDS
from nova_infra.constructs.observability.retention import log_group
from nova_infra.constructs.statements import allow, allow_passing
from nova_infra.constructs.tasks.task import FargateTask
from nova_infra.documents import last_words
from nova_infra.names import BEFORE_DEPLOY, CONTAINER

LIMIT = cdk.Duration.minutes(15)
"""A Lambda function waits for the command, and may run no longer than this:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""
_IMPORT = "from nova_infra.documents.last_words import telling_first\n"


def _command(service: Service, release: str) -> dict[str, Any]:
    """What the function knows of the command."""
    assert service.before_deploy is not None, "nothing to run"
    return {
        "Command": list(service.before_deploy),
        "Setting": "before_deploy" if service.kind == "web" else "run_before_promotion",
        "Seconds": str(service.timeout_seconds if service.kind == "job" else MAX_RELEASE_SECONDS),
        "Key": run_key(service, release),
    }


def _task(task: FargateTask, cluster_name: str) -> dict[str, Any]:
    """What the function knows of the task, and where its log is."""
    return {
        "Cluster": cluster_name,
        "Family": task.definition.family,
        "Container": CONTAINER,
        "LogGroup": task.log_group.log_group_name,
        "LogPrefix": task.name,
    }


def handler_source() -> str:
    """The function's code. Nova's modules are not deployed with it, so those that it imports are pasted in."""
    handler = (resources.files(__package__) / "before_deploy_handler.py").read_text(encoding="utf-8")
    return handler.replace(_IMPORT, inspect.getsource(last_words))


class BeforeDeploy(Construct):
    """A custom resource between a task definition and the service: its task's failure fails the stack's update.

    It names the task definition's family and not its revision, so that going back to an image changes nothing of it,
    and remembers in a parameter what has run in the stack: an image whose command has succeeded here is not run again,
    neither by CloudFormation's own rollback nor by a later one. A stack that is made again starts from nothing.

    Attributes:
        resource: The custom resource; what must come after the command depends on it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        service: Service,
        task: FargateTask,
        release: str,
        cluster_name: str,
        subnets: Sequence[ec2.ISubnet],
        security_groups: Sequence[ec2.ISecurityGroup],
        parameter: str,
        key: kms.IKey | None = None,
    ) -> None:
        """Create the function and the custom resource.

        Args:
            security_groups: What it may connect to.
            parameter: Name of the parameter that remembers what has run.
            key: Key of the function's log group. Default: CloudWatch's own.
        """
        super().__init__(scope, construct_id)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        function = self._function(role, key)
        self._may_run(role, task, cluster_name, parameter)
        self.resource = cdk.CustomResource(
            self,
            "Run",
            resource_type=BEFORE_DEPLOY,
            service_token=function.function_arn,
            service_timeout=LIMIT.plus(cdk.Duration.minutes(1)),
            properties={
                **_command(service, release),
                **_task(task, cluster_name),
                "Done": parameter,
                "Subnets": [subnet.subnet_id for subnet in subnets],
                "SecurityGroups": [each.security_group_id for each in security_groups],
            },
        )
        self.resource.node.add_dependency(task.definition, role)

    def _function(self, role: iam.Role, key: kms.IKey | None) -> lambda_.Function:
        group = log_group(self, "Logs", logs.RetentionDays.ONE_MONTH, key)
        group.grant_write(role)
        function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="index.handler",
            code=lambda_.Code.from_inline(handler_source()),
            timeout=LIMIT,
            role=role.without_policy_updates(),
            log_group=group,
            # Asked again, it would find its own task by the request's id; an error is an answer already.
            retry_attempts=0,
        )
        function.node.add_dependency(role)
        acknowledge(
            function,
            "It runs once in a deployment, CloudFormation waits for its answer, and it calls only AWS",
            f"{NIST}-LambdaConcurrency",
            f"{NIST}-LambdaDLQ",
            f"{NIST}-LambdaInsideVPC",
            f"{AWS_SOLUTIONS}-L1",
        )
        return function

    def _may_run(self, role: iam.Role, task: FargateTask, cluster_name: str, parameter: str) -> None:
        task.log_group.grant(role, "logs:GetLogEvents")
        stack, definition = cdk.Stack.of(self), task.definition
        cluster = stack.format_arn(service="ecs", resource="cluster", resource_name=cluster_name)
        family = stack.format_arn(service="ecs", resource="task-definition", resource_name=f"{definition.family}:*")
        tasks = stack.format_arn(service="ecs", resource="task", resource_name=f"{cluster_name}/*")
        of_the_cluster = {"ArnEquals": {"ecs:cluster": cluster}}
        for statement in (
            allow(["ecs:RunTask"], on=[family], only_if=of_the_cluster),
            allow(["ecs:DescribeTasks", "ecs:StopTask"], on=[tasks]),
            allow_passing([definition.task_role.role_arn, definition.obtain_execution_role().role_arn], to="ecs-tasks"),
            allow(
                ["ssm:GetParameter", "ssm:PutParameter"],
                on=[stack.format_arn(service="ssm", resource="parameter", resource_name=parameter.lstrip("/"))],
            ),
        ):
            role.add_to_policy(statement)
        acknowledge(
            role,
            "Its tasks have no names before they run, and each revision of the family has another number",
            *(f"{AWS_SOLUTIONS}-IAM5[Resource::{each}]" for each in (family, tasks)),
        )
        acknowledge_own_policy(role)


def run_key(service: Service, release: str) -> str:
    """Identifies a run: the image and the settings that the command sees. The same run is not repeated."""
    settings = {"before_deploy", "environment", "secrets", "connects_to", "user"}
    # A job runs again with what it may do now. A migration that has run has run.
    settings |= {"permissions"} if service.kind == "job" and service.permissions else set()
    seen = service.model_dump_json(include=settings)
    return hashlib.sha256(f"{release} {seen}".encode()).hexdigest()[:16]
