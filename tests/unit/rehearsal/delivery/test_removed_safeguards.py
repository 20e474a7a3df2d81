"""What a release takes away from its own delivery is said, and nothing else is."""

import pytest

from nova_infra.rehearsal.delivery.definition import (
    ApprovalAction,
    BuildAction,
    DeployAction,
    Pipeline,
    Stage,
    StageAction,
)
from nova_infra.rehearsal.delivery.removed_safeguards import misdirected, weakened


def a_test(name: str, order: int) -> StageAction:
    return BuildAction(name, order, (), ("true",), {}, privileged=False, updates_pipeline=False)


def deploy(name: str) -> Stage:
    return Stage(name, (DeployAction("Deploy", 2, name, f"{name}.json", None), a_test("Integration", 3)))


MAKEFILE = """
lint: setup ## Style
\t@ruff check .
none:
\t@true
check-nothing: setup
\t@echo no
ci: setup check ## All
all:
\t@$(MAKE) --no-print-directory check
tests: setup
\t@pytest
"""
APPROVE = Stage("Approve", (ApprovalAction("Approve", 1),))
DEV, QA, LIVE = map(deploy, ("Dev", "Qa", "Live"))
UNTESTED = Stage("Dev", (DEV.actions[0], a_test("Integration", 1)))
ASKED = Stage("Live", (ApprovalAction("Go", 1), *LIVE.actions))


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([DEV, QA, APPROVE, LIVE], []),
        ([DEV, APPROVE, QA, LIVE], []),
        ([DEV, QA, ASKED], []),
        ([DEV, QA, LIVE], ["nobody approves Live any more"]),
        ([DEV, QA, LIVE, APPROVE], ["nobody approves Live any more"]),
        ([DEV, APPROVE, LIVE, QA], ["Live is deployed without Qa before it"]),
        ([QA, APPROVE, LIVE], ["Qa is deployed without Dev before it", "Live is deployed without Dev before it"]),
        ([UNTESTED, QA, APPROVE, LIVE], ["Dev is no longer tested by Integration"]),
        ([DEV, QA, APPROVE, LIVE, deploy("Moon")], []),
    ],
)
def test_what_a_delivery_loses(stages: list[Stage], said: list[str]) -> None:
    before = Pipeline("p", (DEV, QA, APPROVE, LIVE))
    assert weakened(before, Pipeline("p", tuple(stages))) == said


def test_a_step_without_a_name_is_known_by_its_commands() -> None:
    def job(*commands: str) -> Pipeline:
        steps = [BuildAction(f"try: {n}", n, (), (each,), {}, False, False) for n, each in enumerate(commands, start=4)]
        return Pipeline("p", (Stage("Dev", (*DEV.actions[:1], *steps)),))

    assert weakened(job("make test", "make e2e"), job("make e2e")) == ["Dev is no longer tested by try: 4 (make test)"]
    assert weakened(job("make test", "make e2e"), job("make lint", "make test", "make e2e")) == []


@pytest.mark.parametrize(
    ("place", "before", "after", "gone"),
    [
        ("Build", "make check", "make lint", "check"),
        ("Build", "make check", "make none", "check"),
        ("Build", "make check", "make check-nothing", "check"),
        ("Build", "make check", "sleep 1\ntimeout 5 true", "check"),
        ("Build", "make check", "timeout 5 pytest", ""),
        ("Build", "make setup audit\nmake check", "make setup", "audit, check"),
        ("Dev", "make verify ENVIRONMENT=dev", "echo verify", "verify"),
        ("Build", "make check", "make clean check", ""),
        ("Build", "make check", "make \\\n check", ""),
        ("Build", "make check", "make ci", ""),
        ("Build", "make check", "make all", ""),
        ("Build", "make check", "make elsewhere", ""),
        ("Build", "make test", "make tests", ""),
        ("Build", "make test", "make $TARGETS", ""),
        ("Build", "make check", "pytest tests", ""),
        ("Build", "make lint", "uv run ruff check", ""),
        ("Build", "make test", "docker compose run web test", ""),
        ("Build", "make check", "scripts/check.sh", ""),
        ("Build", "make docs", "make lint", ""),
    ],
)
def test_a_check_that_makes_way_for_another_command_under_its_name_is_missed(
    place: str, before: str, after: str, gone: str
) -> None:
    def delivery(commands: str) -> Pipeline:
        step = BuildAction("Try", 4, (), (commands,), {}, False, False)
        build, more = (Stage("Build", (step,)), ()) if place == "Build" else (Stage("Build", ()), (step,))
        return Pipeline("p", (build, Stage("Dev", (*DEV.actions, *more)), QA))

    said = [f"nothing runs make {gone} any more before Dev or after it"] if gone else []
    assert weakened(delivery(before), delivery(after), makefile=MAKEFILE) == said


@pytest.mark.parametrize(("place", "said"), [("dev", []), ("live", ["Dev is no longer tested by Verify"])])
def test_a_check_may_have_another_name_and_its_values_in_variables(place: str, said: list[str]) -> None:
    def verified(name: str, command: str, **environment: str) -> Pipeline:
        check = BuildAction(name, 3, (), (command,), environment, privileged=False, updates_pipeline=False)
        return Pipeline("p", (Stage("Dev", (DEV.actions[0], check)),))

    before = verified("Verify", "make verify ENVIRONMENT=dev")
    after = verified("deploy / Verify", 'make verify ENVIRONMENT="$PLACE"', PLACE=place)
    in_shell = f"bash --noprofile --norc -eo pipefail -c 'make verify ENVIRONMENT={place}'"
    assert weakened(before, after) == weakened(before, verified("deploy / Verify", in_shell)) == said
    no_shell = in_shell.replace("-eo", "-neo")
    assert weakened(before, verified("deploy / Verify", no_shell)) == ["Dev is no longer tested by Verify"]


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        ({"URL": "#{qa.Url}"}, []),
        ({"URL": "#{dev.Url}", "OTHER": "#{qa.Url}"}, []),  # it compares them
        ({"URL": "#{dev.Url}", "OWN": "https://qa.example"}, []),
        ({"URL": "https://#{dev.Host}/"}, ["the tests of Qa ask Dev, so none tests Qa before Live"]),
        ({"COMMIT": "#{source.CommitId}"}, []),
        ({}, []),
    ],
)
def test_tests_of_one_environment_that_ask_another_are_found(asks: dict[str, str], said: list[str]) -> None:
    def stage(name: str, after: int, environment: dict[str, str]) -> Stage:
        test = BuildAction("E2E", after, (), ("make e2e",), environment, privileged=False, updates_pipeline=False)
        return Stage(name, (DeployAction("Deploy", 2, name, f"{name}.json", name.lower()), test))

    dev, live = stage("Dev", 3, {"URL": "#{dev.Url}"}), stage("Live", 3, {"URL": "#{live.Url}"})
    assert misdirected(Pipeline("p", (dev, stage("Qa", 3, asks), live))) == said
    assert misdirected(Pipeline("p", (dev, stage("Qa", 1, asks), live))) == []  # before it is deployed: it tests Dev
    last = ["the tests of Qa ask Dev, so none tests Qa"] if said else []
    assert misdirected(Pipeline("p", (dev, stage("Qa", 3, asks)))) == last
