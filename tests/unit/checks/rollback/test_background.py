"""The rules about workers, queues and jobs: each finds its fault, and only that."""

from typing import Any

import pytest

from nova_infra.checks.rules import findings

GET = {"Fn::GetAtt": ["Dead", "Arn"]}


def template() -> dict[str, Any]:
    """A queue with its dead-letter queue, and a job, with their alarms."""
    failed = {
        "MetricName": "ExecutionsFailed",
        "Dimensions": [{"Name": "StateMachineArn", "Value": {"Ref": "Machine"}}],
    }
    return {
        "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "mails-dead"}},
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"QueueName": "mails", "RedrivePolicy": {"deadLetterTargetArn": GET, "maxReceiveCount": 3}},
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "MetricName": "ApproximateNumberOfMessagesVisible",
                "Dimensions": [{"Name": "QueueName", "Value": "mails-dead"}],
                "AlarmActions": ["arn"],
            },
        },
        "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {"DefinitionString": '{"Resource": "arn:aws:states:::ecs:runTask.sync"}'},
        },
        "Failed": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmActions": ["arn"],
                "Metrics": [{"Id": "m", "MetricStat": {"Metric": failed, "Period": 60, "Stat": "Sum"}}],
            },
        },
        "Service": {
            "Type": "AWS::ECS::Service",
            "Properties": {"DeploymentConfiguration": {"Strategy": "ROLLING"}},
        },
    }


def found(resources: dict[str, Any]) -> list[tuple[str, str]]:
    ours = ("NOVA-R17", "NOVA-R18", "NOVA-R19", "NOVA-R20")
    return [(rule.id, finding.logical_id) for rule, finding in findings({"Resources": resources}) if rule.id in ours]


def test_a_worker_and_a_job_with_all_they_need_pass() -> None:
    assert found(template()) == []


@pytest.mark.parametrize("strategy", ["CANARY", "LINEAR", "BLUE_GREEN"])
def test_a_service_without_traffic_may_only_roll(strategy: str) -> None:
    resources = template()
    resources["Service"]["Properties"]["DeploymentConfiguration"]["Strategy"] = strategy
    assert found(resources) == [("NOVA-R17", "Service")]
    resources["Service"]["Properties"]["LoadBalancers"] = [{}]
    assert ("NOVA-R17", "Service") not in found(resources)


HERE = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:"


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ({"Fn::Sub": "${Dead.Arn}"}, {"Fn::GetAtt": ["Dead", "QueueName"]}),
        ({"Fn::Sub": ["${It}", {"It": GET}]}, {"Fn::Sub": "${Dead.QueueName}"}),
        ({"Fn::GetAtt": "Dead.Arn"}, {"Fn::GetAtt": "Dead.QueueName"}),
        ({"Fn::Sub": f"{HERE}mails-dead"}, "mails-dead"),
        ({"Fn::Join": [":", ["arn:aws:sqs", {"Ref": "AWS::Region"}, "210987654321", "mails-dead"]]}, "mails-dead"),
        ("arn:aws:sqs:eu-north-1:210987654321:mails-dead", {"Fn::Select": [5, {"Fn::Split": [":", GET]}]}),
    ],
    ids=str,
)
def test_a_dead_letter_queue_is_known_however_its_arn_is_written(target: Any, name: Any) -> None:
    resources = template()
    resources["Queue"]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"] = target
    resources["Alarm"]["Properties"]["Dimensions"][0]["Value"] = name
    assert found(resources) == []
    del resources["Alarm"]
    assert found(resources) == [("NOVA-R19", "Queue")]


