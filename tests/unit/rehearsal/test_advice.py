"""What to do next, in words that fit who asked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.errors import NovaError
from nova_infra.rehearsal.advice import place_of, to_play
from nova_infra.rehearsal.cloudformation.shapes import check_shape
from nova_infra.rehearsal.pipeline.release import synthesize_checkout
from nova_infra.rehearsal.record import ActionRecord, DeploymentRecord, QueueRecord, Record, StageRecord
from nova_infra.rehearsal.report.confidence import confidence
from nova_infra.rehearsal.report.verdict import verdict

OWN = ("make ", "services/<name>", "nova_infra/", "nova.toml", "alarms.min_requests")
"""What somebody has who has a project of Nova, and nobody else."""


def refused_requests(deployment: DeploymentRecord) -> DeploymentRecord:
    return replace(deployment, answers={"POST /items": {422: 9}}, answers_before={"POST /items": {422: 7}})


def broken(record: Record) -> Record:
    record.stages = [
        StageRecord("Test", [ActionRecord("Api", "deploy", 1, status="failed", note="it fails")], "failed")
    ]
    return record


def without_requests(record: Record) -> Record:
    record.deployments = [replace(each, answers={}, samples=[]) for each in record.deployments]
    return record


def without_messages(record: Record) -> Record:
    record.queues["mails"] = QueueRecord(hidden=30, workers=[each.service for each in record.deployments])
    record.deployments = [replace(each, has_requests=False, samples=[]) for each in record.deployments]
    return record


def with_few_requests(record: Record) -> Record:
    record.deployments = [replace(each, needs={"errors": 900}) for each in record.deployments]
    return record


def short_of_measurements(record: Record) -> Record:
    for each in record.deployments:
        record.unknown_cpu[each.service], each.watched = 99, ["the-cpu"]
    return record


def lost(record: Record) -> Record:
    record.lost = ["a task of api ended"]
    return record


def until_test(record: Record) -> Record:
    record.until = "Test"
    return record


def refused(record: Record) -> Record:
    record.deployments = [refused_requests(each) for each in record.deployments]
    return record


@pytest.mark.parametrize(
    "story",
    one_of_each(
        [
            lambda record: record,
            broken,
            without_requests,
            without_messages,
            with_few_requests,
            short_of_measurements,
            lost,
            until_test,
            refused,
        ]
    ),
)
def test_who_has_another_app_is_sent_nowhere_that_only_a_project_has(
    story: Callable[[Record], Record], rehearsed: Callable[..., Record]
) -> None:
    ours, theirs = story(rehearsed()), story(rehearsed())
    theirs.app = "python app.py"
    said = "\n".join([verdict(theirs).next_step, *confidence(theirs)])
    assert not [word for word in OWN if word in said], said
    assert [word for word in OWN if word in "\n".join([verdict(ours).next_step, *confidence(ours)])]
    assert "nova rehearse --approve --app 'python app.py'" in verdict(theirs).next_step


def test_a_command_is_quoted_and_examples_lie_beside_the_app() -> None:
    assert to_play("", "--real-time") == "nova rehearse --real-time"
    assert to_play("cdk.out", "--real-time") == "nova rehearse --approve --app cdk.out --real-time"
    assert place_of("messages", in_project=False) == "messages next to cdk.json"


def test_an_unknown_property_does_not_ask_the_user_to_program() -> None:
    with pytest.raises(
        NovaError, match=r"^Greeter\.Colour: is a property that the rehearsal does not know: leave it out$"
    ):
        check_shape({"Colour": 3}, {}, "Greeter")


@pytest.mark.parametrize(("app", "remedy"), [("python app.py", "npm install aws-cdk"), ("", "make setup")])
def test_without_a_cdk_cli_each_is_told_how_to_get_one(
    app: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(NovaError, match=remedy):
        synthesize_checkout(tmp_path, tmp_path, app=app)
