"""The IAM roles observer, release, operator and gate of an environment: their trust and permissions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge, acknowledge_own_policy
from nova_infra.checks.rule import as_list
from nova_infra.config import Toolchain
from nova_infra.constructs.statements import allow, allow_passing
from nova_infra.names import (
    EVENT_SOURCE,
    Role,
    role_name,
    services_in_cluster,
    stack_name,
    step_role_name,
    task_log_groups,
)

_RECORDS = ("release", "rollback", "hold/*", "accepted/*")
"""The environment's parameters: the ledger, the lock, holds and waivers."""


@dataclass(frozen=True, kw_only=True)
class RoleUsers:
    """ARNs of the roles that may assume the release roles.

    Attributes:
        releasers: Those that may assume the observer and the release role.
        operators: Those that may assume the operator; none for no such role.
        gatekeepers: Those that answer deployments for the test suite; none for no such role.
    """

    observers: Sequence[str]
    releasers: Sequence[str]
    operators: Sequence[str] = ()
    gatekeepers: Sequence[str] = ()


class ReleaseRoles(Construct):
    """An observer, a release role, an operator, and a role that answers for the test suite.

    The observer may look and change nothing; the release role may roll back, record, hold and stop a task; the operator
    may read logs, run tasks and scale. Both may answer a deployment's gate, and stop a deployment.

    Only the operator may pass a role, and only to a task: CloudFormation keeps the one that a stack was deployed by.
    That role may do everything that deployments do, so through the services' stacks the release role may do so too.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        cluster: str,
        parameters: str,
        others: Sequence[str],
        repositories: str,
        users: RoleUsers,
    ) -> None:
        """Create the roles.

        Args:
            cluster: Name of its cluster. Tasks are named by ids alone: in one that others use, theirs are in reach.
            parameters: Path below which the ledger, holds and waivers are, without a slash at the end.
            others: Prefixes of other environments whose names begin with this one's: ``nova-prod-eu`` beside
                ``nova-prod``.
            repositories: ARN of the repositories of the images, with a wildcard for the services' names.
        """
        super().__init__(scope, construct_id)
        self._prefix, self._parameters = prefix, parameters.lstrip("/")
        self._place = _place(cdk.Stack.of(self))
        self._in_cluster = {"ArnEquals": {"ecs:cluster": self._arn("ecs", "cluster", cluster)}}
        self._own, self._tasks = services_in_cluster(prefix, cluster), self._arn("ecs", "task", f"{cluster}/*")
        look = self._look(repositories)
        self._role("observer", [*look, *self._check()], [*users.observers, *users.releasers])
        self._role("release", [*look, *self._change(others)], users.releasers)
        if users.operators:
            self._role("operator", [*look, *self._operate()], users.operators)
        if users.gatekeepers:
            self._role("gate", [*look, *self._answer()], users.gatekeepers)

    def _arn(self, service: str, resource: str, name: str) -> str:
        return f"{self._place(service)}:{resource}/{name}"

    def _parameter(self, name: str) -> str:
        return self._arn("ssm", "parameter", f"{self._parameters}/{name}")

    def _look(self, repositories: str) -> list[iam.PolicyStatement]:
        """What every role may do: read what the environment runs, and nothing that its tasks log."""
        arn, prefix = self._arn, self._prefix
        return [
            *self._look_at_services(),
            allow(
                # None of these can be allowed for only some resources.
                [
                    "cloudwatch:DescribeAlarms",
                    "cloudwatch:GetMetricData",
                    "ecs:DescribeTaskDefinition",
                    "elasticloadbalancing:DescribeRules",
                    "states:ListStateMachines",
                ],
                on=["*"],
            ),
            allow(["states:ListExecutions"], on=[f"{self._place('states')}:stateMachine:{prefix}-*"]),
            allow(["states:DescribeExecution"], on=[f"{self._place('states')}:execution:{prefix}-*:*"]),
            allow(["scheduler:GetSchedule"], on=[arn("scheduler", "schedule", f"{prefix}-*/{prefix}-*")]),
            # The queues of workers may have any names.
            allow(["sqs:GetQueueAttributes"], on=[f"{self._place('sqs')}:*"]),
            allow(
                [f"cloudformation:{each}" for each in ("DescribeStackEvents", "GetTemplate", "ListStackResources")],
                on=[arn("cloudformation", "stack", f"{prefix}-*/*")],
            ),
            # All stacks in one call: asked for one by one, many are throttled. There is no narrower form of it.
            # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
            allow(["cloudformation:DescribeStacks", "cloudformation:ListStacks"], on=["*"]),
            # Nothing else below that path: a step before the approval could read a service's secret there.
            allow(
                ["ssm:GetParameterHistory", "ssm:GetParametersByPath"],
                on=[self._parameter(name) for name in (*_RECORDS, "hold", "accepted")],
            ),
            allow(["ecr:BatchGetImage", "ecr:DescribeImageSigningStatus"], on=[repositories]),
            allow(["acm:DescribeCertificate"], on=[arn("acm", "certificate", "*")]),
            allow(["servicequotas:GetServiceQuota"], on=[arn("servicequotas", "fargate", "*")]),
        ]

    def _look_at_services(self) -> list[iam.PolicyStatement]:
        kinds = ("service", "service-deployment", "service-revision")
        return [
            allow(["ecs:ListServices", "ecs:ListTasks"], on=["*"], only_if=self._in_cluster),
            allow(
                [
                    "ecs:DescribeServiceDeployments",
                    "ecs:DescribeServiceRevisions",
                    "ecs:DescribeServices",
                    "ecs:DescribeTasks",
                    "ecs:ListServiceDeployments",
                ],
                on=[*(self._arn("ecs", kind, self._own) for kind in kinds), self._tasks],
            ),
        ]

    def _check(self) -> list[iam.PolicyStatement]:
        """What else the preflight may do: see whether a release's secrets exist, whatever their names, no values."""
        return [
            allow(["secretsmanager:DescribeSecret"], on=[f"{self._place('secretsmanager')}:secret:*"]),
            # This cannot be allowed for only some parameters.
            allow(["ssm:DescribeParameters"], on=["*"]),
        ]

    def _change(self, others: Sequence[str]) -> list[iam.PolicyStatement]:
        """What the release role may do: roll back, record, hold, waive, and stop a task."""
        arn, prefix = self._arn, self._prefix
        changes = [
            # Both are what a rollback that is refused says to do first.
            "cloudformation:CancelUpdateStack",
            "cloudformation:ContinueUpdateRollback",
            "cloudformation:CreateChangeSet",
            "cloudformation:DeleteChangeSet",
            "cloudformation:DescribeChangeSet",
            "cloudformation:ExecuteChangeSet",
            "cloudformation:ListChangeSets",
        ]
        # The services' stacks, by a pattern: a policy has room for some 30 names.
        shared = [stack_name(prefix, "platform"), stack_name(prefix, "overview"), *(f"{each}-*" for each in others)]
        return [
            allow(changes, on=[arn("cloudformation", "stack", f"{prefix}-*/*")]),
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=changes,
                resources=[arn("cloudformation", "stack", f"{each}/*") for each in shared],
            ),
            # To empty an old task whose memory keeps an alarm red: its service starts another one.
            allow(["ecs:StopTask"], on=[self._tasks], only_if=self._in_cluster),
            *self._steer(),
            # The ledger, the lock of a rollback, holds and waivers.
            allow(["ssm:PutParameter"], on=[self._parameter(name) for name in _RECORDS]),
            allow(
                # The templates read the version of CDK's bootstrap from there.
                ["ssm:GetParameters"],
                on=[arn("ssm", "parameter", "cdk-bootstrap/*")],
            ),
        ]

    def _steer(self) -> list[iam.PolicyStatement]:
        """Answer a deployment's gate or stop the deployment, and announce it."""
        return [
            steering(self._arn("ecs", "service-deployment", self._own)),
            announcing(self._arn("events", "event-bus", "default"), self._prefix),
        ]

    def _answer(self) -> list[iam.PolicyStatement]:
        """What the test suite's role may do: answer, and write the answer to the ledger."""
        ledger = allow(["ssm:PutParameter"], on=[self._parameter("release")])
        return [*self._steer(), ledger]

    def _operate(self) -> list[iam.PolicyStatement]:
        """What only a person may do, during an incident: steps of the pipeline read no logs."""
        stack, prefix, place = cdk.Stack.of(self), self._prefix, self._place
        definitions = f"{place('ecs')}:task-definition/{prefix}-*:*"
        logs = f"{place('logs')}:log-group:{task_log_groups(stack_name(prefix, '*'))}*"
        return [
            *self._steer(),
            allow(["logs:FilterLogEvents", "logs:GetLogEvents"], on=[logs]),
            allow(["logs:DescribeLogGroups"], on=[f"{place('logs')}:log-group:*"]),
            allow(["ecs:ExecuteCommand", "ecs:StopTask"], on=[self._tasks], only_if=self._in_cluster),
            allow(["ecs:RunTask"], on=[definitions], only_if=self._in_cluster),
            allow_passing(
                # A task of its own has the roles of the service's tasks.
                [stack.format_arn(service="iam", region="", resource="role", resource_name=f"{prefix}-*")],
                to="ecs-tasks",
            ),
            allow(
                [
                    "application-autoscaling:DescribeScalableTargets",
                    "application-autoscaling:DescribeScheduledActions",
                ],
                on=["*"],
            ),
            allow(
                # A scalable target's ARN has an id that nobody chooses.
                [
                    "application-autoscaling:DeleteScheduledAction",
                    "application-autoscaling:PutScheduledAction",
                    "application-autoscaling:RegisterScalableTarget",
                ],
                on=[f"{place('application-autoscaling')}:scalable-target/*"],
                only_if={
                    "StringEquals": {
                        "application-autoscaling:service-namespace": "ecs",
                        "application-autoscaling:scalable-dimension": "ecs:service:DesiredCount",
                    }
                },
            ),
            allow(["ssm:PutParameter"], on=[self._parameter("release")]),
        ]

    def _role(self, name: Role, statements: Sequence[iam.PolicyStatement], takers: Iterable[str]) -> None:
        prefix = self._prefix
        role = iam.Role(
            self,
            name.capitalize(),
            role_name=role_name(prefix, name),
            description={
                "observer": f"Looks at {prefix} and changes nothing",
                "release": f"Rolls {prefix} back, writes its ledger, holds releases, writes waivers, stops tasks",
                "gate": f"Answers deployments to {prefix} for the test suite, and writes that to its ledger",
                "operator": f"Reads the logs of {prefix}, runs tasks and shells there, and scales for an incident",
            }[name],
            assumed_by=named_roles(takers),
        )
        policy = iam.Policy(self, f"{name.capitalize()}Policy", statements=list(statements), roles=[role])
        acknowledge_own_policy(policy)
        written = cdk.Stack.of(self).resolve(policy.document)["Statement"]
        resources = dict.fromkeys(
            each for statement in written if statement["Effect"] == "Allow" for each in as_list(statement["Resource"])
        )
        acknowledge(
            policy,
            "Deployments, tasks, change sets, holds, waivers and scalable targets get names later; alarms, stacks "
            "and task definitions can only be described all together; nothing of these changes anything but services' "
            "stacks, tasks and capacity, and the ledger",
            *(f"{AWS_SOLUTIONS}-IAM5[Resource::{each}]" for each in resources if "*" in each),
        )


