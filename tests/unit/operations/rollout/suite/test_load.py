"""A test suite that is the load of new revisions while they bake."""

from collections.abc import Callable
from typing import Any

import pytest

from helpers.rollouts import target_group
from nova_infra.operations.records.ledger import read_ledger
from nova_infra.operations.rollout.suite.gate import SuiteGate
from nova_infra.operations.rollout.suite.load import SuiteLoad

from .conftest import NEW, Release, together


class Loaded:
    """A gate that is also the load of the second service, and for nobody's answer asked about that one."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.runs: list[tuple[str, ...]] = []
        self.why = ""
        self.meanwhile: Callable[[], None] = lambda: None

    def run(self, still_wanted: Callable[[], bool], _: float) -> str:
        baking = [each.service for each in self.release.world.rollouts if each.weight and each.status == "IN_PROGRESS"]
        self.runs.append(tuple(baking))
        self.meanwhile()
        self.release.world.pass_by(30)
        return self.why if still_wanted() else "it was stopped"

    def answer(self, *services: str, suite: Callable[..., str], plan: list[Callable[[], Any]]) -> list[str]:
        release = self.release

        def wait(seconds: float) -> None:
            release.world.pass_by(seconds)
            if plan:
                plan.pop(0)()
            release.obey()

        load = SuiteLoad(release.environment, ["s02-service"], self.run, release.lines.append)
        wanted = dict.fromkeys((*services, "s02-service"), NEW)
        only = {"s02-service"} - set(services)
        return SuiteGate(release.environment, wanted, suite, 600, release.lines.append, 10.0, wait, load, only).answer()


@pytest.fixture
def loaded(release: Release) -> Loaded:
    return Loaded(release)


def shifts(release: Release, weight: float) -> None:
    [rollout] = [each for each in release.world.rollouts if each.service == "s02-service"]
    rollout.stage, rollout.weight, rollout.hooks = "BAKE_TIME", weight, []


def test_it_runs_again_and_again_while_the_new_revision_bakes_and_at_no_other_time(loaded: Loaded) -> None:
    release = loaded.release
    plan = [
        lambda: release.begins("s02-service"),
        lambda: None,
        lambda: shifts(release, 10.0),
        lambda: shifts(release, 100.0),
        lambda: release.ends("s02-service"),
    ]
    assert loaded.answer(suite=release.suite(), plan=plan) == []
    assert loaded.runs == [("s02-service",)] * 2
    assert release.runs == release.told == [], "nobody is answered"


@pytest.mark.parametrize(
    ("where", "alarms"),
    [
        ("alarms", {"status": "DISABLED"}),
        ("deploymentConfiguration", {"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 10.0}}),
    ],
)
def test_a_bake_that_no_alarm_judges_gets_no_load(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, where: str, alarms: dict[str, Any]
) -> None:
    release, described = loaded.release, loaded.release.world.described
    monkeypatch.setattr(release.world, "described", lambda rollout: {**described(rollout), where: alarms})
    plan = [
        together(lambda: release.begins("s02-service"), lambda: shifts(release, 10.0)),
        *[lambda: None] * 3,
        lambda: release.ends("s02-service"),
    ]
    assert loaded.answer(suite=release.suite(), plan=plan) == []
    assert loaded.runs == []


def test_what_the_new_revision_got_is_reported_and_kept_for_the_next_brief(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, written = loaded.release, list[str]()

    def put(_: str, value: str) -> int:
        written.append(value)
        return 1

    monkeypatch.setattr(release.environment, "put_parameter", put)
    release.world.requests[target_group("s02-service", "green")] = 31
    plan = [
        together(lambda: release.begins("s02-service"), lambda: shifts(release, 10.0)),
        lambda: release.ends("s02-service"),
    ]
    loaded.answer(suite=release.suite(), plan=plan)
    assert "s02-service: its new revision got 31 requests a minute while the suite was its load" in release.lines
    versions = [type("V", (), {"version": 1, "value": value}) for value in written]
    monkeypatch.setattr(release.environment, "history", lambda _: versions)
    [load] = read_ledger(release.environment).loads
    assert load.per_minute == {"s02-service": 31}


def test_a_red_run_is_reported_and_left_to_the_alarms(loaded: Loaded) -> None:
    release, loaded.why = loaded.release, "FAILED test_cart"
    plan = [
        together(lambda: release.begins("s02-service"), lambda: shifts(release, 10.0)),
        lambda: release.ends("s02-service"),
    ]
    assert loaded.answer(suite=release.suite(), plan=plan) == []
    assert release.told == []
    assert any("the suite is red while it is their load: FAILED test_cart" in line for line in release.lines)


def test_a_run_that_ends_with_the_bake_is_not_called_red(loaded: Loaded) -> None:
    release = loaded.release
    loaded.meanwhile = lambda: release.ends("s02-service")
    loaded.answer(
        suite=release.suite(), plan=[together(lambda: release.begins("s02-service"), lambda: shifts(release, 10.0))]
    )
    assert loaded.runs == [("s02-service",)]
    assert not any("red" in line for line in release.lines)


@pytest.mark.exhaustive("test_what_the_new_revision_got_is_reported_and_kept_for_the_next_brief")
def test_a_gate_that_a_person_answers_is_left_to_them(loaded: Loaded) -> None:
    release = loaded.release
    plan = [
        together(lambda: release.begins("s02-service"), lambda: release.waits("s02-service")),
        *[lambda: None] * 30,
        lambda: shifts(release, 10.0),
        lambda: release.ends("s02-service"),
    ]
    loaded.answer(suite=release.suite(), plan=plan)
    assert release.runs == release.told == []
    assert loaded.runs == [("s02-service",)]


@pytest.mark.exhaustive("test_what_the_new_revision_got_is_reported_and_kept_for_the_next_brief")
def test_a_gate_that_waits_for_the_suite_goes_before_the_load(loaded: Loaded) -> None:
    release, wanted = loaded.release, list[bool]()

    def run(still_wanted: Callable[[], bool], _: float) -> str:
        wanted.append(still_wanted())
        release.waits("s01-service")
        wanted.append(still_wanted())
        return "it was stopped"

    loaded.run = run  # type: ignore[method-assign]  # a gate waits meanwhile
    plan = [
        together(
            lambda: release.begins("s01-service"), lambda: release.begins("s02-service"), lambda: shifts(release, 10.0)
        ),
        lambda: release.ends("s02-service"),
    ]
    loaded.answer("s01-service", suite=release.suite(), plan=plan)
    assert wanted == [True, False]
    assert release.told == [("continue", "s01-service")]
