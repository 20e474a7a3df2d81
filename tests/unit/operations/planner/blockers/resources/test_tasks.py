"""Task definitions, services and rules whose parts do not go together, and the nearest ones that do."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
ELB = "AWS::ElasticLoadBalancingV2"
APP = {"Name": "app", "Image": "registry/app:7", "PortMappings": [{"ContainerPort": 8080}]}
SIDE = {"Name": "side", "Image": "registry/side:3", "Essential": False}
CHECK = {"Command": ["CMD", "true"]}
TASK = {
    "Family": "carts",
    "Cpu": "256",
    "Memory": "512",
    "NetworkMode": "awsvpc",
    "RequiresCompatibilities": ["FARGATE"],
    "ExecutionRoleArn": "arn:aws:iam::210987654321:role/start",
    "TaskRoleArn": "arn:aws:iam::210987654321:role/run",
    "ContainerDefinitions": [APP, SIDE],
}
GROUP = "arn:aws:elasticloadbalancing:eu-north-1:210987654321:targetgroup/{}/0123456789abcdef"
ADVANCED = {
    "AlternateTargetGroupArn": GROUP.format("green"),
    "RoleArn": "arn:aws:iam::210987654321:role/move",
    "ProductionListenerRule": "arn:aws:elasticloadbalancing:eu-north-1:210987654321:listener-rule/app/x/1/2/3",
}
BALANCER = {
    "ContainerName": "app",
    "ContainerPort": 8080,
    "TargetGroupArn": GROUP.format("blue"),
    "AdvancedConfiguration": ADVANCED,
}
SERVICE = {
    "ServiceName": "carts",
    "LaunchType": "FARGATE",
    "HealthCheckGracePeriodSeconds": 40,
    "TaskDefinition": {"Ref": "Task"},
    "DeploymentConfiguration": {"Strategy": "CANARY"},
    "LoadBalancers": [BALANCER],
    "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1"], "AssignPublicIp": "DISABLED"}},
}
Resources = dict[str, dict[str, Any]]
Change = Callable[[Resources], Any]


def refusals(change: Change) -> list[str]:
    resources: Resources = copy.deepcopy({"Task": TASK, "Service": SERVICE})
    change(resources)
    kinds = {"Task": "AWS::ECS::TaskDefinition", "Service": "AWS::ECS::Service", "Rule": f"{ELB}::ListenerRule"}
    given = {name: {"Type": kinds[name], "Properties": each} for name, each in resources.items()}
    parameters = {name: {"Type": "String"} for name in ("Given", "A", "B")}
    template = {"Parameters": parameters, "Conditions": {"Small": {"Fn::Equals": ["a", "b"]}}, "Resources": given}
    return [str(each) for each in plan([], [[StackTemplate(KEY, template)]]).refusals]


def put(resource: str, **properties: Any) -> Change:
    return lambda resources: resources[resource].update(properties)


def out(resource: str, *names: str) -> Change:
    return lambda resources: [resources[resource].pop(name) for name in names]


def path(*values: str) -> dict[str, Any]:
    return {"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}


def rule_of(action: dict[str, Any]) -> Change:
    """The service's production rule is one of its stack."""

    def change(resources: Resources) -> None:
        advanced = {**ADVANCED, "ProductionListenerRule": {"Ref": "Rule"}}
        resources["Service"]["LoadBalancers"] = [{**BALANCER, "AdvancedConfiguration": advanced}]
        resources["Rule"] = {"ListenerArn": "listener", "Priority": 7, "Conditions": [path("/a")], "Actions": [action]}

    return change


def containers(*changed: dict[str, Any]) -> Change:
    return put("Task", ContainerDefinitions=list(changed))


def logs(driver: str, **options: Any) -> dict[str, Any]:
    return {"LogConfiguration": {"LogDriver": driver, "Options": {k.replace("_", "-"): v for k, v in options.items()}}}


def waits(condition: str) -> dict[str, Any]:
    return {**APP, "DependsOn": [{"ContainerName": "side", "Condition": condition}]}


def all_of(*changes: Change) -> Change:
    return lambda resources: [each(resources) for each in changes]


