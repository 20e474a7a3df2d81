from typing import Any

import pytest

from nova_infra.operations.gates.listener_rules import misdirected


def template(path: str = "/shop/*", priority: int = 3, image: str = "shop:1") -> dict[str, Any]:
    rule = {"Priority": priority, "Conditions": [{"Field": "path-pattern", "Values": [path]}]}
    return {
        "Resources": {
            "Rule": {"Type": "AWS::ElasticLoadBalancingV2::ListenerRule", "Properties": rule},
            "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Image": image}},
        }
    }


def test_a_changed_rule_of_a_service_on_its_second_target_group_is_refused_with_the_remedy() -> None:
    [said] = misdirected({"shop"}, {"shop": template()}, {"shop": template("/store/*", 4)})
    assert said.startswith("shop: its listener rule changes (Conditions, Priority) while its second target group")
    assert "release another change of shop first" in said


def test_a_changed_rule_is_no_matter_while_the_first_target_group_serves() -> None:
    assert misdirected(set(), {"shop": template()}, {"shop": template("/store/*")}) == []


@pytest.mark.parametrize(("header", "changes"), [("x-nova-test", False), ("x-tenant", True)])
def test_the_rule_for_tests_of_a_new_revision_may_change(header: str, changes: bool) -> None:
    before, after = template(), template()
    for each, path in ((before, "/shop/*"), (after, "/store/*")):
        rule = template(path, 2)["Resources"]["Rule"]
        rule["Properties"]["Conditions"].append(
            {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": header}}
        )
        each["Resources"]["Tests"] = rule
    assert bool(misdirected({"shop"}, {"shop": before}, {"shop": after})) is changes


def test_another_image_alone_changes_no_rule() -> None:
    assert misdirected({"shop"}, {"shop": template()}, {"shop": template(image="shop:2")}) == []


def test_what_is_new_or_goes_has_no_traffic_to_lose() -> None:
    assert misdirected({"shop", "stock"}, {"shop": template()}, {"stock": template()}) == []
