"""ARNs of another region, each with a twin of the stack's own."""

from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
TOPIC = "arn:aws:sns:{}:210987654321:alerts"
QUEUE = "arn:aws:sqs:{}:210987654321:dead"
FUNCTION = "arn:aws:lambda:{}:210987654321:function:seed"
BUS = "arn:aws:events:{}:210987654321:event-bus/central"
RULE = {"EventPattern": {"source": ["carts"]}}
ALARM = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "MetricName": "a", "Namespace": "b"}
ALARM |= {"Period": 60, "Statistic": "Sum", "Threshold": 1}


def places(kind: str, properties: dict[str, Any]) -> list[str]:
    template = {"Resources": {"It": {"Type": kind, "Properties": properties}}}
    found = plan([], [[StackTemplate(KEY, template)]]).refusals
    return [each.where for each in found if "the stack is in eu-north-1" in each.fault]


@pytest.mark.parametrize(
    ("kind", "properties", "arn", "where"),
    [
        ("Custom::Seed", lambda arn: {"ServiceToken": arn}, FUNCTION, "ServiceToken"),
        ("AWS::CloudFormation::CustomResource", lambda arn: {"ServiceToken": arn}, TOPIC, "ServiceToken"),
        ("AWS::CloudWatch::Alarm", lambda arn: {**ALARM, "AlarmActions": [arn]}, TOPIC, "AlarmActions"),
        (
            "AWS::SQS::Queue",
            lambda arn: {"RedrivePolicy": {"deadLetterTargetArn": arn, "maxReceiveCount": 3}},
            QUEUE,
            "RedrivePolicy.deadLetterTargetArn",
        ),
        ("AWS::Events::Rule", lambda arn: {**RULE, "Targets": [{"Id": "a", "Arn": arn}]}, QUEUE, "Targets.Arn"),
        ("AWS::Events::Rule", lambda arn: {**RULE, "Targets": [{"Id": "a", "Arn": arn, "RoleArn": "r"}]}, BUS, ""),
        ("AWS::SNS::Subscription", lambda arn: {"Protocol": "sqs", "TopicArn": TOPIC, "Endpoint": arn}, QUEUE, ""),
    ],
)
def test_what_a_service_looks_for_in_its_own_region_is_there(kind: str, properties: Any, arn: str, where: str) -> None:
    assert places(kind, properties(arn.format("ap-southeast-2"))) == ([f"It.{where}"] if where else [])
    assert places(kind, properties(arn.format("eu-north-1"))) == []
    assert places(kind, properties(arn.format("mars-north-1"))) == []
