"""The template of a service in the network that experiments share, with the rollout that one chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nova_infra.assumptions.sandbox.stacks import PREFIX, Template
from nova_infra.assumptions.sandbox.templates import (
    CONTAINER,
    PORT,
    SERVER,
    Resource,
    attribute,
    network,
    ref,
    resource,
    task,
    template,
)

BREAKER = {"Enable": True, "Rollback": True}


@dataclass(frozen=True)
class SandboxService:
    """What a service is made of.

    Attributes:
        priority: Of its listener rule, and its own; 0 for a service without a load balancer.
        step_bake: Minutes of the canary's first share.
        variables: Environment variables; another value is another release.
        test_header: A header whose requests a test rule sends to the new revision; empty for no test rule.
    """

    strategy: str = "CANARY"
    priority: int = 0
    bake: int = 1
    step_bake: int = 1
    tasks: int = 1
    code: str = SERVER
    variables: Mapping[str, str] = field(default_factory=dict)
    hooks: Sequence[Mapping[str, Any]] = ()
    test_header: str = ""
    alarm: bool = False
    alternate: bool = True

    @property
    def path(self) -> str:
        """What its requests' paths begin with."""
        return f"/{self.priority}"


def service_template(ground: Mapping[str, str], service: SandboxService, **more: Resource) -> Template:
    """A service, its target groups and its rules.

    Args:
        ground: Outputs of the shared stack.
    """
    resources: dict[str, Resource] = {"Task": task(ground, code=service.code, variables=service.variables)}
    after: list[str] = []
    properties: dict[str, Any] = {
        "Cluster": ground["Cluster"],
        "LaunchType": "FARGATE",
        "TaskDefinition": ref("Task"),
        "DesiredCount": service.tasks,
        "NetworkConfiguration": network(ground),
        "DeploymentController": {"Type": "ECS"},
        "DeploymentConfiguration": _deployment(service),
    }
    outputs = {"Service": ref("Service"), "Name": attribute("Service", "Name"), "Task": ref("Task")}
    if service.priority:
        for colour in ("Blue", "Green"):
            resources[colour] = _target_group(ground)
            outputs[colour] = ref(colour)
        outputs["BlueName"] = attribute("Blue", "TargetGroupFullName")
        resources["Rule"] = _rule(ground, service)
        outputs["Rule"] = ref("Rule")
        # ECS takes a group only once a rule sends requests to it; that of both colours is named below.
        after += [] if service.alternate else ["Rule"]
        if service.test_header:
            resources["TestRule"] = _rule(ground, service, header=service.test_header)
            outputs["TestRule"] = ref("TestRule")
        properties["LoadBalancers"] = [_load_balancer(ground, service)]
        properties["HealthCheckGracePeriodSeconds"] = 60
    if service.alarm:
        after.append("Alarm")
        resources["Alarm"] = _alarm(service)
    resources["Service"] = resource("AWS::ECS::Service", properties, after=after)
    return template({**resources, **more}, outputs)


def _deployment(service: SandboxService) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Strategy": service.strategy,
        "MinimumHealthyPercent": 100,
        "MaximumPercent": 200,
        "BakeTimeInMinutes": service.bake,
        "DeploymentCircuitBreaker": BREAKER,
    }
    if service.strategy == "CANARY":
        found["CanaryConfiguration"] = {"CanaryPercent": 20, "CanaryBakeTimeInMinutes": service.step_bake}
    if service.hooks:
        found["LifecycleHooks"] = [dict(hook) for hook in service.hooks]
    if service.alarm:
        found["Alarms"] = {"AlarmNames": [_alarm_name(service)], "Enable": True, "Rollback": True}
    return found


def _target_group(ground: Mapping[str, str]) -> Resource:
    return resource(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        {
            "VpcId": ground["Network"],
            "TargetType": "ip",
            "Protocol": "HTTP",
            "Port": PORT,
            "HealthCheckPath": "/",
            "HealthCheckIntervalSeconds": 10,
            "HealthyThresholdCount": 2,
            "TargetGroupAttributes": [{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}],
        },
    )


def _rule(ground: Mapping[str, str], service: SandboxService, *, header: str = "") -> Resource:
    path = {"Field": "path-pattern", "PathPatternConfig": {"Values": [service.path, f"{service.path}/*"]}}
    test = {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": header, "Values": ["test"]}}
    groups = [{"TargetGroupArn": ref(colour), "Weight": weight} for colour, weight in (("Blue", 100), ("Green", 0))]
    return resource(
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        {
            "ListenerArn": ground["Listener"],
            # A test rule must come before the rule that matches the same path.
            "Priority": service.priority + (0 if header else 1000),
            "Conditions": [path, test] if header else [path],
            "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
        },
    )


def _load_balancer(ground: Mapping[str, str], service: SandboxService) -> dict[str, Any]:
    found: dict[str, Any] = {"ContainerName": CONTAINER, "ContainerPort": PORT, "TargetGroupArn": ref("Blue")}
    if service.alternate:
        found["AdvancedConfiguration"] = {
            "AlternateTargetGroupArn": ref("Green"),
            "ProductionListenerRule": ref("Rule"),
            "RoleArn": ground["Shifter"],
            **({"TestListenerRule": ref("TestRule")} if service.test_header else {}),
        }
    return found


def _alarm(service: SandboxService) -> Resource:
    """An alarm that stays OK: nothing sends its metric."""
    return resource(
        "AWS::CloudWatch::Alarm",
        {
            "AlarmName": _alarm_name(service),
            "Namespace": "AWS/ApplicationELB",
            "MetricName": "HTTPCode_Target_5XX_Count",
            "Dimensions": [{"Name": "LoadBalancer", "Value": "app/none/0000000000000000"}],
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
        },
    )


def _alarm_name(service: SandboxService) -> str:
    return f"{PREFIX}-{service.priority}"
