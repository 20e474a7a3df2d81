"""Workers get messages from a queue that is stood in for, and jobs get their time."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from nova_infra.rehearsal.clock import COMPRESSED, Clock
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore
from nova_infra.rehearsal.ecs.deployment import DeploymentFailedError
from nova_infra.rehearsal.environment.background.queues import Queues
from nova_infra.rehearsal.environment.background.stand_ins import StandIns
from nova_infra.rehearsal.environment.environment import PlayedEnvironment
from nova_infra.rehearsal.record import QueueRecord, Record
from nova_infra.rehearsal.tasks.runtime import SourceRuntime

WORKER = """
import json, os, sys, urllib.request
fault = os.environ["FAULT"]
url, endpoint = os.environ["QUEUE_URL"], os.environ["AWS_ENDPOINT_URL"]

def call(action, **parameters):
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}",
               "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request"}
    body = json.dumps({"QueueUrl": url, **parameters}).encode()
    return json.loads(urllib.request.urlopen(urllib.request.Request(endpoint, body, headers)).read() or b"{}")

while True:
    for message in call("ReceiveMessage", MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", ()):
        if fault != "poison":
            call("DeleteMessage", ReceiptHandle=message["ReceiptHandle"])
"""


def container(release: str, script: str, fault: str, **variables: str) -> dict[str, Any]:
    environment = {"FAULT": fault, "NOVA_RELEASE": release, **variables}
    return {
        "Image": f"registry/mails:{release}",
        "Command": [sys.executable, "-S", "-c", script],
        "StopTimeout": 2,
        "Environment": [{"Name": name, "Value": value} for name, value in environment.items()],
    }


def alarm(name: str, metric: str, queue: str, threshold: float) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": name,
            "Namespace": "AWS/SQS",
            "MetricName": metric,
            "Dimensions": [{"Name": "QueueName", "Value": queue}],
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "Threshold": threshold,
            "TreatMissingData": "notBreaching",
        },
    }


def worker(release: str, *, fault: str = "") -> dict[str, Any]:
    url = {"Fn::Join": ["", ["https://sqs.us-east-1.", {"Ref": "AWS::URLSuffix"}, "/111111111111/mails"]]}
    task = container(release, WORKER, fault)
    task["Environment"].append({"Name": "QUEUE_URL", "Value": url})
    dead = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 2}
    return {
        "Resources": {
            "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "mails-dead"}},
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {"QueueName": "mails", "VisibilityTimeout": 4, "RedrivePolicy": dead},
            },
            "DeadAlarm": alarm("dev-mails-dead", "ApproximateNumberOfMessagesVisible", "mails-dead", 1),
            "Task": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {"Family": "dev-mails", "Memory": "512", "ContainerDefinitions": [task]},
            },
            "Service": {
                "Type": "AWS::ECS::Service",
                "Properties": {
                    "ServiceName": "dev-mails",
                    "Cluster": "dev",
                    "DesiredCount": 1,
                    "TaskDefinition": {"Ref": "Task"},
                    "DeploymentConfiguration": {
                        "Strategy": "ROLLING",
                        "BakeTimeInMinutes": 9,
                        "Alarms": {"AlarmNames": ["dev-mails-dead"], "Enable": True, "Rollback": True},
                        "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
                    },
                },
            },
        }
    }


def job(release: str, script: str) -> dict[str, Any]:
    run = {
        "Type": "Task",
        "Resource": "arn:aws:states:::ecs:runTask.sync",
        "Parameters": {"TaskDefinition": "TASK"},
        "TimeoutSeconds": 60,
        "End": True,
    }
    before, after = json.dumps({"StartAt": "Run", "States": {"Run": run}}).split("TASK")
    return {
        "Resources": {
            "Task": {
                "Type": "AWS::ECS::TaskDefinition",
                "Properties": {
                    "Family": "dev-report",
                    "Memory": "512",
                    "ContainerDefinitions": [container(release, script, "")],
                },
            },
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"DefinitionString": {"Fn::Join": ["", [before, {"Ref": "Task"}, after]]}},
            },
            "Schedule": {"Type": "AWS::Scheduler::Schedule", "Properties": {}},
            "Failed": {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {
                    "AlarmName": "dev-report-failed",
                    "Namespace": "AWS/States",
                    "MetricName": "ExecutionsFailed",
                    "Dimensions": [{"Name": "StateMachineArn", "Value": {"Ref": "Machine"}}],
                    "Statistic": "Sum",
                    "Period": 60,
                    "EvaluationPeriods": 1,
                    "ComparisonOperator": "GreaterThanThreshold",
                    "Threshold": 0,
                    "TreatMissingData": "notBreaching",
                },
            },
        }
    }


def play(sources: Path, story: Callable[[PlayedEnvironment], Awaitable[None]]) -> tuple[Record, list[str]]:
    record, told = Record("mini", "two", "one", []), list[str]()

    async def run() -> None:
        clock = Clock(seconds_per_minute=0.3)
        async with PlayedEnvironment(
            "dev", record=record, tell=told.append, runtime=SourceRuntime(), clock=clock
        ) as environment:
            environment.let_time_pass()
            await story(environment)

    asyncio.run(run())
    return record, told


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    """A checkout with examples of the worker's messages."""
    directory = tmp_path / "services" / "mails" / "messages"
    directory.mkdir(parents=True)
    (directory / "welcome.json").write_text('{"to": "a@example.com"}')
    return tmp_path


@pytest.mark.exhaustive("test_a_job_that_fails_is_heard_of")
def test_a_worker_that_works_stays_and_one_that_does_not_is_rolled_back(messages: Path) -> None:
    async def story(environment: PlayedEnvironment) -> None:
        await environment.deploy("dev-mails", worker("one"), sources=messages, baseline=True)
        await environment.deploy("dev-mails", worker("two"), sources=messages)
        with pytest.raises(DeploymentFailedError, match="dev-mails-dead"):
            await environment.deploy("dev-mails", worker("three", fault="poison"), sources=messages)

    record, _ = play(messages, story)
    assert [deployment.outcome for deployment in record.deployments] == ["completed", "completed", "rolled back"]
    assert not any("got no messages" in gap for gap in record.not_rehearsed)


class Nothing(StandIns):
    """Makes no resource, and has no messages."""

    async def apply(self, _: PlayedStack) -> None:
        return

    async def hide(self, _: str, __: float) -> None:
        return

    async def waiting(self, _: str) -> tuple[int, int]:
        return 3, 0


def test_a_worker_without_examples_of_messages_is_reported_as_not_covered(tmp_path: Path) -> None:
    gaps, store, records = list[str](), MetricStore(), dict[str, QueueRecord]()
    queues = Queues(Nothing(COMPRESSED, None), store, gaps, records=records)
    stack = PlayedStack("dev-mails", worker("one"), exports={}, revisions={"Task": "dev-mails:1"})
    asyncio.run(queues.include(stack, tmp_path))
    asyncio.run(queues.minute())
    assert [(each.workers, each.sent) for each in records.values()] == [(["dev-mails"], 0)]
    assert len(gaps) == 1
    assert "mails: its worker got no messages" in gaps[0]
    assert "messages next to cdk.json" in gaps[0]
    waiting = Metric.of("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "mails"})
    assert store.values(waiting, range(1)) == [3]


class Sent(Nothing):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(COMPRESSED, None)
        self.queues: set[str] = set()
        self.bodies: set[str] = set()

    async def send(self, queue: str, bodies: list[str]) -> list[str]:
        self.queues.add(queue)
        self.bodies |= set(bodies)
        return bodies

    async def waiting(self, _: str) -> tuple[int, int]:
        return 0, 0


@pytest.mark.parametrize("in_project", [False, True])
def test_an_app_may_have_one_place_for_the_messages_of_all_its_workers(in_project: bool, tmp_path: Path) -> None:
    (tmp_path / "messages").mkdir()
    (tmp_path / "messages" / "one.json").write_text("{}")
    if in_project:
        (tmp_path / "nova.toml").write_text("")
    sent = Sent()
    queues = Queues(sent, MetricStore(), [], records={})
    stack = PlayedStack("Test-Worker", worker("one"), exports={}, revisions={"Task": "dev-mails:1"})
    asyncio.run(queues.include(stack, tmp_path))
    asyncio.run(queues.minute())
    assert sent.bodies == (set() if in_project else {"{}"})


def with_output(*, dead_letters: bool, receives: tuple[str, ...]) -> dict[str, Any]:
    """A worker's stack with another queue, and a task role that may receive from some."""
    stack = worker("one")
    resources = stack["Resources"]
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Lost", "Arn"]}, "maxReceiveCount": 3}
    more = {"RedrivePolicy": redrive} if dead_letters else {}
    resources["Results"] = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "results", **more}}
    resources["Lost"] = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "results-lost"}}
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]
    statements += [
        {"Effect": "Allow", "Action": "sqs:Receive*", "Resource": {"Fn::GetAtt": [each, "Arn"]}} for each in receives
    ]
    policy = {"PolicyName": "queues", "PolicyDocument": {"Statement": statements}}
    resources["Role"] = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [policy]}}
    resources["Task"]["Properties"]["TaskRoleArn"] = {"Fn::GetAtt": ["Role", "Arn"]}
    return stack


