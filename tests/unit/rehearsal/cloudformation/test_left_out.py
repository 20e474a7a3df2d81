"""What AWS takes and the rehearsal does not play is left out by name, and the rest is played."""

from collections.abc import Iterator
from typing import Any

import pytest

from nova_infra.errors import NovaError
from nova_infra.rehearsal.cloudformation.left_out import playable
from nova_infra.rehearsal.cloudformation.vocabulary import area_not_rehearsed, check_template
from nova_infra.rehearsal.pipeline.precheck import StageReading

_ELB = "AWS::ElasticLoadBalancingV2"
INSTANCES = "services on instances"
PROXIED = {"Key": "proxy_protocol_v2.enabled", "Value": "true"}
NETWORK = "load balancers of gateways and of networks (but for TCP), and requests through them"


@pytest.mark.parametrize(
    ("kind", "properties", "area"),
    [
        ("AWS::CloudFormation::Stack", {}, "what nested stacks hold"),
        ("AWS::ECS::Service", {"LaunchType": "EC2"}, INSTANCES),
        ("AWS::ECS::Service", {"CapacityProviderStrategy": [{"CapacityProvider": "mine"}]}, INSTANCES),
        ("AWS::ECS::Service", {"DeploymentController": {"Type": "CODE_DEPLOY"}}, "services deployed by CODE_DEPLOY"),
        ("AWS::ECS::TaskSet", {}, "services deployed by EXTERNAL"),
        ("AWS::ECS::TaskDefinition", {"RequiresCompatibilities": ["EC2"]}, INSTANCES),
        (f"{_ELB}::LoadBalancer", {"Type": "gateway"}, NETWORK),
        (f"{_ELB}::TargetGroup", {"Protocol": "TLS"}, NETWORK),
        (f"{_ELB}::TargetGroup", {"Protocol": "TCP", "TargetType": "alb"}, NETWORK),
        (f"{_ELB}::TargetGroup", {"Protocol": "TCP", "HealthCheckProtocol": "HTTPS"}, NETWORK),
        (f"{_ELB}::TargetGroup", {"Protocol": "TCP", "TargetGroupAttributes": [PROXIED]}, NETWORK),
        (f"{_ELB}::Listener", {"Protocol": "UDP"}, NETWORK),
    ],
)
def test_what_is_left_out_says_what_is_not_covered(kind: str, properties: dict[str, Any], area: str) -> None:
    left = playable({"Resources": {"Odd": {"Type": kind, "Properties": properties}}})
    assert area_not_rehearsed(left["Resources"]["Odd"]["Type"]) == area
    check_template(left, "prod")


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::ECS::Service", {"LaunchType": "FARGATE", "DeploymentController": {"Type": "ECS"}}),
        ("AWS::ECS::Service", {"CapacityProviderStrategy": [{"CapacityProvider": "FARGATE_SPOT"}]}),
        ("AWS::ECS::TaskDefinition", {"RequiresCompatibilities": ["EC2", "FARGATE"]}),
        ("AWS::ECS::TaskDefinition", {}),
        (f"{_ELB}::LoadBalancer", {"Type": "application"}),
        (f"{_ELB}::LoadBalancer", {"Type": "network"}),
        (f"{_ELB}::Listener", {"Protocol": "TLS", "DefaultActions": [{"TargetGroupArn": {"Ref": "Elsewhere"}}]}),
        (f"{_ELB}::TargetGroup", {"Protocol": "TCP", "TargetType": "ip"}),
        (f"{_ELB}::TargetGroup", {"Protocol": "HTTP"}),
    ],
)
def test_what_is_played_stays_as_it_is(kind: str, properties: dict[str, Any]) -> None:
    template = {"Resources": {"Usual": {"Type": kind, "Properties": properties}}}
    assert playable(template) is template


def test_what_macros_write_is_left_out_and_the_rest_is_played() -> None:
    """A loop and a macro are valid: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-languageextensions.html."""
    loop = ["Name", ["a", "b"], {"Topic${Name}": {"Type": "AWS::SNS::Topic"}}]
    topic = {"Type": "AWS::SNS::Topic"}
    template = {
        "Transform": "AWS::LanguageExtensions",
        "Resources": {"Fn::ForEach::Topics": loop, "Topic": topic},
        "Outputs": {"Fn::ForEach::Names": loop},
    }
    left = playable(template)
    check_template(left, "prod")
    assert left["Resources"].pop("Topic") == topic
    assert [area_not_rehearsed(each["Type"]) for each in left["Resources"].values()] == [
        "what macros write into a template"
    ]
    assert left["Outputs"] == {}


