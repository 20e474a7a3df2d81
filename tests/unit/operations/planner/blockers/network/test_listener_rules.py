"""Rules that lead to a service while ECS moves its traffic by another one."""

import copy
from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("111122223333", "eu-west-1", "shop-live-carts")
ELB = "AWS::ElasticLoadBalancingV2::"


def rule(priority: int, *groups: str) -> dict[str, Any]:
    shares = [{"TargetGroupArn": {"Ref": group}, "Weight": 7} for group in groups]
    conditions = [{"Field": "path-pattern", "Values": [f"/{priority}/*"]}]
    actions = [{"Type": "forward", "ForwardConfig": {"TargetGroups": shares}}]
    listener = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:listener/app/shop/1/2"
    properties = {"ListenerArn": listener, "Priority": priority, "Conditions": conditions, "Actions": actions}
    return {"Type": f"{ELB}ListenerRule", "Properties": properties}


def said(strategy: str = "CANARY", production: Any = None, **rules: Any) -> list[str]:
    """What a plan says of the rules of a service that is deployed with another image."""
    advanced = {
        "AlternateTargetGroupArn": {"Ref": "Green"},
        "ProductionListenerRule": production or {"Ref": "Main"},
        "TestListenerRule": {"Ref": "Tests"},
        "RoleArn": "arn:aws:iam::111122223333:role/moves",
    }
    balancer = {"TargetGroupArn": {"Ref": "Blue"}, "AdvancedConfiguration": advanced}
    service = {"DeploymentConfiguration": {"Strategy": strategy}, "LoadBalancers": [balancer], "TaskDefinition": "old"}
    resources = {
        "Blue": {"Type": f"{ELB}TargetGroup", "Properties": {"Protocol": "HTTP"}},
        "Green": {"Type": f"{ELB}TargetGroup", "Properties": {"Protocol": "HTTP"}},
        "Other": {"Type": f"{ELB}TargetGroup", "Properties": {"Protocol": "HTTP"}},
        "Main": rule(11, "Blue", "Green"),
        "Tests": rule(12, "Green"),
        "Service": {"Type": "AWS::ECS::Service", "Properties": service},
        **rules,
    }
    after = copy.deepcopy(resources)
    after["Service"]["Properties"]["TaskDefinition"] = "new"
    before, released = (StackTemplate(KEY, {"Resources": each}) for each in (resources, after))
    planned = plan([before], [[released]])
    return [str(each) for stack in planned.stacks for each in stack.consequences if each.hurts]


@pytest.mark.parametrize("groups", [("Blue",), ("Green",), ("Blue", "Green"), ("Other", "Blue")])
def test_a_second_rule_to_a_service_is_left_behind(groups: tuple[str, ...]) -> None:
    [found] = said(More=rule(13, *groups))
    assert found.startswith("shop-live-carts.More: leads to Service, but ECS moves only the weights of Main")
    assert "put its conditions into Main" in found


def test_the_rules_that_the_service_names_and_those_to_other_services_are_not() -> None:
    assert said() == []
    assert said(More=rule(13, "Other")) == []


def test_a_rolling_service_has_one_target_group_whichever_rule_leads_there() -> None:
    assert said("ROLLING", More=rule(13, "Blue")) == []


def test_nothing_is_said_where_another_stack_has_the_rule_that_ecs_moves() -> None:
    assert said(production={"Fn::ImportValue": "the-rule"}, More=rule(13, "Blue")) == []


def taking(**values: list[Any]) -> dict[str, Any]:
    """A rule for some values of each field."""
    conditions = [{"Field": field.replace("_", "-"), "Values": each} for field, each in values.items()]
    return {"Type": f"{ELB}ListenerRule", "Properties": {**rule(14)["Properties"], "Conditions": conditions}}


