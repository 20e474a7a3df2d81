import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.drills import COMMAND
from nova_infra.assembly import Assembly
from nova_infra.errors import NovaError
from nova_infra.rehearsal.delivery.definition import ApprovalAction, BuildAction, DeployAction, Pipeline, Stage
from nova_infra.rehearsal.drills.catalogue import DRILLS, choose
from nova_infra.rehearsal.drills.plan import lacking, only, plan
from nova_infra.rehearsal.pipeline.builds import left_to_suite
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.tasks.faults import LABEL


def test_drills_are_chosen_by_name_and_all_means_all() -> None:
    assert [chosen.name for chosen in choose(["errors", "crash-at-start"])] == ["crash-at-start", "errors"]
    assert choose(["all"]) == list(DRILLS)
    assert choose([]) == []


def test_an_unknown_drill_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(NovaError, match=r"--drill nonsense: .* crash-at-start, checkout-file"):
        choose(["errors", "nonsense"])


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("errors", ["Prod"]),
        ("one-of-four", ["Prod"]),
        ("approval-rejected", ["ApproveProduction", "Prod"]),
        ("integration-red", ["Dev", "ApproveProduction", "Prod"]),
    ],
)
def test_a_drill_plays_the_part_that_its_fault_can_reach(candidate: Release, name: str, stages: list[str]) -> None:
    [chosen] = choose([name])
    assert [stage.name for stage in plan(chosen, candidate).pipeline.stages] == stages


@pytest.mark.parametrize(
    ("name", "first"), [("browser-red", "Dev"), ("integration-red", "Dev"), ("approval-rejected", "ApproveProduction")]
)
def test_a_step_with_settings_is_no_test_and_the_pipeline_s_own_approval_is_not_production_s(
    candidate: Release, name: str, first: str
) -> None:
    pipeline = candidate.pipeline()
    verify = BuildAction("Verify", 99, (), ("true",), {"SETUP": "runtime"}, privileged=False, updates_pipeline=False)
    stages = [replace(s, actions=(*s.actions, verify)) if s.name == "Prod" else s for s in pipeline.stages]
    own = Stage("ApprovePipeline", (ApprovalAction("ApprovePipeline", 1),))

    class Longer(Release):
        def pipeline(self) -> Pipeline:
            return replace(pipeline, stages=(stages[0], own, *stages[1:]))

    [chosen] = choose([name])
    played = plan(chosen, Longer(candidate.name, candidate.assembly, candidate.sources)).pipeline
    assert played.stages[0].name == first


def test_nothing_but_the_fault_differs_between_the_releases_of_a_drill(candidate: Release) -> None:
    [chosen] = choose(["errors"])
    planned = plan(chosen, candidate)
    [action] = planned.pipeline.stages[0].actions
    assert isinstance(action, DeployAction)
    bad, good = (release.template(action)["Resources"] for release in (planned.candidate, planned.baseline))
    assert {key for key in bad if bad[key] != good[key]} == {"Task"}
    containers = [r["Task"]["Properties"]["ContainerDefinitions"][0] for r in (bad, good)]
    assert containers[0].pop("DockerLabels") == {LABEL: "errors:0.8"}
    assert containers[0]["Command"] == containers[1]["Command"] == COMMAND
    assert planned.service == "tiny"


def test_every_drill_says_what_must_follow() -> None:
    assert all(drill.expected for drill in DRILLS)
    [chosen] = choose(["crash-at-start"])
    assert chosen.expected == (
        "the circuit breaker rolls it back, before it gets any traffic, the old revision answers every request "
        "meanwhile, the stage fails, the pipeline's topic is notified"
    )


def test_a_drill_about_gates_has_one_in_both_releases_and_another_drill_has_none(candidate: Release) -> None:
    def hooks(release: Release) -> list[object]:
        [template] = [t for t in release_templates(release) if "Service" in t["Resources"]]
        settings = template["Resources"]["Service"]["Properties"]["DeploymentConfiguration"]
        found: list[object] = settings.get("LifecycleHooks", [])
        return found

    def release_templates(release: Release) -> list[dict[str, Any]]:
        actions = [a for stage in release.pipeline().stages for a in stage.actions if isinstance(a, DeployAction)]
        return [release.template(actions[-1])]

    [gated], [other] = choose(["gate-unanswered"]), choose(["errors"])
    planned = plan(gated, candidate)
    timed = {"TimeoutInMinutes": 2, "Action": "ROLLBACK"}
    expected = [{"TargetType": "PAUSE", "LifecycleStages": ["POST_SCALE_UP"], "TimeoutConfiguration": timed}]
    assert hooks(planned.candidate) == hooks(planned.baseline) == expected
    assert hooks(plan(other, candidate).candidate) == []


