"""The release tools in a rehearsal see what really runs in it."""

import asyncio
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.deployed.rehearsed import PATIENCE_SECONDS, RehearsedEnvironment, RehearsedToolchain, ask
from nova_infra.errors import NotDeployedError, NovaError, PassingError, RefusedError
from nova_infra.operations.gates.preflight import blockers, survey
from nova_infra.operations.gates.verify import verify
from nova_infra.operations.records.ledger import ReleasedImage, read_ledger
from nova_infra.operations.release.candidate import read_candidate
from nova_infra.operations.reports.brief import Brief
from nova_infra.operations.reports.survey import survey as survey_brief
from nova_infra.rehearsal.clock import Clock, ClockStoppedError
from nova_infra.rehearsal.cloudformation.physical import host_of
from nova_infra.rehearsal.delivery.definition import DeployAction, Pipeline, Stage
from nova_infra.rehearsal.ecs.deployment import DeploymentFailedError
from nova_infra.rehearsal.ecs.state import DeploymentState
from nova_infra.rehearsal.environment.background.stand_ins import HOME
from nova_infra.rehearsal.environment.environment import PlayedEnvironment
from nova_infra.rehearsal.pipeline.state_server import MINUTES_UNTIL_DATA, ReleaseTools
from nova_infra.rehearsal.record import ActionRecord, Record, StageRecord
from nova_infra.rehearsal.tasks.runtime import SourceRuntime

STACKS = ["nova-prod-platform", "nova-prod-tiny"]
PLATFORM = {"Resources": {}, "Outputs": {"Url": {"Value": f"http://{host_of('nova-prod-tiny/Balancer', HOME)}"}}}