@pytest.mark.parametrize(
    ("target", "name", "is_same"),
    [
        ({"Fn::ImportValue": "orders"}, {"Fn::ImportValue": "mails"}, False),
        ({"Fn::ImportValue": "mails"}, {"Fn::ImportValue": "mails"}, True),
        ({"Fn::Sub": HERE + "${AWS::StackName}-dead"}, {"Fn::Join": ["-", [{"Ref": "AWS::StackName"}, "dead"]]}, True),
        ({"Fn::Sub": HERE + "${AWS::StackName}-dead"}, {"Fn::Sub": "${AWS::Region}-dead"}, False),
        (
            {"Fn::Sub": [HERE + "${x}-dead", {"x": {"Fn::ImportValue": "a"}}]},
            {"Fn::Sub": ["${y}-dead", {"y": {"Fn::ImportValue": "a"}}]},
            True,
        ),
    ],
    ids=str,
)
def test_names_that_nobody_knows_are_of_one_queue_only_where_they_refer_to_the_same(
    target: Any, name: Any, is_same: bool
) -> None:
    resources = template()
    resources["Queue"]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"] = target
    resources["Dead"]["Properties"]["QueueName"] = name
    assert (("NOVA-R18", "Dead") not in found(resources)) is is_same


def test_a_dead_letter_queue_may_be_in_another_stack() -> None:
    resources = template()
    resources["Queue"]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"] = {"Fn::ImportValue": "mails-dead-arn"}
    assert found(resources) == [("NOVA-R18", "Dead")]
    resources["Dead"]["Properties"]["RedriveAllowPolicy"] = {"redrivePermission": "allowAll"}
    assert found(resources) == []
    del resources["Alarm"]
    assert found(resources) == [("NOVA-R19", "Dead")]
    resources["Dead"]["Properties"]["RedriveAllowPolicy"] = {"redrivePermission": "denyAll"}
    assert found(resources) == [("NOVA-R18", "Dead")]


def test_a_queue_without_a_dead_letter_queue_is_refused() -> None:
    resources = template()
    del resources["Queue"]["Properties"]["RedrivePolicy"]
    assert found(resources) == [("NOVA-R18", "Dead"), ("NOVA-R18", "Queue")]


def test_a_dead_letter_queue_without_an_alarm_is_refused() -> None:
    resources = template()
    resources["Alarm"]["Properties"]["Dimensions"][0]["Value"] = "mails"
    assert found(resources) == [("NOVA-R19", "Queue")]


def test_a_job_whose_failures_notify_nobody_is_refused() -> None:
    resources = template()
    del resources["Failed"]
    assert found(resources) == [("NOVA-R20", "Machine")]
    resources["Machine"]["Properties"]["DefinitionString"] = "{}"  # one that runs no task is not a job
    assert found(resources) == []


@pytest.mark.parametrize("is_math", [False, True])
@pytest.mark.parametrize(
    "name", [{}, {"QueueName": "mails-dead"}, {"QueueName": {"Fn::Sub": "${Prefix}-dead"}}], ids=str
)
def test_dead_messages_are_noticed_by_an_alarm_that_refers_to_their_queue(name: dict[str, Any], is_math: bool) -> None:
    """As CDK writes it for a queue of somebody's own, which often has no name."""
    resources = template()
    resources["Dead"]["Properties"] = name
    alarm = resources["Alarm"]["Properties"]
    alarm["Dimensions"] = [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["Dead", "QueueName"]}}]
    if is_math:
        metric = {key: alarm.pop(key) for key in ("MetricName", "Dimensions")}
        alarm["Metrics"] = [{"Id": "e", "Expression": "m"}, {"Id": "m", "MetricStat": {"Metric": metric}}]
    assert found(resources) == []
    resources["Dead"], resources["Other"] = {"Type": "AWS::SQS::Queue", "Properties": name}, resources["Dead"]
    (alarm["Metrics"][1]["MetricStat"]["Metric"] if is_math else alarm)["Dimensions"] = [
        {"Name": "QueueName", "Value": {"Fn::GetAtt": ["Other", "QueueName"]}}
    ]
    assert ("NOVA-R19", "Queue") in found(resources)


def test_an_alarm_without_dimensions_watches_no_queue_and_an_unnamed_queue_is_named_by_its_id() -> None:
    resources = template()
    resources["Dead"]["Properties"] = {}
    del resources["Alarm"]["Properties"]["Dimensions"]
    details = [finding.detail for rule, finding in findings({"Resources": resources}) if rule.id == "NOVA-R19"]
    assert details == ["no alarm watches Dead"]
