"""Stopping the updates that are under way, over HTTP: what CloudFormation does about them is played."""

from collections.abc import Callable
from typing import Any

import pytest

from helpers.deployed_environment import PREFIX, Deployment
from helpers.local_aws import DENIED, HARMLESS, STOPPING, LocalAws, stack_behind
from nova_infra.errors import NovaError, RefusedError
from nova_infra.operations.rollback import lock as claims
from nova_infra.operations.rollback.lock import read_claim
from nova_infra.operations.rollback.run import Request, rollback

CARTS, STORE = f"{PREFIX}-carts-service", f"{PREFIX}-store-service"


@pytest.fixture
def cancel(served: Deployment) -> Callable[..., list[str]]:
    """Runs `nova rollback --cancel`, and returns the lines that were told: cancel(confirm=…, to=…)."""

    def run(confirm: Callable[[], bool] = lambda: True, **request: Any) -> list[str]:
        told: list[str] = []
        options = Request(**{"patience": 0, "cancel": True, **request})
        rollback(served.environment, options, confirm=confirm, notify=told.append)
        return told

    return run


def update(*stacks: str) -> None:
    """Have updates under way."""
    for stack in stacks:
        stack_behind(stack).status = "UPDATE_IN_PROGRESS"


def statuses() -> set[str]:
    return {stack_behind(stack).status for stack in (CARTS, STORE)}


def test_updates_are_cancelled_and_waited_for(
    served: Deployment, cancel: Callable[..., list[str]], local_aws: LocalAws
) -> None:
    update(CARTS, STORE)
    told = cancel()
    assert sorted(line for line in told if "is cancelled" in line) == [
        f"{stack}: UPDATE_IN_PROGRESS: is cancelled: what ran before is restored" for stack in (CARTS, STORE)
    ]
    assert sorted(told[2:4]) == [f"{stack}: UPDATE_ROLLBACK_COMPLETE" for stack in (CARTS, STORE)]
    assert told[-1] == "prod runs 010101010101, as before the update: there is nothing else to do."
    assert local_aws.requests["CancelUpdateStack"]["ClientRequestToken"].startswith("cancel-")
    assert read_claim(served.environment).state == "done"


@pytest.mark.exhaustive("test_updates_are_cancelled_and_waited_for")
def test_what_cannot_be_cancelled_is_waited_for(
    served: Deployment, cancel: Callable[..., list[str]], local_aws: LocalAws
) -> None:
    update(CARTS)
    stack_behind(STORE).status = "UPDATE_ROLLBACK_IN_PROGRESS"
    assert cancel(plan_only=True)[-1] == "This is a plan: nothing was changed."
    assert "CancelUpdateStack" not in local_aws.calls

    def confirm() -> bool:
        stack_behind(STORE).status = "UPDATE_ROLLBACK_COMPLETE"
        return True

    cancel(confirm)
    assert local_aws.requests["CancelUpdateStack"]["StackName"] == CARTS
    assert local_aws.calls.count("CancelUpdateStack") == 1
    assert statuses() == {"UPDATE_ROLLBACK_COMPLETE"}


@pytest.mark.exhaustive("test_updates_are_cancelled_and_waited_for")
def test_with_a_release_it_goes_on_and_rolls_back(served: Deployment, cancel: Callable[..., list[str]]) -> None:
    served.release(2, "carts-service")
    update(CARTS)
    assert cancel(to=served.commit(1))[-1] == "prod runs 010101010101; release 020202020202 is on hold."
    assert served.image_tag("carts-service") == "v1"


@pytest.mark.exhaustive("test_updates_are_cancelled_and_waited_for")
def test_an_update_that_ends_while_the_prompt_is_open_is_not_cancelled(
    served: Deployment, cancel: Callable[..., list[str]], local_aws: LocalAws
) -> None:
    update(CARTS)

    def confirm() -> bool:
        stack_behind(CARTS).status = "UPDATE_COMPLETE"
        return True

    assert f"{CARTS}: UPDATE_COMPLETE" in cancel(confirm)
    assert local_aws.calls.count("CancelUpdateStack") == 1, "CloudFormation itself refuses it"


def test_without_a_confirmation_nothing_is_cancelled(
    served: Deployment, cancel: Callable[..., list[str]], local_aws: LocalAws
) -> None:
    update(CARTS)
    with pytest.raises(RefusedError, match="not confirmed: nothing was changed"):
        cancel(lambda: False)
    assert "CancelUpdateStack" not in local_aws.calls
    assert read_claim(served.environment).nonce == ""


@pytest.mark.exhaustive("test_updates_are_cancelled_and_waited_for")
def test_where_nothing_is_under_way_there_is_nothing_to_cancel(
    served: Deployment, cancel: Callable[..., list[str]]
) -> None:
    served.release(2, "carts-service")
    assert cancel(to=served.commit(1))[0] == "No update is under way: there is nothing to cancel."
    assert served.image_tag("carts-service") == "v1"


@pytest.mark.exhaustive("test_updates_are_cancelled_and_waited_for")
def test_what_passes_by_itself_changes_nothing_about_the_end(
    served: Deployment, cancel: Callable[..., list[str]], local_aws: LocalAws, subtests: pytest.Subtests
) -> None:
    for name, faults in HARMLESS.items():
        with subtests.test(name):
            update(CARTS, STORE)
            local_aws.faults = {"CancelUpdateStack": list(faults)}
            assert cancel()[-1].startswith("prod runs 010101010101")
            assert statuses() == {"UPDATE_ROLLBACK_COMPLETE"}


@pytest.mark.exhaustive("test_updates_are_cancelled_and_waited_for")
def test_what_stops_it_is_named_and_running_it_again_finishes(
    served: Deployment, cancel: Callable[..., list[str]], local_aws: LocalAws, subtests: pytest.Subtests
) -> None:
    for name, (faults, said) in STOPPING.items():
        with subtests.test(name):
            update(CARTS)
            local_aws.faults = {"CancelUpdateStack": list(faults)}
            with pytest.raises(NovaError, match=said):
                cancel()
            assert stack_behind(CARTS).status == "UPDATE_IN_PROGRESS"
            assert read_claim(served.environment).state == "interrupted"
            local_aws.faults = {}
            assert cancel()[-1].startswith("prod runs 010101010101")


@pytest.mark.exhaustive("test_updates_are_cancelled_and_waited_for")
def test_of_two_updates_the_one_that_may_be_cancelled_is(
    served: Deployment, cancel: Callable[..., list[str]], local_aws: LocalAws
) -> None:
    update(CARTS, STORE)
    local_aws.faults = {"CancelUpdateStack": [DENIED]}
    with pytest.raises(NovaError, match="AWS does not allow cloudformation:cancel_update_stack"):
        cancel()
    assert statuses() == {"UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"}


def test_a_rollback_under_way_is_not_cancelled(
    served: Deployment, cancel: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    update(CARTS)
    claim = claims.Claim("other", release="r")
    with (
        claims.RollbackLock(served.environment, claim, lambda _: None),
        pytest.raises(RefusedError, match="another one, to r, is under way"),
    ):
        cancel()
