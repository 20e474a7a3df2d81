"""Health checks that wait longer than they are apart, and periods that alarms do not have."""

from typing import Any

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


@pytest.mark.parametrize(
    ("properties", "odd"),
    [
        ({"Period": 60}, None),
        ({"Period": 20}, None),
        ({"Period": 90}, 90),
        ({"Period": 0}, 0),
        ({"Metrics": [{"Expression": "a+b", "Period": 120}]}, None),
        ({"Metrics": [{"Expression": "a+b", "Period": 45}]}, 45),
        ({"Metrics": [{"MetricStat": {"Period": 300}}, {"MetricStat": {"Period": 75}}]}, 75),
    ],
)
def test_an_alarms_periods_are_those_that_cloudwatch_has(properties: dict[str, Any], odd: int | None) -> None:
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}
    found = plan([], [[StackTemplate(KEY, {"Resources": {"Alarm": alarm}})]]).refusals
    assert [(each.where, each.fault) for each in found] == ([] if odd is None else [("Alarm.Period", f"is {odd} s")])
