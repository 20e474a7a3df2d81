"""A rollback takes jobs back, too: their next run has the earlier image."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from nova_infra.deployed.model import Image, ParameterVersion, RunningService, TaskRevision
from nova_infra.deployed.stack import ChangeSet, Stack
from nova_infra.documents.terminal import as_text
from nova_infra.operations.records.ledger import Entry, ReleasedImage, append
from nova_infra.operations.rollback.plan import NO_CLAIM, blockers, choose_target, make_plan
from nova_infra.operations.rollback.survey import images_of, survey
from nova_infra.operations.rollback.template import at_once, rollout_of, with_image
from nova_infra.operations.rollback.text import document

REPOSITORY = "444444444444.dkr.ecr.us-east-1.amazonaws.com/nova/report"


def template(tag: str, *, kind: str = "AWS::StepFunctions::StateMachine") -> dict[str, Any]:
    container = {"Name": "app", "Image": f"{REPOSITORY}:{tag}", "Environment": [{"Name": "NOVA_RELEASE", "Value": tag}]}
    return {
        "Resources": {
            "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [container]}},
            "Machine": {"Type": kind, "Properties": {"DefinitionString": {"Ref": "Task"}}},
        }
    }


def digest(tag: str) -> str:
    return "sha256:" + tag.encode().hex().ljust(64, "0")


class OnlyAJob:
    """An environment in which nothing runs all the time, and a job was released twice."""

    name, prefix = "prod", "nova-prod"

    def __init__(self) -> None:
        self.deployed = {"nova-prod-report": template("v2"), "nova-prod-table": template("v2", kind="AWS::S3::Bucket")}
        self.values: dict[str, list[str]] = {}
        self.running: tuple[RunningService, ...] = ()
        self.read: list[str] = []
        for number in (1, 2):
            images = {
                "report": ReleasedImage(f"v{number}", digest(f"v{number}")),
                "table": ReleasedImage("v1", digest("v1")),
            }
            now = datetime(2026, 11, number, tzinfo=UTC)
            append(self, Entry(f"{number:02}" * 20, images, now, "verified", "codepipeline/nova"))  # type: ignore[arg-type]

    def stack_name(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def stacks(self, _: Sequence[str] | None = None) -> tuple[Stack, ...]:
        return tuple(Stack(name, "UPDATE_COMPLETE") for name in self.deployed)

    def services(self) -> tuple[RunningService, ...]:
        return self.running

    def task_definition(self, revision: str) -> TaskRevision:
        return TaskRevision(revision, True, "")

    def template(self, stack: str) -> dict[str, Any]:
        self.read.append(stack)
        return self.deployed[stack]

    def images(self, wanted: Sequence[Image]) -> tuple[Image, ...]:
        return tuple(replace(image, digest=image.digest or digest(image.tag)) for image in wanted)

    def history(self, parameter: str) -> tuple[ParameterVersion, ...]:
        return tuple(ParameterVersion(number, value) for number, value in enumerate(self.values.get(parameter, ()), 1))

    def put_parameter(self, name: str, value: str) -> int:
        self.values.setdefault(name, []).append(value)
        return len(self.values[name])

    def parameters(self, _: str) -> Mapping[str, str]:
        return {}

    def now(self) -> datetime:
        return datetime(2026, 11, 9, tzinfo=UTC)


def test_a_job_rolls_back_for_its_next_run_and_other_stacks_are_left_alone() -> None:
    environment: Any = OnlyAJob()
    seen = survey(environment)
    assert [each.name for each in seen.deployed] == ["report"]
    assert not seen.deployed[0].drifted
    assert seen.deployed[0].definition.active, "nothing is known against going back to it"
    target = choose_target(seen.ledger, seen.holds, seen.deployed, None, NO_CLAIM)
    plan = make_plan(seen.ledger, target, seen.deployed, ())
    [move] = plan.moves
    assert (move.service.name, move.image.tag, move.service.image.tag) == ("report", "v1", "v2")
    assert blockers(plan, images_of(environment, plan)) == []
    assert rollout_of(move.service.template) == "at its next run"
    changes = {move.service.stack.name: ChangeSet(move.service.stack.name, "back", ())}
    told = [
        as_text(document("nova-prod", plan, changes, canary=canary, now=environment.now())) for canary in (True, False)
    ]
    assert all("rollout: at its next run" in text for text in told), "no traffic moves, at once or by shares"
    back = at_once(with_image(move.service.template, move.image.tag, stack=move.service.stack.name))
    assert back == template("v1")


def test_the_digest_of_a_jobs_image_is_the_registrys_and_unknown_where_that_has_it_no_more() -> None:
    environment: Any = OnlyAJob()
    assert [each.image.digest for each in survey(environment).deployed] == [digest("v2")]
    environment.images = lambda wanted: tuple(None for _ in wanted)
    assert [each.image.digest for each in survey(environment).deployed] == [None]


def test_what_runs_all_the_time_is_not_read_again_as_a_job() -> None:
    environment: Any = OnlyAJob()
    environment.running = (RunningService("table", "nova-prod-table", "", 1, 1, (), ()),)
    assert [each.name for each in survey(environment).deployed] == ["table", "report"]
    assert sorted(environment.read) == ["nova-prod-report", "nova-prod-table"]
