"""Schedules with a field that somebody left out."""

from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "bills")


def planned(before: dict[str, Any] | None, **after: Any) -> list[str]:
    def stack(properties: dict[str, Any], **more: Any) -> StackTemplate:
        rule = {"Type": "AWS::Events::Rule", "Properties": properties}
        return StackTemplate(KEY, {"Resources": {"Nightly": rule, **more}})

    deployed = [stack(before)] if before is not None else []
    [planned] = plan(deployed, [[stack(after, Topic={"Type": "AWS::SNS::Topic"})]]).stacks
    return [str(each) for each in planned.consequences if each.hurts]


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("cron(* 3 * * ? *)", 60),
        ("cron(*/1 3,15 ? * MON-FRI *)", 120),
        ("cron(* * 1 * ? *)", 1440),
        ("cron(0 * ? * MON *)", 24),
        ("cron(30 * 1 6 ? *)", 24),
    ],
)
def test_a_field_that_cdk_fills_starts_a_task_more_often(expression: str, times: int) -> None:
    [said] = planned(None, ScheduleExpression=expression)
    assert said.startswith(f"bills.Nightly: {expression} starts it {times} times a day: ")


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 3 * * ? *)",
        "cron(* * * * ? *)",
        "cron(0 * * * ? *)",
        "cron(* 9-17 ? * MON-FRI *)",
        "cron(0 * ? * MON-FRI *)",
        "cron(0/5 3 * * ? *)",
        "cron(0,30 * 1 * ? *)",
        "rate(1 minute)",
        "cron(no)",
        {"Ref": "When"},
    ],
)
def test_what_somebody_means_is_taken(expression: Any) -> None:
    assert planned(None, ScheduleExpression=expression) == []


def test_what_runs_so_already_and_what_is_disabled_is_no_news() -> None:
    often = "cron(* 3 * * ? *)"
    assert planned({"ScheduleExpression": often}, ScheduleExpression=often, Name="n") == []
    assert planned(None, ScheduleExpression=often, State="DISABLED") == []
    assert planned({"ScheduleExpression": "rate(1 day)"}, ScheduleExpression=often) != []