WHOLE = {"awslogs_group": "/carts", "awslogs_region": "eu-north-1", "awslogs_stream_prefix": "app"}
NOVALUE = {"Ref": "AWS::NoValue"}
CASES: dict[str, tuple[Change, str]] = {
    "as it is": (put("Task"), ""),
    "no CPU": (out("Task", "Cpu"), "Task.Cpu: is missing"),
    "memory that is left out": (put("Task", Memory=NOVALUE), "Task.Memory: is missing"),
    "memory that only CloudFormation knows": (put("Task", Memory={"Ref": "Given"}), ""),
    "no CPU, on instances": (
        all_of(out("Task", "Cpu"), put("Task", RequiresCompatibilities=["EC2"]), put("Service", LaunchType="EC2")),
        "",
    ),
    "nothing needs an execution role": (out("Task", "ExecutionRoleArn"), ""),
    "a log needs an execution role": (
        all_of(out("Task", "ExecutionRoleArn"), containers({**APP, **logs("awslogs", **WHOLE)})),
        "Task.ExecutionRoleArn: is missing, and without it ECS cannot write its log",
    ),
    "a secret needs an execution role": (
        all_of(out("Task", "ExecutionRoleArn"), containers({**APP, "Secrets": [{"Name": "A", "ValueFrom": "b"}]})),
        "cannot read its secrets",
    ),
    "a registry needs an execution role": (
        all_of(out("Task", "ExecutionRoleArn"), containers({**APP, "Image": "1.dkr.ecr.eu-north-1.amazonaws.com/a"})),
        "cannot pull its image",
    ),
    "a log without a region": (
        containers({**APP, **logs("awslogs", awslogs_group="/c", awslogs_stream_prefix="app")}),
        "app lacks awslogs-region",
    ),
    "a log without a prefix": (
        containers({**APP, **logs("awslogs", awslogs_group="/c", awslogs_region="eu-north-1")}),
        "app lacks awslogs-stream-prefix",
    ),
    "Fluent Bit without a router": (containers({**APP, **logs("awsfirelens")}), "no container is its router"),
    "Fluent Bit with a router": (
        containers({**APP, **logs("awsfirelens")}, {**SIDE, "FirelensConfiguration": {"Type": "fluentbit"}}),
        "",
    ),
    "it waits for health without a check": (containers(waits("HEALTHY"), SIDE), "which has no health check"),
    "it waits for health with a check": (containers(waits("HEALTHY"), {**SIDE, "HealthCheck": CHECK}), ""),
    "it waits for the end": (containers(waits("SUCCESS"), SIDE), ""),
    "it waits for the end of what is essential": (
        containers(waits("COMPLETE"), {**SIDE, "Essential": True}),
        "which is essential: the task ends with it",
    ),
    "they wait for each other": (
        containers(waits("START"), {**SIDE, "DependsOn": [{"ContainerName": "app", "Condition": "START"}]}),
        " waits for ",
    ),
    "a launch type beside capacity": (
        put("Service", CapacityProviderStrategy=[{"CapacityProvider": "FARGATE", "Weight": 1}]),
        "cannot be combined with LaunchType",
    ),
    "capacity without a launch type": (
        all_of(
            put("Service", CapacityProviderStrategy=[{"CapacityProvider": "FARGATE", "Weight": 1}]),
            out("Service", "LaunchType"),
        ),
        "",
    ),
    "time for checks of nobody": (
        all_of(out("Service", "LoadBalancers"), put("Service", DeploymentConfiguration={})),
        "",
    ),
    "less than no time for checks": (put("Service", HealthCheckGracePeriodSeconds=-1), "choose 0 to 2,147,483,647"),
    "no time for checks": (put("Service", HealthCheckGracePeriodSeconds=0), ""),
    "too much time for checks": (put("Service", HealthCheckGracePeriodSeconds=2**31), "choose 0 to 2,147,483,647"),
    "a shell without a role": (
        all_of(out("Task", "TaskRoleArn"), put("Service", EnableExecuteCommand=True)),
        "needs a task role",
    ),
    "a shell with a role": (put("Service", EnableExecuteCommand=True), ""),
    "no shell and no role": (out("Task", "TaskRoleArn"), ""),
    "a task for instances": (
        put("Task", RequiresCompatibilities=["EC2", "EXTERNAL"]),
        "runs on Fargate, and its task definition is for EC2 and EXTERNAL",
    ),
    "a task for instances, and capacity of Fargate": (
        all_of(
            put("Task", RequiresCompatibilities=["EC2"]),
            put("Service", CapacityProviderStrategy=[{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}]),
            out("Service", "LaunchType"),
        ),
        "runs on Fargate, and its task definition is for EC2:",
    ),
    "no network": (out("Service", "NetworkConfiguration"), "Service.NetworkConfiguration: is missing"),
    "a public address in other words": (
        put("Service", NetworkConfiguration={"AwsvpcConfiguration": {"Subnets": ["s"], "AssignPublicIp": "true"}}),
        "make it DISABLED or ENABLED",
    ),
    "tags of nobody": (put("Service", PropagateTags="TASK"), "make it SERVICE, TASK_DEFINITION or NONE"),
    "nobody may move traffic": (
        put("Service", LoadBalancers=[{**BALANCER, "AdvancedConfiguration": {**ADVANCED, "RoleArn": NOVALUE}}]),
        "ECS may not move traffic without it",
    ),
    "nobody need move traffic": (
        put(
            "Service",
            LoadBalancers=[{**BALANCER, "AdvancedConfiguration": {**ADVANCED, "RoleArn": NOVALUE}}],
            DeploymentConfiguration={"Strategy": "ROLLING"},
        ),
        "",
    ),
    "its rule redirects": (
        rule_of({"Type": "redirect", "RedirectConfig": {"Port": "444"}}),
        "forwards to no target group",
    ),
    "its rule forwards": (rule_of({"Type": "forward", "TargetGroupArn": GROUP.format("blue")}), ""),
    "its rule does what only CloudFormation knows": (rule_of({"Fn::If": ["Small", {"Ref": "A"}, {"Ref": "B"}]}), ""),
    "traffic moves to where it is": (
        put("Service", LoadBalancers=[{**BALANCER, "TargetGroupArn": ADVANCED["AlternateTargetGroupArn"]}]),
        "is the same as TargetGroupArn",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_ecs_does_not_take_is_refused_and_nothing_else(case: str) -> None:
    change, said = CASES[case]
    found = refusals(change)
    assert len(found) == bool(said), found
    assert said in "".join(found)


def method(*values: str) -> dict[str, Any]:
    return {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": list(values)}}


def header(name: str) -> dict[str, Any]:
    return {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": name, "Values": ["a"]}}


def redirect(**config: str) -> dict[str, Any]:
    return {"Actions": [{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", **config}}]}


def fixed(status: str) -> dict[str, Any]:
    return {"Actions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": status}}]}


def attributes(**given: str) -> dict[str, Any]:
    return {"TargetGroupAttributes": [{"Key": key.replace("__", "."), "Value": value} for key, value in given.items()]}


@pytest.mark.parametrize(
    ("kind", "properties", "said"),
    [
        ("ListenerRule", {"Conditions": [path("/a", "/b"), method("GET", "X-PURGE"), header("Hosts")]}, ""),
        ("ListenerRule", {"Conditions": [header("a"), header("b")]}, ""),
        ("ListenerRule", {"Conditions": [path("/a"), path("/b")]}, "has 2 conditions of path-pattern"),
        ("ListenerRule", {"Conditions": [method("get")]}, "write it in capitals"),
        ("ListenerRule", {"Conditions": [header("host")]}, "use the condition host-header"),
        ("ListenerRule", redirect(Host="#{host}", Query="a=b"), "redirects to where the request came from"),
        ("ListenerRule", redirect(Protocol="HTTPS"), ""),
        ("ListenerRule", redirect(Path="/new/#{path}"), ""),
        ("ListenerRule", fixed("404"), ""),
        ("ListenerRule", fixed("301"), "answer 2XX, 4XX or 5XX"),
        ("Listener", {f"Default{key}": value for key, value in fixed("302").items()}, "answer 2XX, 4XX or 5XX"),
        ("LoadBalancer", {"Subnets": ["subnet-1"]}, ""),
        ("LoadBalancer", {"Subnets": ["subnet-1", "subnet-2"]}, ""),
        ("LoadBalancer", {"Subnets": {"Ref": "Given"}}, ""),
        ("TargetGroup", attributes(slow_start__duration_seconds="30"), ""),
        (
            "TargetGroup",
            attributes(slow_start__duration_seconds="30", load_balancing__algorithm__type="least_outstanding_requests"),
            "has a slow start, which least_outstanding_requests does not allow",
        ),
        (
            "TargetGroup",
            attributes(slow_start__duration_seconds="0", load_balancing__algorithm__type="weighted_random"),
            "",
        ),
    ],
)
def test_what_a_load_balancer_does_not_take_is_refused_and_nothing_else(
    kind: str, properties: dict[str, Any], said: str
) -> None:
    template = {
        "Parameters": {"Given": {"Type": "String"}},
        "Resources": {"It": {"Type": f"{ELB}::{kind}", "Properties": properties}},
    }
    found = [str(each) for each in plan([], [[StackTemplate(KEY, template)]]).refusals]
    assert len(found) == bool(said), found
    assert said in "".join(found)


def test_a_service_that_is_left_alone_is_not_refused_for_what_becomes_of_its_rule() -> None:
    """Nothing asks ECS then: CloudFormation changes the rule, and its users are redirected."""
    kinds = {"Task": "AWS::ECS::TaskDefinition", "Service": "AWS::ECS::Service", "Rule": f"{ELB}::ListenerRule"}

    def stack(action: dict[str, Any], **service: Any) -> StackTemplate:
        resources: Resources = copy.deepcopy({"Task": TASK, "Service": {**SERVICE, **service}})
        rule_of(action)(resources)
        return StackTemplate(
            KEY, {"Resources": {name: {"Type": kinds[name], "Properties": each} for name, each in resources.items()}}
        )

    redirects = {"Type": "redirect", "RedirectConfig": {"Port": "444", "StatusCode": "HTTP_302"}}
    before = stack({"Type": "forward", "TargetGroupArn": "arn:blue"})
    assert plan([before], [[stack(redirects)]]).refusals == []
    [refusal] = plan([before], [[stack(redirects, PropagateTags="SERVICE")]]).refusals
    assert "forwards to no target group" in str(refusal)
