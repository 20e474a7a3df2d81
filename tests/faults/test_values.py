"""Edits that AWS refuses for a value, or takes: planned on the miniature, and played where they are taken: `make faults`."""

from typing import Any

import pytest

from faults.edits import (
    Templates,
    all_of,
    changed,
    container,
    container_of,
    groups,
    resource,
    rule,
    service,
)

ROLE = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}
KEY = "arn:aws:secretsmanager:eu-west-1:333333333333:secret:db"


def twice(name: str) -> Any:
    def edit(templates: Templates) -> None:
        containers = templates["Prod"]["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
        containers[0]["Name"] = "app"
        containers.append({"Name": name, "Image": "registry/agent:one", "Essential": False})

    return edit


def waits_for(name: str) -> Any:
    return all_of(twice("agent"), container_waits(name))


def container_waits(name: str) -> Any:
    def edit(templates: Templates) -> None:
        first = templates["Prod"]["Resources"]["Task"]["Properties"]["ContainerDefinitions"][0]
        first["DependsOn"] = [{"ContainerName": name, "Condition": "START"}]

    return edit


def shadowed(templates: Templates) -> None:
    container_of(templates)["Secrets"] = [{"Name": "RELEASE", "ValueFrom": KEY}]


def fargate(**more: Any) -> Any:
    size: dict[str, Any] = {"RequiresCompatibilities": ["FARGATE"], "NetworkMode": "awsvpc", "Cpu": "256"}
    return changed("Task", **size, ExecutionRoleArn="arn:aws:iam::333333333333:role/starts", **more)


REFUSED: dict[str, Any] = {
    "its alarm needs four of three minutes": changed("Alarm", DatapointsToAlarm=4),
    "an alarm's period is 45 s": changed("Alarm", Metrics=[{"Id": "m", "Expression": "SUM(METRICS())", "Period": 45}]),
    "an alarm looks back for eight days": changed("Alarm", EvaluationPeriods=11520),
    "a bucket's name has capitals": resource("Bucket", "AWS::S3::Bucket", BucketName="Acme-Files"),
    "a queue hides messages for a day": resource("Queue", "AWS::SQS::Queue", VisibilityTimeout=86400),
    "a role's session lasts a minute": resource(
        "Role", "AWS::IAM::Role", AssumeRolePolicyDocument=ROLE, MaxSessionDuration=60
    ),
    "a role's name is too long": resource("Role", "AWS::IAM::Role", AssumeRolePolicyDocument=ROLE, RoleName="r" * 65),
    "a log group's name has a space": resource("Logs", "AWS::Logs::LogGroup", LogGroupName="tiny logs"),
    "a parameter's name begins with aws": resource(
        "Key", "AWS::SSM::Parameter", Name="/aws/tiny", Type="String", Value="7"
    ),
    "a rule's priority is too high": rule(Priority=50001),
    "a health check every four seconds": groups(HealthCheckIntervalSeconds=4, HealthCheckTimeoutSeconds=2),
    "one good health check is enough": groups(HealthyThresholdCount=1),
    "a target group's port is too high": groups(Port=70000),
    "a deregistration delay of two hours": groups(
        TargetGroupAttributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "7200"}]
    ),
    "a path of 200 letters": rule(
        Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/tiny/" + "a" * 200]}}]
    ),
    "a container's name has a space": container(Name="the app"),
    "a family's name has a dot": changed("Task", Family="prod.tiny"),
    "fewer than no tasks": service(DesiredCount=-3),
    "a secret has the name of a variable": shadowed,
    "two containers have one name": twice("app"),
    "a container waits for one that is not there": waits_for("proxy"),
    "a mount of a volume that is not there": container(
        MountPoints=[{"SourceVolume": "data", "ContainerPath": "/data"}]
    ),
    "ten GiB of storage": fargate(Memory="512", EphemeralStorage={"SizeInGiB": 10}),
    "a stop timeout of three minutes": all_of(fargate(Memory="512"), container(StopTimeout=180)),
}
TAKEN: dict[str, Any] = {
    "its family has another name": changed("Task", Family="prod-other"),
    "its task has twice the memory": changed("Task", Memory="1024"),
    "its health check takes its time": groups(HealthCheckIntervalSeconds=30, HealthCheckTimeoutSeconds=9),
    "its health check asks an operation": groups(HealthCheckPath="/tiny/1"),
    "a parameter beside it": resource("Key", "AWS::SSM::Parameter", Name="/tiny/key", Type="String", Value="7"),
    "a log group beside it": resource("Logs", "AWS::Logs::LogGroup", LogGroupName="/tiny/logs", RetentionInDays=30),
}


@pytest.mark.parametrize("edit", REFUSED)
def test_what_cloudformation_would_refuse_is_not_played(edit: str, play: Any, tmp_path: Any) -> None:
    play(tmp_path, edit=REFUSED[edit]).require("✗", "CloudFormation would refuse")


@pytest.mark.parametrize("edit", TAKEN)
def test_what_aws_takes_goes_through(edit: str, play: Any, tmp_path: Any) -> None:
    play(tmp_path, edit=TAKEN[edit]).require("✓", "")
