from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.ecs.service_definition import read_service

ROLLS = {"MaximumPercent": 150}
SHIFTS = {"Strategy": "BLUE_GREEN", "MaximumPercent": 150}


@pytest.mark.parametrize(
    ("deployment", "most", "tasks"),
    [
        (ROLLS, None, 7),
        (ROLLS, 12, 18),
        ({"MaximumPercent": 100}, 12, 12),
        ({}, None, 10),
        (SHIFTS, None, 10),
        (SHIFTS, 12, 24),
    ],
    ids=["rolling", "rolling at its maximum", "no room", "AWS's default", "two revisions", "two at their maximum"],
)
def test_a_rollout_has_the_most_tasks_at_the_autoscalers_maximum(
    deployment: dict[str, Any], most: int | None, tasks: int
) -> None:
    advanced = {"AlternateTargetGroupArn": "green", "ProductionListenerRule": "rule"}
    service = {
        "ServiceName": "shop",
        "TaskDefinition": "shop:1",
        "DesiredCount": 5,
        "DeploymentConfiguration": deployment,
        "LoadBalancers": [{"TargetGroupArn": "blue", "AdvancedConfiguration": advanced}],
    }
    scaling = {"ResourceId": "service/prod/shop", "MinCapacity": 5, "MaxCapacity": most}
    resources = {"Shop": {"Type": "AWS::ECS::Service", "Properties": service}}
    if most is not None:
        resources["Scaling"] = {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": scaling}
    stack = PlayedStack("prod", {"Resources": resources}, exports={}, revisions={})
    found = read_service(stack, "Shop")
    assert (found.desired, found.most_tasks) == (5, tasks)


@pytest.mark.parametrize(
    ("place", "deployment", "further"),
    [
        ({}, ROLLS, ("inner",)),
        ({"ContainerPort": "8080"}, ROLLS, ("inner",)),
        ({"ContainerPort": 9090}, ROLLS, ()),
        ({"ContainerName": "metrics"}, ROLLS, ()),
        ({}, SHIFTS, ()),
    ],
)
def test_further_target_groups_count_if_they_lead_to_the_same_port(
    place: dict[str, Any], deployment: dict[str, Any], further: tuple[str, ...]
) -> None:
    advanced = {"AlternateTargetGroupArn": "green", "ProductionListenerRule": "rule"}
    first = {"TargetGroupArn": "outer", "ContainerName": "app", "ContainerPort": 8080}
    service = {
        "ServiceName": "shop",
        "TaskDefinition": "shop:1",
        "DeploymentConfiguration": deployment,
        "LoadBalancers": [
            {**first, "AdvancedConfiguration": advanced},
            {**first, "TargetGroupArn": "inner", **place},
        ],
    }
    resources = {"Shop": {"Type": "AWS::ECS::Service", "Properties": service}}
    stack = PlayedStack("prod", {"Resources": resources}, exports={}, revisions={})
    assert read_service(stack, "Shop").further == further
