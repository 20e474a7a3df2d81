"""The whole of it on a miniature assembly: one service, four stages, time compressed a thousandfold."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from helpers.exhaustive import one_of_each
from helpers.processes import running_below
from nova_infra.assembly import Assembly
from nova_infra.rehearsal.clock import longest
from nova_infra.rehearsal.pipeline.player import Player
from nova_infra.rehearsal.pipeline.release import Release
from nova_infra.rehearsal.pipeline.simulated import new_record
from nova_infra.rehearsal.record import NO_TARGET, DeploymentRecord, Record, Requests
from nova_infra.rehearsal.report.answers import broken_operations

Write = Callable[..., Path]


class Rehearsal:
    """Plays a candidate over a good baseline."""

    def __init__(
        self,
        write_assembly: Write,
        tmp_path: Path,
        sources: Path,
        *,
        approve: bool = True,
        fault: str = "",
        test: str = "true",
        old_test: str | None = None,
        **pipeline_parts: Any,
    ) -> None:
        before = write_assembly(tmp_path / "old", test=test if old_test is None else old_test, **pipeline_parts)
        baseline = Release("baseline", Assembly(before), sources)
        changed = write_assembly(tmp_path / "new", release="two", fault=fault, test=test, **pipeline_parts)
        candidate = Release("candidate", Assembly(changed), sources)
        self.story: list[str] = []

        async def answer(_: str) -> bool:
            return approve

        pipeline = candidate.pipeline()
        self.record: Record = new_record(pipeline, candidate=candidate, baseline=baseline)
        self.player = Player(
            pipeline,
            candidate,
            baseline,
            self.record,
            approve=answer,
            tell=self.story.append,
            logs=tmp_path / "logs",
            seconds_per_minute=0.1,
            ahead=True,
        )

    def play(self) -> Rehearsal:
        asyncio.run(asyncio.wait_for(self.player.play(), 60))
        return self

    @property
    def stages(self) -> dict[str, str]:
        return {stage.name: stage.status for stage in self.record.stages}

    def deployment(self, environment: str) -> DeploymentRecord:
        [deployment] = [d for d in self.record.deployments if d.environment == environment and not d.baseline]
        return deployment


@pytest.fixture(autouse=True)
def _leaves_no_process() -> Iterator[None]:
    before = running_below(os.getpid()).keys()
    yield
    assert running_below(os.getpid()).keys() <= before


def listening() -> set[object]:
    return {c.laddr for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_LISTEN}


def test_a_good_release_goes_through_with_its_canary(write_assembly: Write, tmp_path: Path, sources: Path) -> None:
    check = 'assert u.urlopen(os.environ["URL"] + "/tiny/x").read() == b"two"'
    said = "echo 'not covered: browser tests: no Chromium'; echo '1 passed, not covered: by chance'"
    test = f"python3 -c 'import os, urllib.request as u; {check}' && {{ {said}; }}"
    rehearsal = Rehearsal(write_assembly, tmp_path, sources, test=test).play()
    assert rehearsal.record.succeeded, rehearsal.story
    prod = rehearsal.deployment("Prod")
    assert (prod.old, prod.new, prod.outcome) == ("prod-tiny:1", "prod-tiny:2", "completed")
    assert prod.from_alternate
    assert [d.most_tasks for d in rehearsal.record.deployments if d.environment == "Prod"] == [1, 2]
    assert [step.percent for step in prod.traffic] == [25, 100]
    assert 5 < prod.samples[-1].memory < prod.memory == 512
    assert not prod.ignores_sigterm
    canary = prod.traffic[0].requests
    everything = sum(requests.served for requests in canary.values())
    # The exact split is the router's own test; what counts here is that the canary never gets more than its share.
    assert 0 < canary["prod-tiny:2"].served <= everything / 4 + 2
    assert rehearsal.record.load["Prod"].failed == 0
    assert rehearsal.deployment("Dev").strategy == "ROLLING"
    assert [(n.topic, n.message) for n in rehearsal.record.notifications] == [
        ("mini-alerts", "Approve waits for an approval")
    ]
    # What a step says that it did not cover is said of the step, and of the whole rehearsal.
    [tests] = [action for action in rehearsal.record.stages[1].actions if action.name == "Tests"]
    assert tests.status == "succeeded"
    assert "not covered: browser tests: no Chromium" in tests.note
    assert rehearsal.record.not_rehearsed.count("browser tests: no Chromium") == 1
    assert not [each for each in rehearsal.record.not_rehearsed if "by chance" in each]


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_an_operation_that_only_production_refuses_is_seen(
    write_assembly: Write, tmp_path: Path, sources: Path
) -> None:
    rehearsal = Rehearsal(write_assembly, tmp_path, sources, fault="one-operation").play()
    assert rehearsal.record.succeeded  # No alarm counts a 403, and no test asks for it.
    assert broken_operations(rehearsal.deployment("Dev")) == []
    [broken] = broken_operations(rehearsal.deployment("Prod"))
    assert re.fullmatch(r"GET /tiny/rare answers 403 to (\d+) of \1 requests \(200 before\)", broken)
    written = json.loads(json.dumps(rehearsal.record.as_json()))["deployments"][-1]["answers"]
    assert set(written) == {"GET /tiny/rare", "GET /tiny/version"}


def test_a_failing_command_stops_the_pipeline_and_what_follows_is_not_reached(
    write_assembly: Write, tmp_path: Path, sources: Path
) -> None:
    rehearsal = Rehearsal(write_assembly, tmp_path, sources, test="sleep 0.5; echo this is wrong; exit 4").play()
    assert rehearsal.stages == {
        "Build": "succeeded",
        "Dev": "failed",
        "ApproveProduction": "not reached",
        "Prod": "not reached",
    }
    [tests] = [action for action in rehearsal.record.stages[1].actions if action.name == "Tests"]
    assert "exited with 4" in tests.note
    assert tests.output == ["this is wrong"]
    assert "Prod: starting what runs there now, baseline" in rehearsal.story, "it gets ready while Dev is tested"
    assert set(rehearsal.record.load) == {each.environment for each in rehearsal.record.deployments} == {"Dev"}
    assert [(n.topic, n.message) for n in rehearsal.record.notifications] == [("mini-alerts", "mini failed in Dev")]


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_the_tests_that_failed_are_named_wherever_they_stand_in_the_output(
    write_assembly: Write, tmp_path: Path, sources: Path
) -> None:
    noise = "for n in $(seq 60); do echo 'ERROR    nova.request:requests.py:53 a line of a log'; done"
    rehearsal = Rehearsal(
        write_assembly, tmp_path, sources, test=f"echo FAILED services/tiny/test_x.py::test_y; {noise}; exit 1"
    ).play()
    [tests] = [action for action in rehearsal.record.stages[1].actions if action.name == "Tests"]
    assert "FAILED services/tiny/test_x.py::test_y" in tests.note
    assert "; ERROR" not in tests.note


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_a_release_that_does_not_start_is_rolled_back_by_the_circuit_breaker(
    write_assembly: Write, tmp_path: Path, sources: Path
) -> None:
    taken_back = {"Prod": {"OnFailure": {"Result": "ROLLBACK"}}}
    rehearsal = Rehearsal(write_assembly, tmp_path, sources, fault="exit", stage_parts=taken_back).play()
    prod = rehearsal.deployment("Prod")
    assert (rehearsal.stages["Prod"], prod.outcome, prod.traffic) == ("failed", "rolled back", [])
    assert "3 tasks failed" in prod.reason
    assert "cannot import the service" in prod.reason
    assert rehearsal.record.load["Prod"].failed == 0
    # ECS has rolled it back already: the stage has nothing to take back.
    assert rehearsal.record.stages[-1].note == "rolled back to baseline, as its OnFailure says"


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_a_release_that_is_never_healthy_gets_no_traffic(write_assembly: Write, tmp_path: Path, sources: Path) -> None:
    prod = Rehearsal(write_assembly, tmp_path, sources, fault="unhealthy").play().deployment("Prod")
    assert (prod.outcome, prod.traffic) == ("rolled back", [])
    assert "GET /health answered 500" in prod.reason


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_a_release_that_fails_requests_is_rolled_back_by_its_alarm_and_somebody_is_notified(
    write_assembly: Write, tmp_path: Path, sources: Path
) -> None:
    rehearsal = Rehearsal(write_assembly, tmp_path, sources, fault="errors").play()
    prod = rehearsal.deployment("Prod")
    assert prod.outcome == "rolled back"
    assert prod.reason == "alarm prod-errors went to ALARM at 25 % of the traffic"
    assert [step.percent for step in prod.traffic] == [25, 0]
    new = sum((s.requests.get("prod-tiny:2", Requests()) for s in prod.samples), Requests())
    [deploy] = rehearsal.record.stages[-1].actions
    assert re.fullmatch(
        r"prod-tiny: alarm prod-errors went to ALARM at 25 % of the traffic "
        r"\(tiny fails requests; it measured \d+, and the limit is 2\); "
        rf"its new revision failed {new.failed} of {new.served} requests; prod-tiny:1 keeps serving",
        deploy.note,
    )
    assert prod.traffic[0].requests["prod-tiny:1"].failed == 0, "the old revision served all the time"
    assert prod.plan == "canary: 25 % for 2 min, then 100 % for 2 min"
    steps = sum((step.requests.get("prod-tiny:2", Requests()) for step in prod.traffic), Requests())
    assert new.log_seconds == pytest.approx(steps.log_seconds)  # Added up in another order.
    assert replace(new, log_seconds=0.0) == replace(steps, log_seconds=0.0)
    reached, hit = ({user for s in prod.samples for user in getattr(s, name)} for name in ("reached", "hit"))
    assert 0 < len(reached) <= new.served
    assert hit == reached, "every request to it failed, and none to the old revision"
    assert ("prod-alerts", "prod-errors is in ALARM") in [(n.topic, n.message) for n in rehearsal.record.notifications]


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_a_release_that_ignores_its_stop_signal_goes_through_and_is_noted(
    write_assembly: Write, tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nova_infra.rehearsal.tasks.task.SPARE_STOP_SECONDS", 0.2)
    rehearsal = Rehearsal(write_assembly, tmp_path, sources, fault="stubborn").play()
    assert rehearsal.deployment("Prod").outcome == "completed"
    assert rehearsal.deployment("Prod").ignores_sigterm
    assert not rehearsal.deployment("Dev").ignores_sigterm


@pytest.mark.parametrize(
    "moment",
    one_of_each(
        ["Dev: starting what runs there now", "Dev.Tests", "Prod: starting what runs there now", "25 % of the traffic"]
    ),
)
def test_an_interruption_at_any_moment_leaves_no_process_and_no_port(
    write_assembly: Write, tmp_path: Path, sources: Path, moment: str
) -> None:
    rehearsal = Rehearsal(
        write_assembly, tmp_path, sources, test="sleep 60 & wait" if moment.startswith(("Dev.T", "Prod:")) else "true"
    )
    ports = listening()

    async def interrupt() -> None:
        before = asyncio.all_tasks()
        playing = asyncio.create_task(rehearsal.player.play())
        while not any(moment in line for line in rehearsal.story):
            await asyncio.sleep(0.005)
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        assert playing.cancelled()
        assert asyncio.all_tasks() == before, "nothing goes on in the background"

    asyncio.run(asyncio.wait_for(interrupt(), 60))
    assert listening() <= ports
    assert "stopped" in rehearsal.stages.values()


@pytest.mark.parametrize(("mode", "runs"), one_of_each([("FAILED_ACTIONS", 1), ("ALL_ACTIONS", 2)]))
def test_a_stage_that_retries_plays_what_failed_once_more_and_a_refused_approval_leaves_production_alone(
    write_assembly: Write, tmp_path: Path, sources: Path, mode: str, runs: int
) -> None:
    count = f"echo $VERIFY_WAIT >> {tmp_path}/builds"
    retry = {"OnFailure": {"Result": "RETRY", "RetryConfiguration": {"RetryMode": mode}}}
    flaky = f"test -e {tmp_path}/seen || {{ touch {tmp_path}/seen; false; }}"
    rehearsal = Rehearsal(
        write_assembly, tmp_path, sources, test=flaky, builds=(count,), stage_parts={"Dev": retry}, approve=False
    ).play()
    assert rehearsal.stages["Dev"] == "succeeded", rehearsal.story
    assert rehearsal.stages["ApproveProduction"] == "failed"
    assert rehearsal.stages["Prod"] == "not reached"
    assert rehearsal.record.stages[1].note == "played again after Tests had failed, as its OnFailure says"
    assert (tmp_path / "builds").read_text() == f"{5 * longest(0.1)}\n" * runs


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_a_stage_retries_only_once(write_assembly: Write, tmp_path: Path, sources: Path) -> None:
    tests = f"echo >> {tmp_path}/tests; false"
    retry = {"Dev": {"OnFailure": {"Result": "RETRY"}}}
    rehearsal = Rehearsal(write_assembly, tmp_path, sources, test=tests, stage_parts=retry).play()
    assert rehearsal.stages["Dev"] == "failed"
    assert len((tmp_path / "tests").read_text()) == 2


ROLLBACK = {"Dev": {"OnFailure": {"Result": "ROLLBACK"}}}


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_a_rolled_back_stage_ends_on_the_previous_release(write_assembly: Write, tmp_path: Path, sources: Path) -> None:
    serves_one = "import os, urllib.request as u; assert u.urlopen(os.environ['URL'] + '/tiny/x').read() == b'one'"
    rehearsal = Rehearsal(
        write_assembly, tmp_path, sources, test=f'python3 -c "{serves_one}"', stage_parts=ROLLBACK
    ).play()
    there, back = [d for d in rehearsal.record.deployments if d.environment == "Dev" and not d.baseline]
    assert (there.new, there.takes_back, there.outcome) == ("dev-tiny:2", False, "completed")
    assert (back.old, back.new, back.takes_back, back.outcome) == ("dev-tiny:2", "dev-tiny:3", True, "completed")
    dev = rehearsal.record.stages[1]
    assert (dev.status, dev.note) == ("failed", "rolled back to baseline, as its OnFailure says")


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_a_pipeline_with_a_changed_structure_rolls_nothing_back(
    write_assembly: Write, tmp_path: Path, sources: Path
) -> None:
    rehearsal = Rehearsal(write_assembly, tmp_path, sources, test="false", old_test="true", stage_parts=ROLLBACK).play()
    assert "structure has changed" in rehearsal.record.stages[1].note
    assert rehearsal.deployment("Dev").new == "dev-tiny:2"


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_a_disabled_transition_holds_the_release_before_the_stage(
    write_assembly: Write, tmp_path: Path, sources: Path
) -> None:
    closed = [{"StageName": "Prod", "Reason": "freeze until Monday"}]
    rehearsal = Rehearsal(write_assembly, tmp_path, sources, closed=closed).play()
    assert rehearsal.stages == {"Build": "succeeded", "Dev": "succeeded", "ApproveProduction": "succeeded",
                                "Prod": "stopped"}  # fmt: skip
    assert rehearsal.record.stages[-1].note == "the transition into Prod is disabled: freeze until Monday"
    assert not rehearsal.record.succeeded


def change_rule(assembly: Path, environment: str, path: str) -> None:
    file = assembly / f"{environment}.json"
    template = json.loads(file.read_text())
    [condition] = template["Resources"]["Rule"]["Properties"]["Conditions"]
    condition["PathPatternConfig"]["Values"].append(path)
    file.write_text(json.dumps(template))


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_a_rule_that_changes_while_the_alternate_colour_serves_is_an_outage(
    write_assembly: Write, tmp_path: Path, sources: Path
) -> None:
    rehearsal = Rehearsal(write_assembly, tmp_path, sources)
    change_rule(tmp_path / "new", "Prod", "/more/*")
    rehearsal.play()
    deployment = rehearsal.deployment("Prod")
    assert deployment.from_alternate
    assert sum(sample.requests.get(NO_TARGET, Requests()).failed for sample in deployment.samples) > 0


@pytest.mark.exhaustive("test_a_good_release_goes_through_with_its_canary")
def test_from_the_other_colour_the_traffic_moves_as_well_and_nothing_fails(
    write_assembly: Write, tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nova_infra.rehearsal.pipeline.environments.starts_from_alternate", lambda *_: False)
    rehearsal = Rehearsal(write_assembly, tmp_path, sources).play()
    deployment = rehearsal.deployment("Prod")
    assert (deployment.outcome, deployment.from_alternate) == ("completed", False)
    assert [step.percent for step in deployment.traffic] == [25, 100]
    assert rehearsal.record.load["Prod"].failed == 0
