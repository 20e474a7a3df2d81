"""The function that runs a command before a deployment, against moto's ECS and a CloudFormation that listens."""

import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from nova_infra.config import Service
from nova_infra.constructs.hooks import before_deploy_handler as function
from nova_infra.constructs.hooks.before_deploy import run_key

WANTED = {
    "Cluster": "nova-live",
    "Family": "nova-live-shop",
    "Container": "app",
    "Command": ["migrate"],
    "Setting": "run_before_promotion",
    "Seconds": "120",
    "Key": "0123456789abcdef",
    "Done": "/nova/live/before-deploy/shop",
    "Subnets": ["subnet-1"],
    "SecurityGroups": ["sg-1"],
    "LogGroup": "logs",
    "LogPrefix": "nova-live-shop",
}
DONE = f"51af3dc0-{WANTED['Key']}"
"""What is remembered of it: the beginning of the stack's own id, and the key."""
ARN = "arn:aws:ecs:us-east-1:444444444444:task/nova-live/0123"


class Aws:
    """What the function's clients answer, in order, and what it told CloudFormation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = {
            name: boto3.client(name, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
            for name in ("ssm", "ecs", "logs")
        }
        self.stubs = {name: Stubber(client) for name, client in made.items()}
        self.told: dict[str, Any] = {}
        for stub in self.stubs.values():
            stub.activate()
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setattr(f"{function.__name__}.boto3.client", lambda name, **_: made[name])
        monkeypatch.setattr(f"{function.__name__}.time.sleep", lambda _: None)
        monkeypatch.setattr(f"{function.__name__}.urllib.request.urlopen", lambda request, **_: self._hear(request))

    def _hear(self, request: Any) -> None:
        self.told = json.loads(request.data)

    def done(self, *keys: str) -> None:
        if keys:
            self.stubs["ssm"].add_response("get_parameter", {"Parameter": {"Value": ",".join(keys)}})
        else:
            self.stubs["ssm"].add_client_error("get_parameter", "ParameterNotFound")

    def runs(self, *states: dict[str, Any]) -> None:
        self.stubs["ecs"].add_response(
            "run_task",
            {"tasks": [{"taskArn": ARN}], "failures": []},
            {
                "cluster": "nova-live",
                "taskDefinition": "nova-live-shop",
                "launchType": "FARGATE",
                "networkConfiguration": ANY,
                "overrides": {"containerOverrides": [{"name": "app", "command": ["migrate"]}]},
                "clientToken": "request",
                "startedBy": "before-deploy",
            },
        )
        for state in states:
            self.stubs["ecs"].add_response("describe_tasks", {"tasks": [state]})

    def call(self, kind: str = "Update", left: int = 600_000) -> dict[str, Any]:
        event = {
            "RequestType": kind,
            "RequestId": "request",
            "StackId": "arn:aws:cloudformation:us-east-1:444444444444:stack/nova-live-shop/51af3dc0-da77-11e4",
            "LogicalResourceId": "Run",
            "PhysicalResourceId": "Run",
            "ResponseURL": "https://cloudformation.example.com/",
            "ResourceProperties": WANTED,
        }
        function.handler(event, SimpleNamespace(get_remaining_time_in_millis=lambda: left))
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()
        return self.told


def stopped(code: int) -> dict[str, Any]:
    return {"lastStatus": "STOPPED", "containers": [{"name": "otel"}, {"name": "app", "exitCode": code}]}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    return Aws(monkeypatch)


def test_it_waits_for_the_command_and_remembers_that_it_ran(aws: Aws) -> None:
    aws.done("aaaa")
    aws.runs({"lastStatus": "RUNNING", "containers": []}, stopped(0))
    aws.stubs["ssm"].add_response(
        "put_parameter",
        {},
        {"Name": WANTED["Done"], "Value": f"aaaa,{DONE}", "Type": "String", "Overwrite": True},
    )
    assert aws.call()["Status"] == "SUCCESS"


def test_it_remembers_the_last_hundred(aws: Aws) -> None:
    """A standard parameter holds 4 KB: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html."""
    before = [f"key-{number}" for number in range(105)]
    aws.done(*before)
    aws.runs(stopped(0))
    aws.stubs["ssm"].add_response(
        "put_parameter",
        {},
        {"Name": WANTED["Done"], "Value": ",".join([*before[-99:], DONE]), "Type": ANY, "Overwrite": ANY},
    )
    assert aws.call()["Status"] == "SUCCESS"


@pytest.mark.parametrize(("kind", "done"), [("Create", DONE), ("Update", DONE), ("Update", WANTED["Key"])])
def test_what_has_run_for_this_image_is_not_run_again(aws: Aws, kind: str, done: str) -> None:
    """Entries of before they named the stack are of no prefix: a rollback to such an image runs nothing, either."""
    aws.done("aaaa", done)
    assert aws.call(kind)["Status"] == "SUCCESS"


@pytest.mark.parametrize(("before", "kept"), [(f"0f8fad5b-{WANTED['Key']}", True), (WANTED["Key"], False)])
def test_what_has_run_in_a_stack_that_is_gone_is_run_again(aws: Aws, before: str, kept: bool) -> None:
    """A first deployment that failed has taken the database with it."""
    aws.done(before)
    aws.runs(stopped(0))
    value = f"{before},{DONE}" if kept else DONE
    aws.stubs["ssm"].add_response(
        "put_parameter", {}, {"Name": WANTED["Done"], "Value": value, "Type": ANY, "Overwrite": ANY}
    )
    assert aws.call("Create")["Status"] == "SUCCESS"


def test_a_removed_command_is_not_run(aws: Aws) -> None:
    assert aws.call("Delete")["Status"] == "SUCCESS"


def test_a_command_that_fails_fails_the_stack_with_what_it_said(aws: Aws) -> None:
    aws.done()
    aws.runs(stopped(3))
    aws.stubs["logs"].add_response(
        "get_log_events",
        {"events": [{"message": "begins"}, {"message": "ERROR: no table"}, {"message": "bye"}]},
        {"logGroupName": "logs", "logStreamName": "nova-live-shop/app/0123", "limit": 30},
    )
    told = aws.call()
    assert told["Status"] == "FAILED"
    assert told["Reason"].startswith("run_before_promotion exited with 3")
    assert "): ERROR: no table | begins | bye" in told["Reason"]


def test_cloudformation_is_told_no_more_than_it_takes(aws: Aws) -> None:
    """It refuses an answer of more than 4,096 bytes, and then waits for an hour."""
    aws.stubs["ssm"].add_client_error("get_parameter", "Unforeseen", "é" * 3000)
    told = aws.call()
    assert (told["Status"], len(told["Reason"])) == ("FAILED", 1500)


@pytest.mark.parametrize(("left", "passed"), [(44_000, 5.0), (600_000, 121.0)], ids=["the function's", "the job's own"])
def test_a_command_that_hangs_is_stopped_at_the_first_limit(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, left: int, passed: float
) -> None:
    clock = iter([1000.0, 1000.0 + passed])
    monkeypatch.setattr(f"{function.__name__}.time.monotonic", lambda: next(clock))
    aws.done()
    aws.runs({"lastStatus": "RUNNING", "containers": []})
    aws.stubs["ecs"].add_response("stop_task", {}, {"cluster": "nova-live", "task": ARN, "reason": ANY})
    aws.stubs["logs"].add_client_error("get_log_events", "ResourceNotFoundException")
    told = aws.call(left=left)
    assert told["Status"] == "FAILED"
    assert told["Reason"].startswith("run_before_promotion did not end in time")


def test_a_task_that_does_not_start_fails_the_stack(aws: Aws) -> None:
    aws.done()
    aws.stubs["ecs"].add_response("run_task", {"tasks": [], "failures": [{"reason": "RESOURCE:ENI"}]})
    assert "RESOURCE:ENI" in aws.call()["Reason"]


def test_the_function_fits_into_a_template() -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-code.html"""
    with open(function.__file__, encoding="utf-8") as file:  # noqa: PTH123
        assert len(file.read()) <= 4096


@pytest.mark.parametrize(("kind", "again"), [("job", True), ("web", False)])
def test_a_job_runs_again_with_what_it_may_do_now_and_a_migration_that_has_run_does_not(kind: str, again: bool) -> None:
    own = {"schedule": "none"} if kind == "job" else {"paths": ("/shop/*",)}
    may = [[{"actions": [each], "resources": ["arn:aws:s3:::b/*"]}] for each in ("s3:GetObject", "s3:PutObject")]
    before, after = (Service.model_validate({"name": "shop", "kind": kind, **own, "permissions": each}) for each in may)
    assert (run_key(before, "1") != run_key(after, "1")) is again
    assert run_key(before, "1") == run_key(before, "1") != run_key(before, "2")
