"""One edit of a good stack at a time, and what AWS would say to it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
ROUTER = {"FirelensConfiguration": {"Type": "fluentbit"}}
Resources = dict[str, Any]
Edit = Callable[[Resources], Any]


def good() -> Resources:
    """A load balancer, and a rolling service behind it whose security group lets through what it must."""
    check = {"Command": ["CMD", "true"], "Interval": 7, "Timeout": 3, "Retries": 4, "StartPeriod": 11}
    app = {
        "Name": "app",
        "Image": "carts:1",
        "Memory": 384,
        "PortMappings": [{"ContainerPort": 8123}],
        "StopTimeout": 45,
        "HealthCheck": check,
        "Environment": [{"Name": "LEVEL", "Value": "info"}],
        "Secrets": [{"Name": "TOKEN", "ValueFrom": "/carts/token"}],
        "MountPoints": [{"SourceVolume": "tmp", "ContainerPath": "/tmp"}],
        "DependsOn": [{"ContainerName": "router", "Condition": "START"}],
    }
    group = {
        "Protocol": "HTTP",
        "HealthCheckIntervalSeconds": 9,
        "HealthCheckTimeoutSeconds": 4,
        "UnhealthyThresholdCount": 3,
    }
    paths = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/carts/*", "/basket/*"]}}
    types: dict[str, tuple[str, Resources]] = {
        "Balancer": ("AWS::ElasticLoadBalancingV2::LoadBalancer", {}),
        "Listener": (
            "AWS::ElasticLoadBalancingV2::Listener",
            {
                "LoadBalancerArn": {"Ref": "Balancer"},
                "Port": 443,
                "Protocol": "HTTPS",
                "Certificates": [{"CertificateArn": "arn:aws:acm:eu-north-1:210987654321:certificate/c"}],
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": {"Ref": "Group"}}],
            },
        ),
        "Group": ("AWS::ElasticLoadBalancingV2::TargetGroup", group),
        "Rule": (
            "AWS::ElasticLoadBalancingV2::ListenerRule",
            {
                "ListenerArn": {"Ref": "Listener"},
                "Priority": 12,
                "Conditions": [paths],
                "Actions": [{"Type": "forward", "TargetGroupArn": {"Ref": "Group"}}],
            },
        ),
        "Logs": ("AWS::Logs::LogGroup", {"RetentionInDays": 90}),
        "Alarm": ("AWS::CloudWatch::Alarm", {"EvaluationPeriods": 4, "DatapointsToAlarm": 2, "Period": 120}),
        "Task": (
            "AWS::ECS::TaskDefinition",
            {
                "RequiresCompatibilities": ["FARGATE"],
                "ExecutionRoleArn": "arn:aws:iam::210987654321:role/start",
                "NetworkMode": "awsvpc",
                "Cpu": "256",
                "Memory": "512",
                "EphemeralStorage": {"SizeInGiB": 30},
                "Volumes": [{"Name": "tmp"}],
                "ContainerDefinitions": [app, {"Name": "router", "Image": "router:1", "Memory": 64, **ROUTER}],
            },
        ),
        "Tasks": (
            "AWS::EC2::SecurityGroup",
            {
                "SecurityGroupEgress": [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}],
                "SecurityGroupIngress": [{"IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8200}],
            },
        ),
        "Service": (
            "AWS::ECS::Service",
            {
                "TaskDefinition": {"Ref": "Task"},
                "DesiredCount": 3,
                "DeploymentConfiguration": {"MinimumHealthyPercent": 100, "MaximumPercent": 150},
                "LoadBalancers": [{"ContainerName": "app", "ContainerPort": 8123, "TargetGroupArn": {"Ref": "Group"}}],
                "NetworkConfiguration": {
                    "AwsvpcConfiguration": {"SecurityGroups": [{"Fn::GetAtt": ["Tasks", "GroupId"]}]}
                },
            },
        ),
    }
    return {name: {"Type": kind, "Properties": given} for name, (kind, given) in types.items()}


def change(name: str, **changes: Any) -> Edit:
    return lambda resources: resources[name]["Properties"].update(changes)


def app(**changes: Any) -> Edit:
    return lambda resources: resources["Task"]["Properties"]["ContainerDefinitions"][0].update(changes)


def check(**changes: Any) -> Edit:
    return lambda resources: resources["Task"]["Properties"]["ContainerDefinitions"][0]["HealthCheck"].update(changes)


def rollout(**changes: Any) -> Edit:
    return lambda resources: resources["Service"]["Properties"]["DeploymentConfiguration"].update(changes)


def balancer(**changes: Any) -> Edit:
    return lambda resources: resources["Service"]["Properties"]["LoadBalancers"][0].update(changes)


def values(*given: str) -> Edit:
    return change("Rule", Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": list(given)}}])


def token(secret: Any, reference: Any = None, key: str = "token", **writers: Any) -> Edit:
    """A secret that is made with the task which needs a key of it, and what else writes to the secret."""

    def edit(resources: Resources) -> None:
        resources["Key"] = {"Type": "AWS::SecretsManager::Secret", "Properties": secret}
        resources["Given"] = {"Type": "AWS::SSM::Parameter", "Properties": {}}
        resources |= {
            name: {"Type": kind, "Properties": {"SecretId": {"Ref": "Key"}}} for name, kind in writers.items()
        }
        value = reference or {"Fn::Join": ["", [{"Ref": "Key"}, f":{key}::"]]}
        app(Secrets=[{"Name": "TOKEN", "ValueFrom": value}])(resources)

    return edit


def scaling(**given: Any) -> Edit:
    return lambda resources: resources.update(
        Scaling={"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": given}
    )


def depend(name: str, *others: Any) -> Edit:
    return lambda resources: resources[name].update(DependsOn=list(others))


def limited_to(source: Any) -> Edit:
    """A policy whose statement has a condition."""
    only = {"Condition": {"ArnEquals": {"aws:SourceArn": source}}}
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **only}
    policy = {"PolicyName": "p", "Roles": ["r"], "PolicyDocument": {"Version": "2012-10-17", "Statement": statement}}
    return lambda resources: resources.update(Policy={"Type": "AWS::IAM::Policy", "Properties": policy})


def beside(**rule: Any) -> Edit:
    properties = {**rule, "GroupId": {"Fn::GetAtt": ["Tasks", "GroupId"]}}
    return lambda resources: resources.update(More={"Type": "AWS::EC2::SecurityGroupIngress", "Properties": properties})


def twice(condition: str | None = None, **second: Any) -> Edit:
    """Two rules of a group, as resources of their own."""
    rule = {"GroupId": {"Fn::GetAtt": ["Tasks", "GroupId"]}, "IpProtocol": "tcp", "FromPort": 81, "ToPort": 82}
    parts = {"Condition": condition} if condition else {}
    one, other = ({"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {**rule, **more}} for more in ({}, second))
    return lambda resources: resources.update(One=one, Other={**other, **parts})


CLOSED = [{"IpProtocol": "icmp", "FromPort": 252, "ToPort": 86, "CidrIp": "255.255.255.255/32"}]
DNS = [{"IpProtocol": "udp", "FromPort": 0, "ToPort": 65535, "CidrIp": "0.0.0.0/0"}]
HTTP = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}]

ATTACHED = "AWS::SecretsManager::SecretTargetAttachment"

REFUSED: list[tuple[Edit, str]] = [
    (lambda resources: resources.pop("Group"), "refers to Group, which is not in the template"),
    (depend("Service", "Policy"), "carts.Service: refers to Policy, which is not in the template"),
    (depend("Service", ["Policy"]), "carts.Service: refers to ['Policy'], which is not in the template"),
    (app(Environment=[{"Name": "A", "Value": {"Fn::Sub": "${Nothing.Arn}/x"}}]), "carts.Task: refers to Nothing"),
    (limited_to({"Ref": "Nothing"}), "carts.Policy: refers to Nothing, which is not in the template"),
    (limited_to({"Fn::Sub": ["${A}${Nothing}", {"A": "a"}]}), "carts.Policy: refers to Nothing"),
    (depend("Balancer", "Rule"), "depends on itself: Balancer → Rule → Listener → Balancer"),
    (app(Name="router"), "has several containers named router"),
    (app(Memory=500), "its containers ask for 564 MiB, and the task has 512"),
    (app(Cpu=512), "its containers ask for 512 CPU units, and the task has 256"),
    (app(StopTimeout=300), "app may take 300 s to stop, but Fargate allows 120"),
    (app(Secrets=[{"Name": "LEVEL", "ValueFrom": "/a"}]), "app has LEVEL among its variables and its secrets"),
    (app(MountPoints=[{"SourceVolume": "data"}]), "app mounts data, which is not a volume of the task"),
    (app(DependsOn=[{"ContainerName": "envoy"}]), "app waits for envoy, not a container here"),
    (
        app(LogConfiguration={"LogDriver": "json-file"}),
        "app logs with json-file, which Fargate does not support: use awslogs",
    ),
    (app(PortMappings=[{"ContainerPort": 8123, "HostPort": 80}]), "app maps port 8123 to 80 of the host"),
    (token({"SecretString": '{"user": "a", "host": "b"}'}), "TOKEN is the key token of Key, which has host and user"),
    (token({"SecretString": "plain"}), "TOKEN is the key token of Key, which is no JSON object"),
    (token({"GenerateSecretString": {"PasswordLength": 20}}), "so no task starts (ResourceInitializationError)"),
    (token({"GenerateSecretString": {"SecretStringTemplate": "{}", "GenerateStringKey": "k"}}), "Key, which has k"),
    (token({"SecretString": "{}"}, {"Fn::Sub": "${Key}:token::"}), "correct the key, or add it to Key"),
    (
        token({"SecretString": "{}"}, key="hostname", Attached=ATTACHED),
        "Key, which has what its database adds, such as host, so",
    ),
    (
        token({"SecretString": "{}"}, {"Fn::Join": ["", [{"Ref": "Attached"}, ":token::"]]}, Attached=ATTACHED),
        "TOKEN is the key token of Key, which has",
    ),
    (scaling(MinCapacity=4, MaxCapacity=3), "carts.Scaling.MaxCapacity: is 3, and MinCapacity is 4"),
    (check(Interval=2), "carts.Task.HealthCheck.Interval: app has 2: choose 5 to 300"),
    (check(Retries=11), "carts.Task.HealthCheck.Retries: app has 11: choose 1 to 10"),
    (check(StartPeriod=600), "carts.Task.HealthCheck.StartPeriod: app has 600"),
    (change("Task", NetworkMode="bridge"), "is bridge, but Fargate supports only awsvpc"),
    (change("Task", EphemeralStorage={"SizeInGiB": 20}), "is 20 GiB: choose 21 to 200"),
    (app(Environment=[{"Name": "FLAGS", "Value": "a" * 65_400}]), "characters, and ECS takes 65,536 bytes of a"),
    (balancer(ContainerName="web"), "sends requests to the container web, and its task definition has app and router"),
    (balancer(ContainerPort=9999), "sends requests to port 9999 of app, which has 8123"),
    (rollout(MaximumPercent=100), "keeps at least 100 % and at most 100 % of 3 tasks"),
    (rollout(MaximumPercent=133), "at most 133 % of 3 tasks, which leaves no room to replace one"),
    (change("Service", DesiredCount=1), "at most 150 % of 1 task, which leaves no room"),
    (rollout(Strategy="CANARY", CanaryConfiguration={"CanaryPercent": 0}), "CanaryPercent: is 0 %: choose 0.1 to 100"),
    (
        rollout(Strategy="CANARY", CanaryConfiguration={"CanaryPercent": 5, "CanaryBakeTimeInMinutes": 2000}),
        "CanaryBakeTimeInMinutes: is 2000 minutes",
    ),
    (rollout(BakeTimeInMinutes=1441), "DeploymentConfiguration.BakeTimeInMinutes: is 1441 minutes: choose 0 to 1440"),
    (change("Group", HealthCheckTimeoutSeconds=9), "waits 9 s for a health check that is repeated every 9 s"),
    (rollout(Strategy="LINEAR", LinearConfiguration={"StepPercent": 2}), "StepPercent: is 2 %: choose 3 to 100"),
    (change("Group", HealthCheckTimeoutSeconds=10), "waits 10 s for a health check that is repeated every 9 s"),
    (change("Group", UnhealthyThresholdCount=1), "carts.Group.UnhealthyThresholdCount: is 1: choose 2 to 10"),
    (change("Rule", Priority=0), "carts.Rule.Priority: is 0: choose 1 to 50,000"),
    (values(*["/a", "/b", "/c", "/d", "/e", "/f"]), "has 6 values: a rule has 5 at most"),
    (values("/" + "x" * 128), "has a value of 129 characters"),
    (change("Listener", Certificates=[]), "are missing, and HTTPS needs one: add a certificate"),
    (change("Logs", RetentionInDays=42), "CloudWatch keeps no log for 42 days: make it 30"),
    (change("Alarm", DatapointsToAlarm=5), "needs 5 data points of 4"),
    (change("Alarm", Period=90), "carts.Alarm.Period: is 90 s"),
    (change("Alarm", EvaluationPeriods=800), "looks back 96000 s"),
    (change("Tasks", SecurityGroupEgress=CLOSED), "cannot pull their image or open their log: let 443 out"),
    (change("Tasks", SecurityGroupEgress=DNS), "lets nothing out to port 443"),
    (change("Tasks", SecurityGroupIngress=HTTP), "lets nobody in to port 8123, so the targets of Service never become"),
    (change("Tasks", SecurityGroupIngress=[]), "let the load balancer in to port 8123"),
    (twice(Description="the same"), "carts.Other: is the same rule as One: remove one of them"),
]
TAKEN: list[Edit] = [
    app(LogConfiguration={"LogDriver": "awsfirelens"}),
    app(PortMappings=[{"ContainerPort": 8123, "HostPort": 8123}]),
    token({"SecretString": '{"token": "a"}'}),
    token({"SecretString": {"Ref": "Given"}}),
    token({"SecretString": "plain"}, {"Ref": "Key"}),
    token({"SecretString": "plain"}, {"Fn::Join": ["", [{"Ref": "Key"}, "::AWSPREVIOUS:"]]}),
    token({"GenerateSecretString": {"SecretStringTemplate": "{}", "GenerateStringKey": "token"}}),
    token({"SecretString": "{}"}, key="host", Attached=ATTACHED),
    token({"SecretString": "{}"}, {"Fn::Join": ["", [{"Ref": "Attached"}, ":port::"]]}, Attached=ATTACHED),
    token({"SecretString": "{}"}, Rotation="AWS::SecretsManager::RotationSchedule"),
    token({"SecretString": "{}"}, Filled="Custom::Filler", Attached=ATTACHED),
    scaling(MinCapacity=4, MaxCapacity=4),
    rollout(BakeTimeInMinutes=1440),
    change("Tasks", SecurityGroupEgress=[]),
    twice(ToPort=83),
    twice(condition="Either"),
    change("Tasks", SecurityGroupIngress=[{"IpProtocol": "-1"}]),
    lambda given: (change("Tasks", SecurityGroupIngress=[])(given), beside(**HTTP[0] | {"ToPort": 9000})(given)),
    change("Task", Memory={"Ref": "AWS::AccountId"}),
    rollout(MinimumHealthyPercent=60, MaximumPercent=100),
    rollout(Strategy="BLUE_GREEN", MaximumPercent=100),
    change("Service", DesiredCount=0),
    balancer(ContainerPort={"Ref": "AWS::NoValue"}),
    app(Environment=[{"Name": "A", "Value": {"Fn::Sub": ["${AWS::Region}-${own}-${!x}", {"own": "1"}]}}]),
    change("Alarm", Period=3600, EvaluationPeriods=48),
    app(PortMappings=[{"ContainerPort": 8123}, {"ContainerPort": 9001}]),
]  # fmt: skip


def refusals(*edits: Edit, before: bool = False) -> list[str]:
    resources = copy.deepcopy(good())
    for edit in edits:
        edit(resources)
    deployed = [StackTemplate(KEY, {"Resources": good()})] if before else []
    return [str(each) for each in plan(deployed, [[StackTemplate(KEY, {"Resources": resources})]]).refusals]


@pytest.mark.parametrize(("edit", "said"), one_of_each(REFUSED), ids=[said for _, said in REFUSED])
def test_what_aws_does_not_take_is_refused_by_name(edit: Edit, said: str) -> None:
    assert any(said in each for each in refusals(edit)), refusals(edit)


@pytest.mark.parametrize("edit", one_of_each([lambda _: None, *TAKEN]))
def test_what_aws_takes_is_not_refused(edit: Edit) -> None:
    assert refusals(edit) == []


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (change("Listener", Port=8443), "carts.Listener: port 443 of its load balancer closes"),
        (lambda resources: resources.pop("Listener"), "carts.Listener: port 443 of its load balancer closes"),
        (change("Balancer", Scheme="internal"), "carts.Balancer: its DNS name changes with it"),
        (
            lambda resources: (
                change("Balancer", Scheme="internal")(resources),
                resources.update(
                    Name={
                        "Type": "AWS::Route53::RecordSet",
                        "Properties": {"AliasTarget": {"DNSName": {"Fn::GetAtt": ["Balancer", "DNSName"]}}},
                    }
                ),
            ),
            "",
        ),
        (change("Service", ServiceName="baskets"), "carts.Service: is replaced"),
        (change("Logs", RetentionInDays=30), ""),
    ],
    ids=[
        "another port",
        "no listener",
        "another load balancer",
        "one that a record follows",
        "another service",
        "nothing of the kind",
    ],
)
def test_what_users_would_notice_of_what_aws_takes_is_reported(edit: Edit, said: str) -> None:
    resources = copy.deepcopy(good())
    edit(resources)
    deployed = [StackTemplate(KEY, {"Resources": good()})]
    [stack] = plan(deployed, [[StackTemplate(KEY, {"Resources": resources})]]).stacks
    hurting = [str(each) for each in stack.consequences if each.hurts]
    assert len(hurting) == bool(said)
    assert said in "".join(hurting)


def test_what_a_secret_holds_that_is_deployed_already_is_not_known() -> None:
    resources = copy.deepcopy(good())
    token({"SecretString": "{}"})(resources)
    needs = {"Resources": resources}
    has = {"Resources": {**good(), "Key": resources["Key"]}}
    assert plan([StackTemplate(KEY, has)], [[StackTemplate(KEY, needs)]]).refusals == []
    assert plan([StackTemplate(KEY, {"Resources": good()})], [[StackTemplate(KEY, needs)]]).refusals != []