@pytest.fixture
def template(environment_template: Callable[..., Any]) -> Callable[..., Any]:
    """The service's template, whose container is told its release and tells it as Nova's services do."""

    def make(release: str, fault: str = "") -> Any:
        made = environment_template("nova-prod", release=release, fault=fault, strategy="ROLLING")
        [container] = made["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
        container["Environment"][1]["Value"] = f'{{"release": "{release}"}}'
        container["Environment"].append({"Name": "NOVA_RELEASE", "Value": release})
        return made

    return make


def release(name: str, template: Any) -> Any:
    actions = tuple(DeployAction(f"{stack}.Deploy", 1, stack, "", None) for stack in STACKS)
    templates = dict(zip(STACKS, (PLATFORM, template), strict=True))
    return SimpleNamespace(
        name=name,
        pipeline=lambda: Pipeline("pipe", (Stage("Prod", actions),)),
        template=lambda action: templates[action.stack_name],
    )


class Tools:
    """The commands' view of the rehearsal, asked as the commands ask: from a process of their own."""

    def __init__(self, url: str, which: str) -> None:
        self.environment = RehearsedEnvironment("prod", platform="nova", url=f"{url}/{which}")

    async def faults(self) -> list[str]:
        def look() -> list[str]:
            images = self.environment.played().images
            released = {name: ReleasedImage(image.tag, str(image.digest)) for name, image in images.items()}
            found = verify(self.environment, released, patience=2, notify=lambda _: None)
            return [finding.text for finding in found]

        return await asyncio.to_thread(look)


def rehearse(template: Callable[..., Any], sources: Path, story: Callable[..., Any]) -> list[str]:
    """Run a story in an environment that runs release one, with release two as the candidate.

    Returns:
        What those who approve were told.
    """
    told: list[str] = []

    async def play() -> None:
        tests = ActionRecord("Tests", "build", 2, status="succeeded")
        record = Record("pipe", "candidate", "baseline", [StageRecord("Staging", [tests])])
        environment = PlayedEnvironment(
            "Prod", record=record, tell=lambda _: None, runtime=SourceRuntime(), clock=Clock(seconds_per_minute=0.1)
        )
        releases = (release("working tree", template("two")), release("0123456789, the same", template("one")))
        async with environment, ReleaseTools(*releases, record=record, announce=told.append) as tools:
            await environment.deploy(STACKS[1], template("one"), sources=sources, baseline=True)
            await environment.deploy(STACKS[0], PLATFORM, sources=sources, baseline=True)
            await story(environment, tools)

    asyncio.run(asyncio.wait_for(play(), 60))
    return told


@pytest.mark.exhaustive("test_verify_fails_after_a_deployment_that_was_rolled_back")
def test_verify_passes_once_the_release_runs(template: Callable[..., Any], sources: Path) -> None:
    async def story(environment: PlayedEnvironment, tools: ReleaseTools) -> None:
        tools.open(environment, STACKS)
        environment.let_time_pass()
        assert await Tools(tools.url, "baseline").faults() == []
        fault, *_ = await Tools(tools.url, "candidate").faults()
        assert fault.startswith("tiny: 1 of 1 tasks run one (sha256:")
        await environment.deploy(STACKS[1], template("two"), sources=sources)
        assert await Tools(tools.url, "candidate").faults() == []

    rehearse(template, sources, story)


def test_verify_fails_after_a_deployment_that_was_rolled_back(template: Callable[..., Any], sources: Path) -> None:
    async def story(environment: PlayedEnvironment, tools: ReleaseTools) -> None:
        tools.open(environment, STACKS)
        environment.let_time_pass()
        with pytest.raises(DeploymentFailedError):
            await environment.deploy(STACKS[1], template("two", "exit"), sources=sources)
        fault, *_ = await Tools(tools.url, "candidate").faults()
        assert "its last update was rolled back" in fault
        assert await Tools(tools.url, "baseline").faults() == []

    rehearse(template, sources, story)


def test_the_preflight_waits_for_data_and_sees_a_red_alarm(template: Callable[..., Any], sources: Path) -> None:
    async def story(environment: PlayedEnvironment, tools: ReleaseTools) -> None:
        tools.open(environment, STACKS)
        environment.let_time_pass()
        target = Tools(tools.url, "candidate").environment
        conditions = await asyncio.to_thread(survey, target)
        assert blockers(conditions, "working-tree", {}, now=datetime.now(UTC)) == []
        environment.monitoring.states["nova-prod-errors"] = "ALARM"
        red = await asyncio.to_thread(survey, target)
        [blocker] = blockers(red, "working-tree", {}, now=datetime.now(UTC))
        assert "nova-prod-errors: is already in ALARM" in blocker.text
        assert blockers(red, "0123456789", {}, now=datetime.now(UTC)) == []

    rehearse(template, sources, story)


def test_what_a_new_revision_gets_in_a_minute_can_be_read_while_it_is_deployed(
    template: Callable[..., Any], sources: Path
) -> None:
    async def story(environment: PlayedEnvironment, tools: ReleaseTools) -> None:
        tools.open(environment, STACKS)
        target = Tools(tools.url, "candidate").environment
        [played] = environment.services()
        state = DeploymentState(1, strategy="CANARY", per_minute=31)
        played.deployments.append(state)
        deployments = await asyncio.to_thread(target.service_deployments)
        traffic = (await asyncio.to_thread(target.readings, deployments)).traffic
        assert [traffic[each.new.target_group].per_minute for each in deployments] == [31]
        state.end("SUCCESSFUL")
        assert (await asyncio.to_thread(target.readings, deployments)).traffic == traffic, "the load ends with the bake"

    rehearse(template, sources, story)


def test_before_its_stage_is_reached_what_is_deployed_there_is_known_and_every_ledger_begins_with_it(
    template: Callable[..., Any], sources: Path
) -> None:
    async def story(environment: PlayedEnvironment, tools: ReleaseTools) -> None:
        target = Tools(tools.url, "candidate").environment

        def look() -> None:
            assert target.service_names() == ("tiny",)
            assert target.template("nova-prod-tiny") == template("one")
            [entry] = read_ledger(target).entries
            assert (entry.release, entry.outcome, entry.images["tiny"].tag) == ("0123456789", "verified", "one")
            assert target.put_parameter("/nova/prod/release", "x") == 2
            with pytest.raises(NotDeployedError):
                RehearsedEnvironment("qa", platform="nova", url=f"{tools.url}/candidate").services()

        await asyncio.to_thread(look)

    rehearse(template, sources, story)


def test_a_brief_names_the_release_and_approvers_are_notified(template: Callable[..., Any], sources: Path) -> None:
    briefs: list[Brief] = []

    async def story(_: PlayedEnvironment, tools: ReleaseTools) -> None:
        target, pipeline = Tools(tools.url, "candidate").environment, RehearsedToolchain(f"{tools.url}/candidate")

        def look() -> None:
            candidate = read_candidate(target, sources, lambda: sources)
            briefs.append(survey_brief(target, pipeline, candidate, root=sources))
            pipeline.publish(subject="approve?", message="the whole brief")

        await asyncio.to_thread(look)

    assert rehearse(template, sources, story) == ["approve?"]
    [brief] = briefs
    assert (brief.candidate, brief.images) == ("working-tree", {"tiny": ("one", "two")})
    assert [test.full_name for test in brief.tests or ()] == ["Staging.Tests"]
    assert brief.last_good is not None
    assert brief.last_good.release == "0123456789"
    assert brief.unseen == ("the alarms: the rehearsal starts prod only in its own stage, so it has no alarms yet",)


def test_whoever_asks_waits_as_long_as_alarms_need_for_data_in_real_time() -> None:
    assert PATIENCE_SECONDS > (MINUTES_UNTIL_DATA + 1) * 60


def test_a_rehearsal_that_is_stopped_is_not_waited_for_as_long_as_one_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nova_infra.deployed.rehearsed.AT_ONCE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as stopped:  # The kernel takes the connection, and nobody reads it.
        target = RehearsedEnvironment(
            "prod", platform="nova", url=f"http://127.0.0.1:{stopped.getsockname()[1]}/candidate"
        )
        for question in (target.services, target.alarms, target.stacks, target.played):
            began = time.monotonic()
            with pytest.raises(PassingError, match=r"^rehearsal: does not answer at .*: is it still running\?"):
                question()
            assert time.monotonic() - began < 10
    with pytest.raises(RefusedError, match=r"^rehearsal: does not answer at .*: is it still running\?"):
        target.services()  # Nobody listens there any more.


def test_who_still_waits_when_an_environment_ends_gets_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    async def ended() -> None:
        raise ClockStoppedError("the clock was stopped")

    waiting: Any = SimpleNamespace(alarm_states=lambda: {"errors": "INSUFFICIENT_DATA"}, next_minute=ended)

    async def play() -> None:
        releases = release("working tree", {}), release("0123456789", {})
        async with ReleaseTools(*releases, record=Record("p", "c", "b", []), announce=print) as tools:
            tools.open(waiting, STACKS)
            with pytest.raises(NovaError, match=r"^rehearsal: answers 503 at http.*/candidate/nova-prod: is it still"):
                await asyncio.to_thread(ask, f"{tools.url}/candidate/nova-prod")

    asyncio.run(asyncio.wait_for(play(), 60))
    assert "Traceback" not in caplog.text