def test_a_drill_of_one_service_keeps_the_suite_that_answers_for_it_alone() -> None:
    deploy = DeployAction("shop.Deploy", 2, "acme-live-shop", "shop.json", None)
    settings = {"GATED": "cart shop", "SUITE": "make e2e"}
    gate = BuildAction("Gate", 2, (), ("make gate ENVIRONMENT=live",), settings, False, False)
    verify = BuildAction("Verify", 3, (), ("make verify",), {}, False, False)

    class OneService:
        def template(self, _: str) -> dict[str, object]:
            container = {"Name": "app", "Image": "registry/acme/shop:1"}
            task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [container]}}
            return {"Resources": {"Task": task}}

    kept = only(Stage("Live", (deploy, gate, verify)), "shop", OneService())  # type: ignore[arg-type]
    assert [action.name for action in kept.actions] == ["shop.Deploy", "Gate"]
    assert kept.actions[1] == replace(gate, environment={"GATED": "shop", "SUITE": "make e2e"})
    assert left_to_suite(
        replace(kept, actions=(DeployAction("p", 1, "acme-live-platform", "", None), *kept.actions))
    ) == {"acme-live-shop"}


def test_without_a_suite_there_is_no_drill_about_one(candidate: Release) -> None:
    for drill in choose(["suite-red", "suite-hangs", "suite-elsewhere"]):
        assert lacking(drill, candidate) == "no test suite answers its gate where it is played"


@pytest.mark.parametrize(
    ("place", "said"), [("Dev", "no test suite answers its gate where it is played"), ("Prod", "")]
)
def test_a_suite_that_answers_elsewhere_is_not_drilled(
    candidate: Release, monkeypatch: pytest.MonkeyPatch, place: str, said: str
) -> None:
    pipeline, drills = candidate.pipeline(), choose(["suite-red", "suite-hangs", "suite-elsewhere"])
    service = f"acme-{plan(drills[0], candidate).service}"
    gate = BuildAction("Gate", 9, (), ("make gate",), {"GATED": service}, False, False)
    stages = [replace(s, actions=(*s.actions, gate)) if s.name == place else s for s in pipeline.stages]
    monkeypatch.setattr(Release, "pipeline", lambda _: replace(pipeline, stages=tuple(stages)))
    assert [lacking(drill, candidate) for drill in drills] == [said] * 3


@pytest.fixture
def background(tmp_path: Path, write_assembly: Callable[..., Path]) -> Callable[..., Release]:
    """Adds resources to what Prod deploys."""

    def make(kind: str, *resources: dict[str, object], service: bool = True) -> Release:
        directory = write_assembly(tmp_path / kind)
        template = json.loads((directory / "Prod.json").read_text())
        template["Resources"] |= {f"More{number}": each for number, each in enumerate(resources)}
        if not service:
            del template["Resources"]["Service"]
        (directory / "Prod.json").write_text(json.dumps(template))
        return Release("candidate", Assembly(directory), tmp_path)

    return make


MIGRATION = {"Type": "Custom::NovaBeforeDeploy", "Properties": {"Key": "a", "Command": ["migrate"]}}
SCHEDULE = {"Type": "AWS::Scheduler::Schedule", "Properties": {}}


