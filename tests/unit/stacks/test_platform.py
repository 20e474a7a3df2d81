"""The platform's stack by itself, without the services' stacks that read it."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from helpers.assembly import Assembly
from nova_infra.config import Config

ROOT = Path(__file__).parents[3]


@pytest.mark.exhaustive(
    "test_app.py::test_only_the_task_definition_depends_on_the_image_tag_which_is_by_default_that_of_the_content"
)
def test_what_services_read_is_exported_whether_or_not_one_does(app: ModuleType, config: Config) -> None:
    """The platform is deployed first: an export that goes with its last reader is still read then, and AWS refuses."""
    from aws_cdk.assertions import Template

    from nova_infra.stacks.platform import PlatformStack

    environment = config.environments[0]
    bare = app.cdk.App(context=json.loads((ROOT / "cdk.json").read_text())["context"])
    stack = PlatformStack(bare, "Platform", prefix="nova-dev", config=config, environment=environment, group={})
    outputs = Template.from_stack(stack).to_json()["Outputs"].values()
    exported = json.dumps([output["Value"] for output in outputs if "Export" in output])
    for resource in ("IngressLoadBalancerListener", "IngressGroup", "Cluster"):
        assert resource in exported, resource
    for attribute in ("DNSName", "LoadBalancerFullName", "CanonicalHostedZoneID"):
        assert attribute in exported, attribute


def test_tasks_may_run_on_spare_capacity_whether_or_not_one_does(assembly: Assembly) -> None:
    [associated] = assembly.properties("nova-prod-platform", "AWS::ECS::ClusterCapacityProviderAssociations")
    assert associated["CapacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    [cluster] = assembly.properties("nova-prod-platform", "AWS::ECS::Cluster")
    assert cluster["ClusterSettings"] == [{"Name": "containerInsights", "Value": "enabled"}]


def test_a_network_takes_no_function_to_empty_a_group_that_nothing_uses(assembly: Assembly) -> None:
    kinds = {each["Type"] for each in assembly.templates["nova-prod-platform"]["Resources"].values()}
    assert "Custom::VpcRestrictDefaultSG" not in kinds


def test_what_the_firewall_does_can_be_looked_at(assembly: Assembly) -> None:
    acl = assembly.only("nova-prod-platform", "AWS::WAFv2::WebACL")
    for each in (acl, *acl["Rules"]):
        shown = each["VisibilityConfig"]
        assert (shown["SampledRequestsEnabled"], shown["CloudWatchMetricsEnabled"]) == (True, True)


def test_the_zones_are_the_configurations_and_cdk_looks_none_up(assembly: Assembly) -> None:
    """CDK would write zones of its own down for the whole stack, and looking them up takes credentials."""
    assert not [path for path, _ in assembly.acknowledgements if path.endswith("/platform")]