@pytest.mark.parametrize(
    ("before", "after", "other", "told"),
    [
        (taking(path_pattern=["/carts/*"]), taking(path_pattern=["/basket/*"]), None, "no rule takes /carts/*"),
        (taking(path_pattern=["/carts/*"]), None, None, "no rule takes /carts/*"),
        (taking(path_pattern=["/carts/*"]), None, taking(path_pattern=["/carts/*"]), ""),
        (taking(path_pattern=["/carts/*"]), taking(path_pattern=["/*"]), None, ""),
        (
            taking(path_pattern=["/a/*"]),
            taking(path_pattern=["/a/*"], host_header=["a.example"]),
            None,
            "host-header a",
        ),
        (taking(path_pattern=["/a/*"]), taking(path_pattern=["/a/*", "/b/*"]), None, ""),
        (taking(path_pattern=["/a/*"]), taking(path_pattern=[{"Ref": "Path"}]), None, ""),
    ],
)
def test_requests_that_no_rule_takes_any_more_are_missed(before: Any, after: Any, other: Any, told: str) -> None:
    elsewhere = StackKey(*KEY[:2], "shop-live-others")
    deployed = [StackTemplate(KEY, {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}, "It": before}})]
    resources = {"Topic": {"Type": "AWS::SNS::Topic"}, **({"It": after} if after else {})}
    others = [StackTemplate(elsewhere, {"Resources": {"It": other}})] if other else []
    planned = plan(deployed, [[StackTemplate(KEY, {"Resources": resources, "Parameters": {"Path": {}}})], others])
    found = [each.what for stack in planned.stacks for each in stack.consequences if each.hurts]
    assert (told in found[0]) if told else found == [], found
    notes = [each.what for stack in planned.stacks for each in stack.consequences]
    assert ("another rule takes /carts/* from now on" in notes) == (other is not None)


def test_rules_that_swap_their_paths_lose_no_request() -> None:
    def stack(first: str, second: str) -> StackTemplate:
        return StackTemplate(
            KEY, {"Resources": {"One": taking(path_pattern=[first]), "Two": taking(path_pattern=[second])}}
        )

    [step] = plan([stack("/x/*", "/y/*")], [[stack("/y/*", "/x/*")]]).stacks
    assert [each.what for each in step.consequences if each.hurts] == []
    said = [each.what for each in step.consequences]
    assert [f"another rule takes {path} from now on" in said for path in ("/x/*", "/y/*")] == [True, True]


def leading(to: str, priority: int, **fields: Any) -> dict[str, Any]:
    of = {"Priority": priority, "Actions": rule(3, to)["Properties"]["Actions"]}
    return {"Type": f"{ELB}ListenerRule", "Properties": {**taking(**fields)["Properties"], **of}}


HOST = leading("Blue", 20, host_header=["api.example"])


@pytest.mark.parametrize(
    ("first", "hidden"),
    [
        (leading("Green", 5, path_pattern=["/*"]), True),
        (leading("Green", 5, host_header=["*.example"]), True),
        (leading("Green", 25, path_pattern=["/*"]), False),
        (leading("Blue", 5, path_pattern=["/*"]), False),
        (leading("Green", 5, path_pattern=["/a/*"]), False),
        (leading("Green", 5, host_header=["ap?.example"]), False),
        (leading("Green", 5, host_header=["*.example"], query_string=["x"]), False),
        (leading("Green", 5, path_pattern=[{"Ref": "Path"}]), False),
    ],
)
def test_a_rule_that_another_one_hides_is_named_once(first: Any, hidden: bool) -> None:
    def found(*deployed: dict[str, Any], **released: Any) -> list[str]:
        stacks = [
            StackTemplate(KEY, {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}, **each}}) for each in deployed
        ]
        release = StackTemplate(KEY, {"Resources": released, "Parameters": {"Path": {}}})
        return [each.what for step in plan(stacks, [[release]]).stacks for each in step.consequences if each.hurts]

    said = "gets no request any more: First, of priority 5, comes before it and takes all"
    assert found({"Host": HOST}, Host=HOST, First=first) == ([said] if hidden else [])
    assert found({"Host": HOST, "First": first}, Host=HOST, First=first, More=rule(2, "Other")) == []
