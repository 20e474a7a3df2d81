"""The rule of lifecycle hooks, on a small template that keeps it and on one change each that breaks it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.checks.rollback.hooks import HOOK_RULES
from nova_infra.checks.rule import Template
from nova_infra.names import together_name

[RULE] = HOOK_RULES

TEMPLATE: dict[str, Any] = {
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Statement": [{"Principal": {"Service": "ecs.amazonaws.com"}}]}},
    },
    "Policy": {"Type": "AWS::IAM::Policy", "Properties": {"Roles": [{"Ref": "Role"}]}},
    "Service": {
        "Type": "AWS::ECS::Service",
        "DependsOn": ["Policy"],
        "Properties": {
            "DeploymentConfiguration": {
                "Strategy": "LINEAR",
                "LinearConfiguration": {"StepPercent": 30, "StepBakeTimeInMinutes": 7},
                "BakeTimeInMinutes": 11,
                "LifecycleHooks": [
                    {
                        "TargetType": "AWS_LAMBDA",
                        "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                        "LifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"],
                        "TimeoutConfiguration": {"TimeoutInMinutes": 13, "Action": "ROLLBACK"},
                    },
                    {
                        "TargetType": "PAUSE",
                        "LifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
                        # Four steps of it, three bakes, the last bake and the function: 2100 minutes in all.
                        "TimeoutConfiguration": {"TimeoutInMinutes": (2100 - 3 * 7 - 11 - 13) / 4},
                    },
                ],
            }
        },
    },
}


def found(change: Callable[[dict[str, Any], list[dict[str, Any]]], object]) -> list[tuple[str, str]]:
    resources = copy.deepcopy(TEMPLATE)
    change(resources, resources["Service"]["Properties"]["DeploymentConfiguration"]["LifecycleHooks"])
    return [(each.location.rpartition("LifecycleHooks")[2], each.detail) for each in RULE.check(Template(resources))]


def test_hooks_that_keep_it() -> None:
    assert found(lambda *_: None) == []


@pytest.mark.parametrize(
    ("change", "where", "fault"),
    [
        (lambda _, h: h[0].pop("TimeoutConfiguration"), ".0.TimeoutConfiguration.TimeoutInMinutes", "a day"),
        (
            lambda _, h: h[1]["TimeoutConfiguration"].update(Action="CONTINUE"),
            ".1.TimeoutConfiguration.Action",
            "go on",
        ),
        (
            lambda _, h: h[1].update(LifecycleStages=["PRODUCTION_TRAFFIC_SHIFT"]),
            ".1.LifecycleStages",
            "no pause at PRODUCTION_TRAFFIC_SHIFT",
        ),
        (lambda _, h: h[0].pop("RoleArn"), ".0.RoleArn", "without a role"),
        (lambda r, _: r["Service"].update(DependsOn="Rule"), ".0.RoleArn", "deployed before Role may call"),
        (
            lambda r, _: r["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"].append(
                {"Principal": {"Service": "lambda.amazonaws.com"}}
            ),
            ".0.RoleArn",
            "not a role of its own",
        ),
        (
            lambda _, h: h[0]["TimeoutConfiguration"].update(TimeoutInMinutes=14),
            "",
            "bakes and hooks may take 2101 minutes",
        ),
    ],
)
def test_hooks_that_break_it(change: Callable[..., object], where: str, fault: str) -> None:
    told = found(change)
    assert [place for place, said in told if fault in said] == [where]


def test_a_role_of_another_stack_is_there_before() -> None:
    assert found(lambda _, h: h[0].update(RoleArn="arn:aws:iam::111122223333:role/x-hook")) == []


def test_the_function_of_a_release_that_goes_together_waits_once_and_others_at_every_step() -> None:
    def together(_: dict[str, Any], hooks: list[dict[str, Any]]) -> None:
        function = {"HookTargetArn": f"arn:aws:lambda:us-east-1:1:function:{together_name('nova-prod')}"}
        hooks[1] |= {"TargetType": "AWS_LAMBDA", "RoleArn": hooks[0]["RoleArn"], **function}
        hooks[1]["TimeoutConfiguration"] = {"TimeoutInMinutes": 2100 - 3 * 7 - 11 - 13}

    def another(service: dict[str, Any], hooks: list[dict[str, Any]]) -> None:
        together(service, hooks)
        hooks[1]["HookTargetArn"] = "arn:aws:lambda:us-east-1:1:function:nova-prod-look"

    assert found(together) == []
    [(_, fault)] = found(another)
    assert "may take" in fault
