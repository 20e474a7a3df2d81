"""What became of the stacks of a rollback, in CloudFormation's words; and a ledger that others write to meanwhile."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.deployed.stack import Change, ChangeSet, Stack
from nova_infra.errors import CheckFailedError
from nova_infra.operations.records.ledger import Ledger
from nova_infra.operations.rollback import run
from nova_infra.operations.rollback.change_sets import change_sets, execute


class Environment:
    """Executes every change set, and ends each stack in a status."""

    def __init__(self, status: str) -> None:
        self.status = status

    def execute_change_set(self, change_set: ChangeSet) -> bool:
        return bool(change_set)

    def failures(self, _: object) -> list[Any]:
        return []

    def wait_for_stacks(self, names: list[str]) -> list[Stack]:
        return [Stack(name, self.status, "no reason was given") for name in names]


TASK = Change("Modify", "Task", "AWS::ECS::TaskDefinition", "True")


def executed(status: str) -> tuple[list[str], list[str]]:
    changes = {"nova-prod-audio": ChangeSet("nova-prod-audio", "nova-rollback-1", (TASK,))}
    told: list[str] = []
    environment: Any = Environment(status)
    return execute(environment, changes, may_begin=lambda: None, notify=told.append), told


@pytest.mark.parametrize("status", ["UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"])
def test_a_completed_update_counts_even_while_cloudformation_cleans_up(status: str) -> None:
    failures, told = executed(status)
    assert failures == []
    assert told == ["nova-prod-audio: rolling back", "nova-prod-audio: done"]


@pytest.mark.parametrize(
    "status", ["UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_FAILED"]
)
def test_a_stack_that_cloudformation_restored_is_not(status: str) -> None:
    failures, told = executed(status)
    assert failures == [f"nova-prod-audio: did not roll back ({status}): no reason was given"]
    assert told == ["nova-prod-audio: rolling back"]


def test_the_name_of_a_change_set_is_as_long_as_cloudformation_lets_it_be_and_no_longer() -> None:
    named: list[str] = []

    class Making(Environment):
        def create_change_set(self, stack: Stack, _: object, *, name: str, **_more: str) -> ChangeSet:
            named.append(name)
            return ChangeSet(stack.name, name, ())

        def delete_change_set(self, change_set: ChangeSet) -> None:
            named.remove(change_set.name)

    stack = Stack("nova-prod-audio", "UPDATE_COMPLETE", "")
    container = {"Image": "shop/audio:1", "Environment": [{"Name": "NOVA_RELEASE", "Value": "1"}]}
    task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [container]}}
    service = SimpleNamespace(name="a" * 200, stack=stack, template={"Resources": {"Task": task}})
    move = SimpleNamespace(service=service, image=SimpleNamespace(tag="abc"), repair=False)
    plan: Any = SimpleNamespace(moves=[move], target=SimpleNamespace(release="abc"))
    environment: Any = Making("")
    with change_sets(environment, plan, "0123", canary=True):
        assert [len(name) for name in named] == [128]
    assert named == []


DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


LookAgain = Callable[[int, str], list[str]]


@pytest.fixture
def look_again(monkeypatch: pytest.MonkeyPatch) -> LookAgain:
    """Looks at a ledger that has got to a version, and a service that runs an image."""

    def act(version: int, runs: str) -> list[str]:
        asked: list[str] = []
        plan: Any = SimpleNamespace(ledger=4, images={"audio": SimpleNamespace(digest=DIGEST)})
        monkeypatch.setattr(run, "read_ledger", lambda _: Ledger((), version))
        deployed = (SimpleNamespace(name="audio", image=SimpleNamespace(digest=runs)),)

        def survey(_: object) -> SimpleNamespace:
            asked.append("survey")
            return SimpleNamespace(deployed=deployed)

        monkeypatch.setattr(run, "survey", survey)
        environment: Any = SimpleNamespace()
        lock: Any = SimpleNamespace(check=lambda: asked.append("lock"))
        run.look_again(environment, plan, lock)
        return asked

    return act


def test_a_ledger_that_nobody_wrote_to_needs_no_second_look(look_again: LookAgain) -> None:
    assert look_again(4, OTHER) == ["lock"]


def test_what_was_written_meanwhile_is_no_matter_where_the_image_is_still_the_one_brought_back(
    look_again: LookAgain,
) -> None:
    assert look_again(5, DIGEST) == ["lock", "survey"]


@pytest.mark.parametrize("version", [5, 6])
def test_a_release_that_landed_meanwhile_is_not_written_over(look_again: LookAgain, version: int) -> None:
    with pytest.raises(CheckFailedError, match="audio: got another image during the rollback"):
        look_again(version, OTHER)
