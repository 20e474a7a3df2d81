"""Which events a rule of EventBridge may match."""

from typing import Any

import pytest

from nova_infra.checks.permissions.edges.events import event_pattern, may_be_own, may_come_from


@pytest.mark.parametrize(
    ("pattern", "of_ecr", "own"),
    [
        ({"source": ["aws.ecr"]}, True, False),
        ({"source": ["aws.ecs"]}, False, False),
        ({"source": ["own"]}, False, True),
        ({"source": ["own", "aws.ecr"]}, True, True),
        ({"source": "aws.ecr"}, True, False),
        ({"source": [{"prefix": "aws.ecr"}]}, True, False),
        ({"source": [{"prefix": "aws.e"}]}, True, False),
        ({"source": [{"prefix": "aws.s"}]}, False, False),
        ({"source": [{"prefix": "a"}]}, True, True),
        ({"source": [{"prefix": {"equals-ignore-case": "AWS."}}]}, True, True),
        ({"source": [{"suffix": ".ecr"}]}, True, True),
        ({"source": [{"suffix": ".ecs"}]}, False, True),
        ({"source": [{"equals-ignore-case": "AWS.ECR"}]}, True, True),
        ({"source": [{"wildcard": "aws.*r"}]}, True, False),
        ({"source": [{"wildcard": "aws.*s"}]}, False, False),
        ({"source": [{"anything-but": ["aws.ecr", "own"]}]}, False, True),
        ({"source": [{"anything-but": "own"}]}, True, True),
        ({"source": [{"anything-but": {"prefix": "own"}}]}, True, True),
        ({"source": [{"exists": True}]}, True, True),
        ({"source": [{"Ref": "Parameter"}]}, True, True),
        ({"detail-type": ["any"]}, True, True),
        ({"$or": [{"source": ["aws.ecs"]}, {"detail-type": ["any"]}]}, True, True),
        ('{"source": ["aws.ecr"]}', True, False),
        ("not JSON", True, True),
        ({"Fn::Sub": '{"source": ["${Source}"]}'}, True, True),
    ],
)
def test_what_is_not_certain_matches(pattern: Any, of_ecr: bool, own: bool) -> None:
    read = event_pattern({"EventPattern": pattern})
    assert read is not None
    assert (may_come_from(read, "ecr"), may_be_own(read)) == (of_ecr, own)


def test_a_schedule_has_no_pattern() -> None:
    assert event_pattern({"ScheduleExpression": "rate(1 day)"}) is None
