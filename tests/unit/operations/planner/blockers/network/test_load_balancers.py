"""Rules of a load balancer, whose quota AWS raises on request, and target groups, of which it takes no more."""

from typing import Any

import pytest

from nova_infra.operations.planner import Plan, StackKey, StackTemplate, plan

ELB = "AWS::ElasticLoadBalancingV2"
EXISTING = "arn:aws:elasticloadbalancing:eu-north-1:210987654321:listener/app/front/50dc6c495c0c9188/"


def stack(name: str, **resources: Any) -> StackTemplate:
    return StackTemplate(StackKey("210987654321", "eu-north-1", name), {"Resources": resources})


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"{ELB}::{kind}", "Properties": properties}


def listener(export: str) -> dict[str, Any]:
    return {"Value": {"Ref": export}, "Export": {"Name": f"shop:{export}"}}


PLATFORM = StackTemplate(
    StackKey("210987654321", "eu-north-1", "shop"),
    {
        "Resources": {
            "Balancer": resource("LoadBalancer"),
            "Http": resource("Listener", LoadBalancerArn={"Ref": "Balancer"}, Port=80),
            "Https": resource("Listener", LoadBalancerArn={"Ref": "Balancer"}, Port=443),
        },
        "Outputs": {"H": listener("Http"), "S": listener("Https")},
    },
)
OWN = ({"Fn::ImportValue": "shop:Http"}, {"Fn::ImportValue": "shop:Https"})
FOUND = (f"{EXISTING}0467ef3c8400ae65", f"{EXISTING}a1b2c3d4e5f60718")


def service(number: int, at: Any, groups: int = 1) -> StackTemplate:
    """A service with a rule that forwards to so many target groups of its own."""
    made = {f"Group{each}": resource("TargetGroup", Port=8080) for each in range(groups)}
    shares = [{"TargetGroupArn": {"Ref": name}, "Weight": 100} for name in made]
    action = {"Type": "forward", "ForwardConfig": {"TargetGroups": shares}}
    rule = resource("ListenerRule", ListenerArn=at, Priority=number, Actions=[action])
    return stack(f"s{number:03}", Rule=rule, **made)


def told(result: Plan) -> list[str]:
    assert result.refusals == []
    return [str(each) for each in result.consequences if " rules" in str(each)]


@pytest.mark.parametrize(("at", "name"), [(OWN, "shop.Balancer"), (FOUND, "front")])
@pytest.mark.parametrize("at_once", [True, False])
def test_rules_of_all_listeners_of_a_load_balancer_count_and_are_never_refused(
    at: tuple[Any, Any], name: str, at_once: bool
) -> None:
    services = [service(number, at[number % 2], groups=0) for number in range(1, 102)]
    deployed, waves = ([], [services]) if at_once else (services[1:], [services])
    [said] = told(plan([PLATFORM, *deployed], waves))
    assert said == (
        f"{name}: this load balancer would have 101 rules, but the default quota is 100: request a higher one first"
    )
    assert told(plan([PLATFORM], [services[1:]])) == []


def test_rules_that_are_there_already_are_not_told_again() -> None:
    services = [service(number, OWN[0], groups=0) for number in range(1, 104)]
    changed = service(103, OWN[0], groups=1)
    assert told(plan([PLATFORM, *services], [[changed]])) == []


@pytest.mark.parametrize("at_once", [True, False])
def test_no_load_balancer_takes_more_than_a_hundred_target_groups(at_once: bool) -> None:
    services = [service(number, OWN[number % 2], groups=2) for number in range(1, 52)]
    deployed, wave = ([], services) if at_once else (services[:-1], services[-1:])
    [refusal] = plan([PLATFORM, *deployed], [wave]).refusals
    assert str(refusal) == (
        "s051: the load balancer shop.Balancer would have 102 target groups, but AWS allows 100: "
        "remove services, or move some to another load balancer"
    )
    assert plan([PLATFORM], [services[:-1]]).refusals == []


@pytest.mark.exhaustive("test_no_load_balancer_takes_more_than_a_hundred_target_groups")
def test_target_groups_of_another_load_balancer_do_not_count() -> None:
    services = [service(number, (*OWN, FOUND[0])[number % 3], groups=2) for number in range(1, 70)]
    assert plan([PLATFORM], [services]).refusals == []
