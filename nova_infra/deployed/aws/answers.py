"""Converts answers of ECS, CloudFormation and CloudWatch (Describe…) into Nova's data classes."""

from collections.abc import Mapping, Sequence
from typing import Any

from nova_infra.deployed.model import Alarm, Deployment, RunningService, RunningTask, StoppedTask
from nova_infra.deployed.stack import Change, Stack, Template
from nova_infra.names import CONTAINER


def own_container(containers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The container of a task that is the service itself: ECS lists sidecars in no particular order."""
    named = (container for container in containers if container.get("name") == CONTAINER)
    return next(named, next(iter(containers), {}))


def read_revision(arn: str) -> str:
    """The ``family:revision`` in the ARN of a task definition."""
    return arn.rpartition("/")[2]


def read_running_task(task: Mapping[str, Any]) -> RunningTask:
    """A task in DescribeTasks."""
    container = own_container(task.get("containers", ()))
    health = task.get("healthStatus", "UNKNOWN")
    return RunningTask(
        revision=read_revision(task["taskDefinitionArn"]),
        status=task.get("lastStatus", ""),
        healthy={"HEALTHY": True, "UNHEALTHY": False}.get(health),
        image=container.get("image", ""),
        digest=container.get("imageDigest"),
        cpu=int(task.get("cpu", 0)),
    )


def read_stopped_task(task: Mapping[str, Any]) -> StoppedTask:
    """A task that has ended, in DescribeTasks."""
    container = own_container(task.get("containers", ()))
    return StoppedTask(
        revision=read_revision(task["taskDefinitionArn"]),
        at=task.get("stoppedAt"),
        reason=task.get("stoppedReason", ""),
        exit_code=container.get("exitCode"),
        container_reason=container.get("reason", ""),
        # <prefix>/<container>/<task>: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
        log_stream="/".join(
            (
                task.get("group", "").partition(":")[2],
                container.get("name", ""),
                task["taskArn"].rpartition("/")[2],
            )
        ),
    )


def read_service(service: Mapping[str, Any], name: str, tasks: Sequence[RunningTask]) -> RunningService:
    """A service in DescribeServices, with its tasks."""
    return RunningService(
        name=name,
        stack=service["serviceName"],
        revision=read_revision(service["taskDefinition"]),
        desired=service["desiredCount"],
        running=service["runningCount"],
        deployments=tuple(
            Deployment(
                status=deployment["status"],
                rollout_state=deployment.get("rolloutState", ""),
                reason=deployment.get("rolloutStateReason", ""),
                revision=read_revision(deployment["taskDefinition"]),
                created_at=deployment.get("createdAt"),
                desired=deployment.get("desiredCount", 0),
                running=deployment.get("runningCount", 0),
                failed=deployment.get("failedTasks", 0),
            )
            for deployment in service.get("deployments", ())
        ),
        tasks=tuple(tasks),
        deployment_alarms=tuple(service.get("deploymentConfiguration", {}).get("alarms", {}).get("alarmNames", ())),
        events=tuple(event["message"] for event in service.get("events", ())),
        balanced=bool(service.get("loadBalancers")),
    )


def read_stack(stack: Mapping[str, Any]) -> Stack:
    """A stack in DescribeStacks."""
    return Stack(
        name=stack["StackName"],
        status=stack["StackStatus"],
        reason=stack.get("StackStatusReason", ""),
        change_set=stack.get("ChangeSetId") or "",
        parameters={p["ParameterKey"]: p.get("ParameterValue", "") for p in stack.get("Parameters", ())},
        capabilities=tuple(stack.get("Capabilities", ())),
        tags={tag["Key"]: tag["Value"] for tag in stack.get("Tags", ())},
        notifications=tuple(stack.get("NotificationARNs", ())),
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())},
        arn=stack.get("StackId", ""),
        protected=bool(stack.get("EnableTerminationProtection")),
    )


def read_alarm(alarm: Mapping[str, Any], *, composite: bool) -> Alarm:
    """An alarm in DescribeAlarms."""
    return Alarm(
        name=alarm["AlarmName"],
        state=alarm["StateValue"],
        reason=alarm.get("StateReason", ""),
        since=alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp"),
        composite=composite,
    )


def names_its_own_source(template: Template, parameter: str) -> bool:
    """Whether a parameter is read from Parameter Store: CDK's bootstrap version, under its default name."""
    definition = template.get("Parameters", {}).get(parameter, {})
    return str(definition.get("Type", "")).startswith("AWS::SSM::Parameter::Value") and "Default" in definition


_OTHER_RESOURCES = ("ResourceReference", "ResourceAttribute")


def read_change(change: Mapping[str, Any]) -> Change:
    """A change in DescribeChangeSet."""
    causes = dict.fromkeys(
        str(detail.get("CausingEntity", "")).partition(".")[0]
        if detail.get("ChangeSource") in _OTHER_RESOURCES
        else "direct"
        for detail in change.get("Details", ())
    )
    return Change(
        action=change["Action"],
        logical_id=change["LogicalResourceId"],
        type=change["ResourceType"],
        replacement=change.get("Replacement", ""),
        causes=tuple(causes) or ("direct",),
    )
