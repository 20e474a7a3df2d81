"""Conditions that cannot hold together are never tried together, and what can is."""

import json
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.small_pipeline import allow, arn, grant, put, small_pipeline
from nova_infra.checks.conditions import outcomes
from nova_infra.checks.rules import findings

TOPIC = [{"Ref": "Topic"}]
PROD = {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}
CONDITIONS = {
    "Prod": PROD,
    "Test": {"Fn::Equals": ["test", {"Ref": "Stage"}]},
    "Big": {"Fn::Equals": [{"Ref": "Size"}, 3]},
    "NotProd": {"Fn::Not": [{"Condition": "Prod"}]},
    "BigProd": {"Fn::And": [{"Condition": "Prod"}, {"Condition": "Big"}]},
    "NotBigProd": {"Fn::Or": [{"Condition": "NotProd"}, {"Fn::Not": [{"Condition": "Big"}]}]},
    "Small": {"Fn::Not": [{"Condition": "Big"}]},
    "Never": {"Fn::Equals": [True, "false"]},
    "Loop": {"Condition": "Loop"},
}


def alarm(name: str = "dead", **changed: Any) -> dict[str, Any]:
    metric = {
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{"Name": "QueueName", "Value": "dead"}],
    }
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {"AlarmName": name, "AlarmActions": TOPIC, **metric, **changed},
    }


def rules(resources: dict[str, Any], **parameters: Any) -> set[str]:
    template = {"Conditions": CONDITIONS, "Parameters": parameters, "Resources": resources}
    return {rule.id for rule, _ in findings(template)}