@pytest.mark.parametrize(
    ("dead_letters", "receives", "judged"),
    [
        (False, ("Queue",), {"mails"}),
        (True, ("Queue",), {"mails"}),
        (False, ("Queue", "Results"), {"mails", "results"}),
        (False, (), {"mails"}),  # A permission that is missing keeps no worker from its messages.
    ],
)
def test_a_queue_that_the_worker_only_writes_to_gets_no_messages(
    messages: Path, dead_letters: bool, receives: tuple[str, ...], judged: set[str]
) -> None:
    sent, records = Sent(), dict[str, QueueRecord]()
    queues = Queues(sent, MetricStore(), [], records=records)
    template = with_output(dead_letters=dead_letters, receives=receives)
    stack = PlayedStack("dev-mails", template, exports={}, revisions={"Task": "dev-mails:1"})
    asyncio.run(queues.include(stack, messages))
    asyncio.run(queues.minute())
    assert set(records) == sent.queues == judged


def test_a_job_that_fails_is_heard_of(tmp_path: Path) -> None:
    states: list[str] = []

    async def story(environment: PlayedEnvironment) -> None:
        await environment.deploy("dev-report", job("one", "print('done')"), sources=tmp_path)
        await environment.next_minute()
        states.append(environment.alarm_states()["dev-report-failed"])
        await environment.deploy("dev-report", job("two", "import sys; sys.exit('no data')"), sources=tmp_path)
        for _ in range(2):
            await environment.next_minute()
            states.append(environment.alarm_states()["dev-report-failed"])

    _, told = play(tmp_path, story)
    assert any("dev-report:1 succeeded" in line for line in told)
    assert any("dev-report:2 failed: it exited with 1: no data" in line for line in told)
    assert states[0] != "ALARM"
    assert "ALARM" in states
