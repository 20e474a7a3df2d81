"""A scheduled job: EventBridge schedule, task, and the alarms on runs that were missed or failed."""

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge, acknowledge_own_policy
from nova_infra.constructs.background.job_machine import definition
from nova_infra.constructs.observability.retention import log_group, retention
from nova_infra.constructs.settings import ServiceSettings, check_settings
from nova_infra.constructs.statements import allow, allow_passing
from nova_infra.constructs.tasks.alarms import AlarmMetric, query, returned
from nova_infra.constructs.tasks.service import acknowledge_exec, outbound_group, selected
from nova_infra.names import alarm_name, job_log_group, schedule_name
from nova_infra.schedules import expression


class ScheduledJob(Construct):
    """A schedule, the state machine that it starts, and the alarms on both.

    EventBridge Scheduler can run a task by itself, but it neither waits for the task, nor stops it, nor leaves a run
    out while another one is going: the state machine does.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster: ecs.ICluster,
        task_definition: ecs.FargateTaskDefinition,
        settings: ServiceSettings,
        topic: sns.ITopic | None = None,
        subnets: ec2.SubnetSelection | None = None,
        key: kms.IKey | None = None,
    ) -> None:
        """Create the state machine, its schedule and alarms.

        Args:
            topic: Notified when an alarm changes. Default: nobody is.
            subnets: Where tasks run. Default: the VPC's private subnets.
            key: Key of the log group. Default: CloudWatch's own.
        """
        super().__init__(scope, construct_id)
        check_settings(self, settings, "job")
        service, runtime = settings.service, settings.runtime
        self._name, cluster_name = settings.names(self, cluster)
        self._actions = [topic.topic_arn] if topic is not None else None
        self.group = outbound_group(self, self._name, cluster.vpc, service.connects_to)
        states = definition(
            partition=cdk.Stack.of(self).partition,
            cluster=cluster_name,
            family=task_definition.family,
            task_definition=task_definition.task_definition_arn,
            network=self._network(selected(cluster.vpc, subnets)),
            timeout_seconds=service.timeout_seconds,
            allow_overlap=service.allow_overlap,
        )
        role = self._role(task_definition, cluster_name)
        self.machine = self._machine(states, role, retention(runtime.log_retention_days), key)
        if runtime.exec:
            acknowledge_exec(task_definition)
        self._failed()
        if service.schedule is not None and service.is_scheduled:
            self._schedule(expression(service.schedule), service.time_zone)

    def _network(self, where: ec2.SelectedSubnets) -> dict[str, Any]:
        return {
            "AssignPublicIp": "ENABLED" if where.has_public else "DISABLED",
            "SecurityGroups": [self.group.security_group_id],
            "Subnets": where.subnet_ids,
        }

    def _machine(
        self, states: Mapping[str, Any], role: iam.Role, kept: logs.RetentionDays, key: kms.IKey | None
    ) -> stepfunctions.CfnStateMachine:
        runs = log_group(self, "Runs", kept, key, name=job_log_group(self._name))
        destination = stepfunctions.CfnStateMachine.LogDestinationProperty(
            cloud_watch_logs_log_group=stepfunctions.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                log_group_arn=runs.log_group_arn
            )
        )
        machine = stepfunctions.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=self._name,
            state_machine_type="STANDARD",
            role_arn=role.role_arn,
            definition_string=cdk.Stack.of(self).to_json_string(states),
            logging_configuration=stepfunctions.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL", include_execution_data=True, destinations=[destination]
            ),
            tracing_configuration=stepfunctions.CfnStateMachine.TracingConfigurationProperty(enabled=True),
        )
        machine.node.add_dependency(role)
        return machine

    def _schedule(self, when: str, time_zone: str) -> None:
        name = schedule_name(self._name)
        group = scheduler.CfnScheduleGroup(self, "Schedules", name=name)
        role = iam.Role(self, "ScheduleRole", assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"))
        role.add_to_policy(allow(["states:StartExecution"], on=[self.machine.ref]))
        acknowledge_own_policy(role)
        schedule = scheduler.CfnSchedule(
            self,
            "Schedule",
            name=name,
            group_name=group.ref,
            schedule_expression=when,
            schedule_expression_timezone=time_zone,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                # By the API itself, which takes a name: a start that Scheduler repeats is then one run.
                arn=f"arn:{cdk.Aws.PARTITION}:scheduler:::aws-sdk:sfn:startExecution",
                role_arn=role.role_arn,
                input=cdk.Stack.of(self).to_json_string(
                    {"StateMachineArn": self.machine.ref, "Name": "<aws.scheduler.execution-id>", "Input": "{}"}
                ),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=3600, maximum_retry_attempts=10
                ),
            ),
        )
        schedule.node.add_dependency(role)
        self._alarm(
            "Missed",
            "was not started at its time, after an hour of attempts",
            [AlarmMetric("AWS/Scheduler", "InvocationDroppedCount", {"ScheduleGroup": name})],
        )

    def _failed(self) -> None:
        names = ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted")
        machine = {"StateMachineArn": self.machine.ref}
        self._alarm(
            "Failed",
            "has failed, was stopped, or took too long",
            [AlarmMetric("AWS/States", name, machine) for name in names],
        )

    def _alarm(self, construct_id: str, what: str, metrics: Sequence[AlarmMetric]) -> None:
        cloudwatch.CfnAlarm(
            self,
            construct_id,
            alarm_name=alarm_name(self._name, construct_id.lower()),
            alarm_description=f"{self._name} {what}",
            comparison_operator="GreaterThanThreshold",
            threshold=0,
            # One more than is needed: FILL answers 0 for a minute whose data has not arrived.
            evaluation_periods=3,
            datapoints_to_alarm=1,
            treat_missing_data="notBreaching",
            metrics=[
                *(query(f"m{number}", metric, "Sum") for number, metric in enumerate(metrics)),
                returned("runs", "+".join(f"FILL(m{number},0)" for number in range(len(metrics))), label="runs"),
            ],
            alarm_actions=self._actions,
            ok_actions=self._actions,
        )

    def _role(self, task_definition: ecs.FargateTaskDefinition, cluster_name: str) -> iam.Role:
        stack, family = cdk.Stack.of(self), task_definition.family
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))

        def arn(resource: str) -> str:
            return stack.format_arn(service="ecs", resource=resource)

        in_cluster = {"ArnEquals": {"ecs:cluster": arn(f"cluster/{cluster_name}")}}
        revisions, tasks = arn(f"task-definition/{family}:*"), arn(f"task/{cluster_name}/*")
        statements = [
            # By family: a policy that named the revision would change with every release.
            (["ecs:RunTask"], [revisions], in_cluster),
            (["ecs:StopTask", "ecs:DescribeTasks"], [tasks], None),
            (["ecs:ListTasks"], ["*"], in_cluster),
            (
                ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
                [stack.format_arn(service="events", resource="rule/StepFunctionsGetEventsForECSTaskRule")],
                None,
            ),
            (
                ["logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
                 "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies",
                 "logs:DescribeLogGroups"],
                ["*"],
                None,
            ),
            (["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules",
              "xray:GetSamplingTargets"], ["*"], None),
        ]  # fmt: skip
        for actions, resources, conditions in statements:
            role.add_to_policy(allow(actions, on=resources, only_if=conditions))
        for passed in (task_definition.task_role, task_definition.obtain_execution_role()):
            role.add_to_policy(allow_passing([passed.role_arn], to="ecs-tasks"))
        acknowledge_own_policy(role)
        acknowledge(
            role,
            "Listing tasks, delivering logs and traces know no narrower resource; tasks have no ARN before they run",
            *(f"{AWS_SOLUTIONS}-IAM5[Resource::{each}]" for each in ("*", revisions, tasks)),
        )
        return role
