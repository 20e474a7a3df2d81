"""Health checks that wait longer than they are apart, by what kind of load balancer they are of."""

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")


@pytest.mark.parametrize(
    ("protocol", "interval", "timeout", "refused"),
    [
        ("HTTP", 10, 9, False),
        ("HTTP", 10, 10, True),
        ("HTTPS", 5, None, True),
        ("HTTPS", 6, None, False),
        ("HTTP", None, 30, True),
        ("HTTP", None, 29, False),
        ("HTTP", None, None, False),
        ("TCP", 10, 10, False),
        ("TLS", 10, 11, True),
        ("UDP", 5, None, False),
        ("TCP_UDP", None, 60, False),
        (None, 35, 35, False),
        ({"Ref": "AWS::StackName"}, 20, 20, False),
        ("HTTP", {"Ref": "AWS::StackName"}, 40, False),
    ],
)
def test_a_health_check_ends_before_the_next_begins(
    protocol: object, interval: object, timeout: object, refused: bool
) -> None:
    given = {"Protocol": protocol, "HealthCheckIntervalSeconds": interval, "HealthCheckTimeoutSeconds": timeout}
    properties = {name: value for name, value in given.items() if value is not None}
    group = {"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": properties}
    found = plan([], [[StackTemplate(KEY, {"Resources": {"Group": group}})]]).refusals
    assert [each.where for each in found] == ["Group.HealthCheckTimeoutSeconds"] * refused
