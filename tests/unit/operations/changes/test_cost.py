"""What templates cost a month: sums that can be checked by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.assembly import Assembly as Synthesized
from nova_infra.assembly import Assembly
from nova_infra.documents.terminal import as_text
from nova_infra.operations.changes.cost import by_owner, cost, difference, document, prices, total
from nova_infra.operations.changes.review import as_comment, cost_difference


def template(*resources: dict[str, Any], **named: dict[str, Any]) -> dict[str, Any]:
    return {"Resources": {**{f"R{n}": resource for n, resource in enumerate(resources)}, **named}}


def service(tasks: int = 2, *, cpu: str = "512", memory: str = "1024", arm: bool = False, **deployment: Any) -> Any:
    platform = {"CpuArchitecture": "ARM64" if arm else "X86_64"}
    return template(
        {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": {"MinCapacity": tasks}},
        Definition={
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {"Cpu": cpu, "Memory": memory, "RuntimePlatform": platform},
        },
        Service={
            "Type": "AWS::ECS::Service",
            "Properties": {"TaskDefinition": {"Ref": "Definition"}, "DeploymentConfiguration": deployment},
        },
    )


def usd(found: dict[str, Any], what: str) -> float:
    return {item.what: item.usd for item in cost([found])}.get(what, 0)


def test_a_task_costs_its_processor_and_its_memory_by_the_hour() -> None:
    assert usd(service(), "tasks") == pytest.approx(2 * 730 * (0.5 * 0.04048 + 1 * 0.004445))
    assert usd(service(arm=True), "tasks") == pytest.approx(2 * 730 * (0.5 * 0.03238 + 1 * 0.00356))
    assert usd(service(tasks=0), "tasks") == 0


def test_a_rollout_pays_twice_as_many_tasks_while_it_bakes() -> None:
    hour = 2 * (0.5 * 0.04048 + 1 * 0.004445)
    canary = service(CanaryConfiguration={"CanaryBakeTimeInMinutes": 7}, BakeTimeInMinutes=3)
    assert usd(canary, "second tasks of a rollout") == pytest.approx(hour * 10 / 60 * 20)
    linear = service(LinearConfiguration={"StepPercent": 25, "StepBakeTimeInMinutes": 4}, BakeTimeInMinutes=0)
    assert usd(linear, "second tasks of a rollout") == pytest.approx(hour * 12 / 60 * 20)
    assert usd(service(), "second tasks of a rollout") == 0


@pytest.mark.parametrize(
    ("resource", "what", "is_"),
    [
        ({"Type": "AWS::EC2::NatGateway"}, "NAT gateways", 0.045 * 730),
        ({"Type": "AWS::ElasticLoadBalancingV2::LoadBalancer"}, "load balancer", (0.0225 + 0.008) * 730),
        ({"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "x"}}, "alarms", 0.10),
        (
            {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {"Metrics": [{"MetricStat": {}}, {"MetricStat": {}}, {"Expression": "a+b"}]},
            },
            "alarms",
            0.20,
        ),
        ({"Type": "AWS::WAFv2::WebACL", "Properties": {"Rules": [1, 2, 3]}}, "firewall", 8.0),
        (
            {"Type": "AWS::EC2::VPCEndpoint", "Properties": {"VpcEndpointType": "Interface", "SubnetIds": [1, 2]}},
            "endpoints",
            2 * 0.01 * 730,
        ),
        ({"Type": "AWS::EC2::VPCEndpoint", "Properties": {"VpcEndpointType": "Gateway"}}, "endpoints", 0),
        ({"Type": "AWS::ECR::Repository"}, "image scans", 20 * 0.09),
        (
            {
                "Type": "AWS::CodeBuild::Project",
                "Properties": {"Environment": {"ComputeType": "BUILD_GENERAL1_SMALL"}},
            },
            "builds",
            100 * 0.005,
        ),
        ({"Type": "AWS::CodeBuild::Project"}, "builds", 0),
        ({"Type": "AWS::Unheard::Of"}, "unheard", 0),
    ],
)
def test_each_resource_that_has_a_price_is_counted(resource: dict[str, Any], what: str, is_: float) -> None:
    assert usd(template(resource), what) == pytest.approx(is_)


def test_a_change_says_what_it_costs_and_of_what() -> None:
    gateway = {"Type": "AWS::EC2::NatGateway"}
    said = difference([template(gateway)], [template(gateway, gateway, gateway)])
    assert said.startswith("+66 USD a month at list prices of ")
    assert "(NAT gateways +66): 99 in all" in said
    assert difference([template(gateway, gateway)], [template(gateway)]).startswith("-33 USD")
    assert difference([template(gateway)], [template(gateway)]) == ""


def test_the_figures_say_what_they_rest_on() -> None:
    gateway = template({"Type": "AWS::EC2::NatGateway"})
    text = as_text(document({"prod": [service(), gateway], "dev": [gateway]}), width=1000)
    assert text.startswith("prod: 70 USD a month\n")
    assert "\ntotal: 103 USD a month\n" in text
    assert "total" not in as_text(document({"dev": [gateway]}))
    assert prices()["dated"] in text
    assert "Not counted: " in text
    assert all("source" in table for name, table in prices().items() if name not in ("dated", "month", "assumed"))


def test_the_synthesized_environments_cost_something_each_and_no_stack_counts_twice(
    assembly: Synthesized,
) -> None:
    # The rules for the types are above; this is that they meet what is synthesized.
    for environment in ("dev", "staging", "prod"):
        templates = [t for name, t in assembly.templates.items() if name.startswith(f"nova-{environment}-")]
        whats = {item.what for item in cost(templates)}
        assert {"tasks", "NAT gateways", "load balancer", "alarms", "logs"} <= whats, environment
        assert total(cost(templates)) > 30


def assembly_of(directory: Path, **stacks: dict[str, Any]) -> Path:
    directory.mkdir()
    artifacts = {}
    for name, content in stacks.items():
        (directory / f"{name}.json").write_text(json.dumps(content))
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "environment": "aws://1/us-east-1",
            "properties": {"stackName": name.replace("_", "-"), "templateFile": f"{name}.json"},
        }
    (directory / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}))
    return directory


def test_a_stack_belongs_to_the_environment_with_the_longest_name_that_fits(tmp_path: Path) -> None:
    one = template({"Type": "AWS::KMS::Key"})
    assembly = Assembly(assembly_of(tmp_path / "a", nova_prod_web=one, nova_prod_eu_web=one, Registry=one))
    found = by_owner(assembly, {"prod": "nova-prod", "prod-eu": "nova-prod-eu", "qa": "nova-qa"})
    assert {name: len(templates) for name, templates in found.items()} == {"prod": 1, "prod-eu": 1, "delivery": 1}


def test_the_comment_on_a_pull_request_has_the_difference(tmp_path: Path) -> None:
    before = assembly_of(tmp_path / "a", web=template())
    after = assembly_of(tmp_path / "b", web=template({"Type": "AWS::EC2::NatGateway"}))
    said = cost_difference(before, after)
    assert said.startswith("+33 USD a month")
    from nova_infra.operations.changes.review import StackChange

    assert f"**Costs**: {said}" in as_comment([StackChange("web", (), "")], said)
    assert "Costs" not in as_comment([StackChange("web", (), "")], "")
