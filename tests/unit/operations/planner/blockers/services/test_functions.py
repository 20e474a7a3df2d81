"""Functions that Lambda would not take, each with a twin that it takes."""

from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")


def refused(properties: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    def stack(given: dict[str, Any]) -> StackTemplate:
        return StackTemplate(KEY, {"Resources": {"It": {"Type": "AWS::Lambda::Function", "Properties": given}}})

    return [each.where for each in plan([stack(before)] if before else [], [[stack(properties)]]).refusals]


@pytest.mark.parametrize(
    ("runtime", "new", "update"),
    [("python2.7", True, True), ("python3.7", True, False), ("nodejs14.x", True, False), ("python3.13", False, False)],
)
def test_a_runtime_that_is_over_takes_no_functions(runtime: str, new: bool, update: bool) -> None:
    where = ["It.Runtime"]
    assert refused({"Runtime": runtime}) == (where if new else [])
    assert refused({"Runtime": runtime, "Timeout": 9}, {"Runtime": runtime}) == (where if update else [])


@pytest.mark.parametrize(("name", "is_kept"), [("AWS_REGION", True), ("_HANDLER", True), ("AWS_REGIONS", False)])
def test_variables_that_lambda_sets_are_its_own(name: str, is_kept: bool) -> None:
    variables = {"Environment": {"Variables": {name: "eu-west-1", "TZ": "UTC"}}}
    assert refused(variables) == (["It.Environment.Variables"] if is_kept else [])


@pytest.mark.parametrize(
    ("kind", "properties", "where"),
    [
        ("AWS::Lambda::Function", {"Runtime": "nodejs12.x"}, "Runtime"),
        ("AWS::Lambda::Function", {"Timeout": 901}, "Timeout"),
        ("AWS::SSM::Parameter", {"Type": "SecureString", "Value": "a"}, "Type"),
        ("AWS::EC2::FlowLog", {"MaxAggregationInterval": 61}, "MaxAggregationInterval"),
        ("AWS::IAM::ManagedPolicy", {"PolicyDocument": {"Version": "2024"}}, "PolicyDocument.Version"),
        ("AWS::ECS::TaskDefinition", {"RequiresCompatibilities": ["FARGATE"], "Cpu": 256, "Memory": 9}, "Memory"),
    ],
)
def test_what_does_not_change_is_not_judged_again(kind: str, properties: dict[str, Any], where: str) -> None:
    it = {"It": {"Type": kind, "Properties": properties}}
    before, more = StackTemplate(KEY, {"Resources": it}), {**it, "More": {"Type": "AWS::SNS::Topic"}}
    assert plan([before], [[StackTemplate(KEY, {"Resources": more})]]).refusals == []
    assert f"It.{where}" in [each.where for each in plan([], [[before]]).refusals]