def _place(stack: cdk.Stack) -> Callable[[str], str]:
    """The beginning of a service's ARNs in a stack's region and account: asking CDK for each ARN would take longer."""
    partition, region, account = stack.partition, stack.region, stack.account
    return lambda service: f"arn:{partition}:{service}:{region}:{account}"


def steering(deployments: str) -> iam.PolicyStatement:
    """What answers a deployment's gate or stops it (service authorization reference of ECS)."""
    return allow(["ecs:ContinueServiceDeployment", "ecs:StopServiceDeployment"], on=[deployments])


def announcing(bus: str, prefix: str) -> iam.PolicyStatement:
    """What lets Nova report in an event what it did; rules send it to the topic (EventBridge: use conditions)."""
    return allow(
        ["events:PutEvents"],
        on=[bus],
        only_if={"StringEquals": {"events:source": EVENT_SOURCE, "events:detail-type": prefix}},
    )


def named_roles(arns: Iterable[str]) -> iam.IPrincipal:
    """Exactly these roles, of whichever account, whether they exist yet or not.

    A role that is named as the principal must exist when the policy is written, and becomes another one when it is made
    again. The policy therefore names the account as the principal, and the role in a condition.
    """
    roles = sorted(set(arns))
    assert roles, "somebody assumes the role"
    # One condition for all accounts, so that CDK writes one statement: a trust policy takes 2,048 characters.
    condition = {"ArnEquals": {"aws:PrincipalArn": roles}}
    accounts = sorted({arn.split(":")[4] for arn in roles})
    return iam.CompositePrincipal(*(iam.AccountPrincipal(each).with_conditions(condition) for each in accounts))


def step_role_arn(partition: str, toolchain: Toolchain, prefix: str, step: str) -> str:
    """ARN of the role of a pipeline's step."""
    return f"arn:{partition}:iam::{toolchain.account}:role/{step_role_name(prefix, step)}"