def machine(text: str) -> dict[str, object]:
    return {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionString": text}}


def test_drills_of_migrations_and_jobs_need_what_they_are_about(
    candidate: Release, background: Callable[..., Release]
) -> None:
    fails, overlaps, job = (choose([name])[0] for name in ("migration-fails", "job-overlaps", "job-fails"))
    assert lacking(fails, candidate) == "no web with a before_deploy is delivered"
    assert lacking(fails, background("migrating", MIGRATION)) == ""
    looks = machine('{"Parameters": {"DesiredStatus": "RUNNING"}}')
    once = background("once", looks, SCHEDULE, service=False)
    assert (lacking(overlaps, once), lacking(job, once)) == ("", "")
    twice = background("twice", machine("{}"), SCHEDULE, service=False)
    assert lacking(overlaps, twice) == "no job that runs once at a time is delivered"
    released = background("released", looks, SCHEDULE, MIGRATION, service=False)
    assert lacking(job, released) == "no job that nothing but its schedule starts is delivered"


@pytest.mark.parametrize(
    ("command", "own", "image_command", "said"),
    [
        ("make integration BASE_URL=x", "", COMMAND, "no web with tests of its own is delivered"),
        ("make integration BASE_URL=x", "e2e", COMMAND, "no web with tests of its own is delivered"),
        ("make integration BASE_URL=x", "integration", COMMAND, ""),
        ("make integration BASE_URL=x", "", ["python", "-m", "nova_kit.serve", "tiny.main:app"], ""),
        ("npm run smoke", "", COMMAND, ""),
    ],
    ids=["no tests", "tests of another suite", "tests of its own", "on the kit", "somebody else's pipeline"],
)
def test_tests_that_ask_a_service_for_nothing_are_not_drilled_with_it(
    candidate: Release,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    own: str,
    image_command: list[str],
    said: str,
) -> None:
    if own:
        (candidate.sources / "services" / "tiny" / "tests" / own).mkdir(parents=True)
    prod = candidate.assembly.directory / "Prod.json"
    template = json.loads(prod.read_text())
    template["Resources"]["Task"]["Properties"]["ContainerDefinitions"][0]["Command"] = image_command
    prod.write_text(json.dumps(template))
    pipeline = candidate.pipeline()
    stages = [
        replace(
            s, actions=tuple(replace(a, commands=(command,)) if isinstance(a, BuildAction) else a for a in s.actions)
        )
        for s in pipeline.stages
    ]
    monkeypatch.setattr(Release, "pipeline", lambda _: replace(pipeline, stages=tuple(stages)))
    release = Release(candidate.name, Assembly(candidate.assembly.directory), candidate.sources)
    [drill] = choose(["integration-red"])
    assert lacking(drill, release) == said


def test_a_service_with_a_before_deploy_has_the_fault_only_where_no_other_is_delivered(
    candidate: Release, background: Callable[..., Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    [drill] = choose(["crash-at-start"])
    migrating = background("migrating", MIGRATION)
    assert plan(drill, migrating).service == "tiny"
    other = json.loads((migrating.assembly.directory / "Prod.json").read_text())
    other["Resources"].pop("More0")
    other["Resources"]["Task"]["Properties"]["ContainerDefinitions"][0]["Image"] = "registry/shop:1"
    (migrating.assembly.directory / "Other.json").write_text(json.dumps(other))
    pipeline = migrating.pipeline()
    *before, prod = pipeline.stages
    second = DeployAction("shop.Deploy", 2, "acme-prod-shop", "Other.json", None)
    stages = (*before, replace(prod, actions=(*prod.actions, second)))
    monkeypatch.setattr(Release, "pipeline", lambda _: replace(pipeline, stages=stages))
    assert plan(drill, migrating).service == "shop"


def test_a_drill_about_tests_or_an_approval_is_left_out_where_the_pipeline_has_none(
    candidate: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests, approval, errors = (choose([name])[0] for name in ("integration-red", "approval-rejected", "errors"))
    assert lacking(tests, candidate) == lacking(approval, candidate) == lacking(errors, candidate) == ""
    whole = candidate.pipeline()
    stages = [
        replace(stage, actions=tuple(each for each in stage.actions if isinstance(each, DeployAction)))
        for stage in whole.stages
    ]
    monkeypatch.setattr(Release, "pipeline", lambda _: replace(whole, stages=tuple(stages)))
    assert lacking(tests, candidate) == "the pipeline has no stage for a drill about its first tests"
    assert lacking(approval, candidate) == "the pipeline has no stage for a drill about its approval"
    assert lacking(errors, candidate) == ""
    with pytest.raises(NovaError, match="no stage for a drill about its first tests: leave that drill out"):
        plan(tests, candidate)
