"""Gathering what a brief tells, from an environment and a pipeline whose answers a test decides."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nova_infra.deployed.aws.toolchain import Execution, PipelineAction
from nova_infra.deployed.stack import Stack
from nova_infra.documents.render import render
from nova_infra.errors import AwsError, NotDeployedError, NovaError
from nova_infra.operations.release.candidate import Candidate
from nova_infra.operations.reports.brief import document
from nova_infra.operations.reports.survey import survey


def template(tag: str, **resources: Any) -> dict[str, Any]:
    container = {"Name": "app", "Image": f"registry/nova/audio:{tag}"}
    task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [container]}}
    return {"Resources": {"Task": task, **resources}}


class Pipeline:
    """A pipeline that delivers the candidate, with what came of it so far."""

    def __init__(self, *executions: tuple[str, str]) -> None:
        self._executions = executions

    def executions(self) -> tuple[Execution, ...]:
        return tuple(Execution(commit, "InProgress", commit, message, None) for commit, message in self._executions)

    def actions(self, execution: str) -> tuple[PipelineAction, ...]:
        return (
            PipelineAction("Build", "Synth", "Succeeded", build="build:1"),
            PipelineAction("Dev", "nova-dev-audio.Deploy", "Succeeded"),
            PipelineAction("Dev", f"Tests{execution[:1]}", "Succeeded", build="build:2"),
        )


@pytest.fixture
def brief(make: Any, tmp_path: Path) -> Any:
    """Surveys a prod with one service, for a candidate with another image, and renders the brief."""

    class Prod(type(make.stub())):  # type: ignore[misc]
        def stacks(self, names: list[str]) -> tuple[Stack, ...]:
            self._check("stacks")
            return tuple(Stack(name, "UPDATE_COMPLETE") for name in names if name in self.templates)

    def run(pipeline: Any = None, digests: dict[str, str] | None = None, **values: Any) -> str:
        held = {
            "held_services": (make.service(),),
            "held_alarms": (make.alarm("audio-errors"),),
            "entries": (make.entry(make.good, audio="old"),),
            "templates": {"nova-prod-audio": template("old")},
        }
        found = survey(
            Prod(**{**held, **values}),
            pipeline,
            Candidate(make.bad, {"nova-prod-audio": template("new")}, lambda: digests or {}),
            root=tmp_path,
        )
        return " ".join(render(document(found), "text", width=10_000).split())

    return run


def test_it_tells_the_image_the_tests_of_this_commit_and_the_way_back(brief: Any, make: Any) -> None:
    text = brief(Pipeline((make.bad, "This one")))
    assert "audio: old → new" in text
    assert "✓ Build.Synth passed ✓ Dev.Testsb passed" in text
    assert "nova-dev-audio.Deploy" not in text  # no build, no test
    assert f"nova rollback prod --to {make.good[:12]}" in text
    assert "a newer commit" not in text


def test_a_newer_commit_in_the_pipeline_is_a_warning(brief: Any, make: Any) -> None:
    text = brief(Pipeline(("c" * 40, "Mend uploads\n\nLong"), (make.bad, "This one")))
    assert "✗ a newer commit is on its way: cccccccccccc Mend uploads" in text


def test_an_older_execution_of_another_commit_does_not_count(brief: Any, make: Any) -> None:
    assert "a newer commit" not in brief(Pipeline((make.bad, "This one"), ("c" * 40, "Older")))


def test_a_hold_on_the_release_or_on_its_image_is_a_warning(brief: Any, make: Any) -> None:
    held = {"why": "it loses uploads", "by": "mei", "at": "2026-11-24T01:00:00+00:00", "images": {"audio": "sha256:1"}}
    by_release = brief(values={f"/nova/prod/hold/{make.bad}": json.dumps(held)})
    by_image = brief(values={f"/nova/prod/hold/{'c' * 40}": json.dumps(held)}, digests={"audio": "sha256:1"})
    assert "has been on hold since" in by_release
    assert "the same image as release" in by_image
    assert "it loses uploads" in by_image


def test_what_is_accepted_for_the_release_is_a_warning_with_who_and_why(brief: Any, make: Any) -> None:
    given = {"subjects": ["nova-prod-audio-memory in ALARM"], "why": "it leaks, this mends it", "by": "mei"}
    now = datetime.now(UTC)
    times = {"at": now.isoformat(), "until": (now + timedelta(hours=4)).isoformat()}
    name = "/nova/prod/accepted/"
    text = brief(values={name + make.bad: json.dumps(given | times)})
    assert "nova-prod-audio-memory in ALARM: for this release waived by mei because 'it leaks, this mends it'," in text
    assert "2 warnings" in text
    assert "accepted" not in brief(values={name + "c" * 40: json.dumps(given | times)})
    assert "accepted" not in brief(values={name + make.bad: json.dumps(given | times | {"until": times["at"]})})


def test_a_deployment_under_way_is_a_warning(brief: Any, make: Any) -> None:
    assert "✗ audio: a deployment is under way" in brief(
        held_services=(make.service(deployments=(make.deployment("IN_PROGRESS"),)),)
    )


def test_too_few_requests_to_judge_a_canary_by_are_a_warning(brief: Any) -> None:
    assert "✗ audio: prod has 4 requests a minute, and its errors and latency alarms need 20" in brief()
    assert "requests a minute" not in brief(broken={"request_rates": AwsError("no")})


def test_a_service_that_the_release_no_longer_has_stays_and_is_reported(brief: Any, make: Any) -> None:
    text = brief(held_services=(make.service(), make.service("radio")))
    assert "radio runs there but is not in this release: nothing removes it" in text


def test_a_first_deployment_creates_everything_and_asks_for_nothing(brief: Any) -> None:
    none = NotDeployedError("environment: 'prod' is not deployed")
    text = brief(broken={"services": none, "alarms": AwsError("must not be asked"), "stacks": AwsError("nor this")})
    assert "nova-prod-audio: is created, with 1 resource " in text
    assert "audio: not deployed yet → new" in text
    assert "there is no release to roll back to" in text
    assert "must not be asked" not in text


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("stacks", "the deployed templates: no"),
        ("template", "the deployed templates: no"),
        ("alarms", "the alarms: no"),
        ("history", "the ledger: no"),
        ("parameters", "the holds: no"),
        ("parameters", "what is accepted: no"),
    ],
)
def test_what_cannot_be_read_is_reported_and_so_is_the_rest(brief: Any, method: str, says: str) -> None:
    text = brief(broken={method: AwsError("no")})
    assert f"! {says}" in text
    assert "! the pipeline: it is in a different account from these credentials" in text
    assert "Images" in text


def test_when_the_deployed_templates_are_not_known_nothing_is_called_new(brief: Any) -> None:
    assert "is created" not in brief(broken={"template": AwsError("no")})


def test_credentials_that_are_not_valid_are_an_error_and_no_brief(brief: Any) -> None:
    with pytest.raises(NovaError, match="sign in"):
        brief(broken={"services": AwsError("credentials: sign in again")})