def watched(*conditions: str, queue: str = "") -> dict[str, Any]:
    """A dead-letter queue, with an alarm for each condition."""
    redrive = {"RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}}}
    held = {"Condition": queue} if queue else {}
    queues = {
        "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}, **held},
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": redrive, **held},
    }
    return {**queues, **{f"Alarm{each}": {**alarm(each), "Condition": each} for each in conditions}}


BOTH = {"Type": "String", "AllowedValues": ["prod", "test"]}


@pytest.mark.parametrize(
    ("resources", "parameters", "expected"),
    [
        (watched("Prod", "NotProd"), {}, set()),
        (watched("Prod"), {}, {"NOVA-R19"}),
        (watched("Prod", "Test"), {}, {"NOVA-R19"}),
        (watched("Prod", "Test"), {"Stage": BOTH}, set()),
        (watched("Prod", "Test"), {"Stage": {**BOTH, "AllowedValues": ["prod", "test", "dev"]}}, {"NOVA-R19"}),
        (watched("BigProd", "NotBigProd"), {}, set()),
        (watched("BigProd", "NotProd"), {}, {"NOVA-R19"}),
        (watched("Never"), {}, {"NOVA-R19"}),
        (watched("Prod", queue="BigProd"), {}, set()),
        (watched("BigProd", queue="Prod"), {}, {"NOVA-R19"}),
        (watched("Never", queue="Never"), {}, set()),
        (watched("Loop"), {}, {"NOVA-R19"}),
        (watched("Loop", "Other", queue="Loop"), {}, set()),
    ],
)
def test_only_combinations_that_can_occur_are_tried(resources: Any, parameters: Any, expected: set[str]) -> None:
    assert rules(resources, **parameters) == expected


NAMED = {"Fn::Sub": "${AWS::StackName}-dead"}


@pytest.mark.parametrize(
    "dead",
    [
        {"Fn::GetAtt": ["Dead", "Arn"]},
        {"Fn::Sub": "${Dead.Arn}"},
        {"Fn::Join": [":", ["arn:aws:sqs:us-east-1:444444444444", NAMED]]},
    ],
    ids=["GetAtt", "Sub", "name"],
)
def test_what_refers_to_another_is_tried_with_it_however_it_refers(dead: Any) -> None:
    """Where both conditions fail, the queue has messages to give up and nobody watches where they go."""
    resources = json.loads(json.dumps(watched("Prod")).replace('"dead"', json.dumps(NAMED)))
    resources["Orders"] |= {"Properties": {"RedrivePolicy": {"deadLetterTargetArn": dead}}, "Condition": "Small"}
    found = [each.resources for each in outcomes({"Conditions": CONDITIONS, "Resources": resources})]
    assert [each for each in found if "Orders" in each and "AlarmProd" not in each]


def branches(number: int, other: Any = TOPIC) -> dict[str, Any]:
    """That many alarms, each with a choice by a condition of its own."""
    choices = {f"C{at}": {"Fn::If": [f"C{at}", TOPIC, other]} for at in range(number)}
    return {name: alarm(name, AlarmActions=each) for name, each in choices.items()}


@pytest.mark.parametrize("number", one_of_each([1, 6, 40]))
def test_any_number_of_good_branches_is_good_and_each_bad_one_is_found(number: int) -> None:
    assert rules(branches(number)) == set()
    template = {"Resources": branches(number, {"Ref": "AWS::NoValue"})}
    assert {(rule.id, each.logical_id) for rule, each in findings(template)} == {
        ("NOVA-R08", f"C{at}") for at in range(number)
    }


def test_what_more_conditions_decide_than_are_tried_is_refused_only_where_a_rollback_depends_on_it() -> None:
    names = [f"C{at}" for at in range(12)]
    actions: Any = TOPIC
    for name in names:
        actions = {"Fn::If": [name, TOPIC, actions]}
    assert rules({"Alarm": alarm(AlarmActions=actions)}) == set()


LIST = {"Type": "CommaDelimitedList"}


@pytest.mark.parametrize(
    ("changed", "parameters", "expected"),
    [
        ({"AlarmActions": {"Ref": "Topics"}}, {"Topics": LIST}, set()),
        ({"AlarmActions": {"Ref": "Topics"}}, {"Topics": {"Type": "AWS::SSM::Parameter::Value<List<String>>"}}, set()),
        ({"AlarmActions": {"Fn::If": ["Prod", {"Ref": "Topics"}, TOPIC]}}, {"Topics": LIST}, set()),
        ({"AlarmActions": {"Ref": "Topics"}}, {"Topics": {**LIST, "Default": ""}}, {"NOVA-R08"}),
        ({"AlarmActions": {"Ref": "Topics"}}, {"Topics": {"Type": "String"}}, {"NOVA-R08", "NOVA-R22"}),
        ({"ActionsEnabled": {"Ref": "Enabled"}}, {"Enabled": {"Type": "String"}}, set()),
        ({"ActionsEnabled": {"Fn::If": ["Prod", True, False]}}, {}, {"NOVA-R08"}),
    ],
)
def test_who_is_notified_may_be_a_parameter(changed: Any, parameters: Any, expected: set[str]) -> None:
    assert rules({"Alarm": alarm(**changed)}, **parameters) == expected


def test_alarms_that_a_deployment_watches_are_no_parameter() -> None:
    watching = {"Alarms": {"Enable": True, "Rollback": True, "AlarmNames": {"Ref": "Names"}}}
    service = {"Type": "AWS::ECS::Service", "Properties": {"DeploymentConfiguration": watching}}
    assert {"NOVA-R03", "NOVA-R04"} <= rules({"Service": service}, Names=LIST)
    watching["Alarms"]["AlarmNames"] = ["dead"]  # the alarm of one
    assert "NOVA-R22" in rules({"Service": service, "Alarm": alarm(ActionsEnabled={"Ref": "Enabled"})})


@pytest.mark.parametrize("places", [(0, 1), (1, 0)])
def test_each_branch_of_a_role_is_judged_in_whatever_order(places: tuple[int, int]) -> None:
    template = small_pipeline()
    put(template, "BadRole", "AWS::IAM::Role")
    grant(template, allow("sts:AssumeRole", "arn:aws:iam::333333333333:role/deployer"), role="BadRole")
    roles = [arn("BuildRole"), arn("BadRole")]
    template["Resources"]["Test"]["Properties"]["ServiceRole"] = {"Fn::If": ["C", *(roles[at] for at in places)]}
    assert "NOVA-P06" in {rule.id for rule, _ in findings(template)}