def test_a_service_whose_tasks_need_instances_is_left_out_with_them() -> None:
    definition = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"RequiresCompatibilities": ["EC2"]}}
    service = {"Type": "AWS::ECS::Service", "Properties": {"TaskDefinition": {"Ref": "Task"}}}
    left = playable({"Resources": {"Task": definition, "Service": service}})["Resources"]
    assert left["Service"]["Type"] == left["Task"]["Type"]


@pytest.mark.parametrize("weighted", [True, False])
def test_a_listener_goes_with_the_target_group_that_it_leads_to(weighted: bool) -> None:
    group = {"TargetGroupArn": {"Ref": "Web"}}
    action = {"Type": "forward", **({"ForwardConfig": {"TargetGroups": [group]}} if weighted else group)}
    listener = {"Type": f"{_ELB}::Listener", "Properties": {"Protocol": "TCP", "DefaultActions": [action]}}
    balancer = {"Type": f"{_ELB}::TargetGroup", "Properties": {"Protocol": "TCP", "TargetType": "alb"}}
    left = playable({"Resources": {"Listener": listener, "Web": balancer}})["Resources"]
    assert area_not_rehearsed(left["Listener"]["Type"]) == NETWORK


def test_a_service_behind_both_kinds_of_load_balancer_keeps_the_one_that_is_played() -> None:
    groups = {name: {"Type": f"{_ELB}::TargetGroup", "Properties": {"Protocol": p}} for name, p in GROUPS.items()}
    balancers = [{"TargetGroupArn": {"Ref": name}} for name in GROUPS]
    service = {"Type": "AWS::ECS::Service", "Properties": {"LoadBalancers": balancers, "DesiredCount": 3}}
    template = {"Resources": {**groups, "Service": service}}
    kept = playable(template)["Resources"]["Service"]["Properties"]
    assert kept == {"LoadBalancers": [{"TargetGroupArn": {"Ref": "Web"}}], "DesiredCount": 3}
    assert len(balancers) == 2


GROUPS = {"Net": "UDP", "Web": "HTTP"}


DAMAGE: list[Any] = [None, 5, "x", [], {}, True, ["x"], {"x": 5}, {"Fn::If": ["x"]}]


def everywhere(template: dict[str, Any], put: Any) -> Iterator[None]:
    """One place of a template after the other, while something else is there: sections, entries and their parts."""

    def places_of(value: dict[str, Any], depth: int) -> Iterator[tuple[dict[str, Any], str]]:
        for key in list(value):
            yield value, key
            if depth and isinstance(value[key], dict):
                yield from places_of(value[key], depth - 1)

    for container, key in list(places_of(template, 3)):
        before = container[key]
        container[key] = put
        yield
        container[key] = before


@pytest.mark.parametrize("put", DAMAGE)
def test_no_damage_to_a_template_ends_in_anything_but_one_line(put: Any) -> None:
    task: dict[str, Any] = {
        "Family": "shop",
        "Memory": "512",
        "RequiresCompatibilities": ["FARGATE"],
        "ContainerDefinitions": [{"Name": "app", "Image": "app:1"}],
    }
    service = {"TaskDefinition": {"Ref": "Task"}, "LoadBalancers": [], "CapacityProviderStrategy": []}
    resources: dict[str, Any] = {
        "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task},
        "Service": {"Type": "AWS::ECS::Service", "Properties": service, "DependsOn": ["Task"], "Condition": "Here"},
    }
    template = {
        "Parameters": {"P": {"Type": "String", "Default": "there", "MinLength": 2}},
        "Conditions": {"Here": {"Fn::Not": [{"Fn::Equals": [{"Ref": "P"}, "here"]}]}},
        "Mappings": {"Sizes": {"small": {"cpu": "256"}}},
        "Resources": resources,
        "Outputs": {"O": {"Value": {"Fn::FindInMap": ["Sizes", "small", "cpu"]}, "Export": {"Name": "o"}}},
    }
    refused = []
    for _ in everywhere(template, put):
        try:
            StageReading().read("prod", playable(template))
        except NovaError as error:
            refused.append(str(error))
    assert refused
    assert not [line for line in refused if "\n" in line]
    StageReading().read("prod", playable(template))
