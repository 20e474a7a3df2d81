from typing import Any

import pytest

from nova_infra.rehearsal.pipeline.environments import starts_from_alternate


def template(priority: int = 3) -> dict[str, Any]:
    rule = {"Type": "AWS::ElasticLoadBalancingV2::ListenerRule", "Properties": {"Priority": priority}}
    return {"Resources": {"Rule": rule, "Queue": {"Type": "AWS::SQS::Queue"}}}


@pytest.mark.parametrize("service", ["carts", "bills", "a", "b"])
def test_a_service_begins_in_two_environments_from_the_two_colours(service: str) -> None:
    qa, live = (
        starts_from_alternate(f"shop-{name}-{service}", name.title(), place, template(), template())
        for place, name in ((4, "qa"), (5, "live"))
    )
    assert {qa, live} == {False, True}


@pytest.mark.parametrize("place", [4, 5])
def test_where_the_rule_changes_the_alternate_colour_serves(place: int) -> None:
    assert starts_from_alternate("shop-live-carts", "Live", place, template(3), template(4))
    assert starts_from_alternate("shop-live-carts", "Live", place, template(), {"Resources": {}})


def test_a_stack_that_the_candidate_no_longer_has_begins_as_any() -> None:
    begun = {starts_from_alternate("shop-live-carts", "Live", place, template(), None) for place in (4, 5)}
    assert begun == {False, True}
