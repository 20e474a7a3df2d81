"""An environment whose network, cluster and load balancer exist: what is made, and what is left alone."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from helpers.existing import BALANCER, GROUP, existing_network, listener_arn
from nova_infra.config import Config, Network, parse_config
from nova_infra.names import SCHEME_OUTPUT

ROOT = Path(__file__).parents[3]
STAGING = "222222222222"


@pytest.fixture(scope="module")
def templates(app: ModuleType, config: Config) -> dict[str, dict[str, Any]]:
    """Templates of the platform and of one service of it, in an environment that makes none of its own."""
    from aws_cdk.assertions import Template

    from nova_infra.stacks.environment import EnvironmentStacks

    raw = config.model_dump(mode="json", exclude_unset=True)
    environment = raw["environments"][1]
    environment["network"] = existing_network(STAGING)
    del environment["waf"]
    raw["release"] = {"together": True}
    raw["services"] = [raw["services"][0] | {"smoke": ["/carts-service/version"]}]
    changed = parse_config(raw)
    bare = app.cdk.App(context=json.loads((ROOT / "cdk.json").read_text())["context"])
    name = changed.services[0].name
    stacks = EnvironmentStacks(
        bare, config=changed, environment=changed.environments[1], image_tags={name: "abc123"}, extensions={}
    )
    return {
        "platform": Template.from_stack(stacks.platform).to_json(),
        "service": Template.from_stack(stacks.services[name]).to_json(),
    }


def properties(template: dict[str, Any], resource_type: str) -> list[dict[str, Any]]:
    return [each["Properties"] for each in template["Resources"].values() if each["Type"] == resource_type]


def test_nothing_is_made_that_exists(templates: dict[str, dict[str, Any]]) -> None:
    types = {each["Type"] for each in templates["platform"]["Resources"].values()}
    assert not {each for each in types if each.startswith(("AWS::EC2::", "AWS::ECS::", "AWS::WAFv2::"))}
    assert {each for each in types if each.startswith("AWS::ElasticLoadBalancingV2::")} == {
        "AWS::ElasticLoadBalancingV2::ListenerCertificate"
    }


def test_no_bucket_is_made_that_nothing_would_log_to(templates: dict[str, dict[str, Any]]) -> None:
    assert properties(templates["platform"], "AWS::S3::Bucket") == []


def test_the_domain_gets_a_certificate_on_the_listener_and_a_record(templates: dict[str, dict[str, Any]]) -> None:
    [certificate] = properties(templates["platform"], "AWS::ElasticLoadBalancingV2::ListenerCertificate")
    assert certificate["ListenerArn"] == listener_arn(STAGING)
    [record] = properties(templates["platform"], "AWS::Route53::RecordSet")
    assert record["Name"] == "staging.nova.example.com."
    assert record["AliasTarget"]["HostedZoneId"] == "Z35SXDOTRQ7X7K"
    assert record["AliasTarget"]["DNSName"] == "dualstack.shared-1234567890.us-east-1.elb.amazonaws.com"
    assert templates["platform"]["Outputs"]["Url"]["Value"] == "https://staging.nova.example.com"


def test_a_service_stands_on_the_listener_by_its_host_and_paths_and_lets_the_load_balancer_in(
    templates: dict[str, dict[str, Any]],
) -> None:
    rules = properties(templates["service"], "AWS::ElasticLoadBalancingV2::ListenerRule")
    assert len(rules) == 2  # its own, and that of its tests
    for rule in rules:
        assert rule["ListenerArn"] == listener_arn(STAGING)
        values = {each["Field"]: each for each in rule["Conditions"]}
        assert values["host-header"]["HostHeaderConfig"]["Values"] == ["staging.nova.example.com"]
        assert values["path-pattern"]["PathPatternConfig"]["Values"] == ["/carts-service/*"]
    [ingress] = properties(templates["service"], "AWS::EC2::SecurityGroupIngress")
    assert ingress["SourceSecurityGroupId"] == GROUP
    assert not properties(templates["service"], "AWS::EC2::SecurityGroupEgress")
    assert not properties(templates["service"], "AWS::Route53::RecordSet")


def test_a_service_is_in_the_cluster_under_its_own_name(templates: dict[str, dict[str, Any]]) -> None:
    [service] = properties(templates["service"], "AWS::ECS::Service")
    assert (service["Cluster"], service["ServiceName"]) == ("everybodys", "nova-staging-carts-service")
    [target] = properties(templates["service"], "AWS::ApplicationAutoScaling::ScalableTarget")
    assert target["ResourceId"] == "service/everybodys/nova-staging-carts-service"


def test_alarms_read_the_metrics_of_what_exists(templates: dict[str, dict[str, Any]]) -> None:
    alarms = properties(templates["service"], "AWS::CloudWatch::Alarm")
    metrics = [query.get("MetricStat", {}).get("Metric", {}) for alarm in alarms for query in alarm.get("Metrics", ())]
    dimensions = {
        (each["Name"], each["Value"])
        for metric in (*alarms, *metrics)
        for each in metric.get("Dimensions", ())
        if each["Name"] in ("LoadBalancer", "ClusterName")
    }
    assert dimensions == {("LoadBalancer", BALANCER), ("ClusterName", "everybodys")}


def test_roles_reach_the_environments_own_services_in_a_cluster_that_others_use(
    templates: dict[str, dict[str, Any]],
) -> None:
    reached = {
        part
        for policy in properties(templates["platform"], "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
        for resource in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]])
        if ":ecs:" in (part := json.dumps(resource).strip('"').replace("arn:aws:ecs:us-east-1:222222222222:", ""))
        or part.startswith(("service", "task"))
    }
    own = {f"{kind}/everybodys/nova-staging-*" for kind in ("service", "service-deployment", "service-revision")}
    assert reached == {*own, "task/everybodys/*"}


def test_events_of_others_in_the_cluster_are_not_announced(templates: dict[str, dict[str, Any]]) -> None:
    patterns = [each["EventPattern"] for each in properties(templates["platform"], "AWS::Events::Rule")]
    prefixes = {each["prefix"] for pattern in patterns for each in pattern.get("resources", ())}
    assert prefixes == {"arn:aws:ecs:us-east-1:222222222222:service/everybodys/nova-staging-"}


def test_the_tools_find_the_cluster_in_the_platforms_outputs(templates: dict[str, dict[str, Any]]) -> None:
    assert templates["platform"]["Outputs"]["ClusterName"]["Value"] == "everybodys"


def test_an_internal_load_balancer_is_known_by_an_output_because_nothing_outside_can_ask_it(
    app: ModuleType, config: Config, templates: dict[str, dict[str, Any]]
) -> None:
    from aws_cdk.assertions import Template

    from nova_infra.stacks.platform import PlatformStack

    assert SCHEME_OUTPUT not in templates["platform"]["Outputs"]
    environment = config.environments[1]
    network = existing_network(STAGING)
    network["load_balancer"]["dns_name"] = "internal-shared-1234567890.us-east-1.elb.amazonaws.com"
    inside = environment.model_copy(update={"network": Network.model_validate(network), "waf": False})
    bare = app.cdk.App(context=json.loads((ROOT / "cdk.json").read_text())["context"])
    stack = PlatformStack(bare, "Platform", prefix="nova-staging", config=config, environment=inside, group={})
    assert Template.from_stack(stack).to_json()["Outputs"][SCHEME_OUTPUT]["Value"] == "internal"
