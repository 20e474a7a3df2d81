"""Rolling back while AWS throttles, refuses, and loses calls or their answers: the end is the same."""

import contextlib
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.errors import NovaError
from nova_infra.operations.records.holds import hold, read_holds
from nova_infra.operations.records.ledger import read_ledger
from nova_infra.operations.rollback import lock as claims
from nova_infra.operations.rollback.lock import read_claim
from nova_infra.operations.rollback.run import Request, rollback

PASSING = {
    "throttled": (400, "ThrottlingException"),
    "cut before": "cut before",
    "cut after": "cut after",
    "failing": (500, "InternalFailure"),
}
STOPPING = {
    "denied": ((400, "AccessDeniedException"), "AWS does not allow"),
    "expired": ((400, "ExpiredTokenException"), "credentials: AWS rejects them"),
    "unreachable": ("cut before", "check the network"),
    "silent": ("cut after", "check the network"),
}
# Each call of a rollback that changes something: its operation, and how many of the same kind come before it.
CALLS = {
    "make a change set": ("CreateChangeSet", 0),
    "claim": ("PutParameter", 0),
    "hold": ("PutParameter", 1),
    "execute": ("ExecuteChangeSet", 0),
    "ledger": ("PutParameter", 2),
}


@pytest.fixture
def served(local_aws: Any, deploy, monkeypatch: pytest.MonkeyPatch):
    """Production at release 1, over HTTP."""
    local_aws.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_aws.url)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(key, "testing")
    yield deploy()
    local_aws.reset()


@pytest.fixture
def back(served) -> Callable[..., list[str]]:
    """Rolls back, and returns the lines that were told."""

    def run(**request: Any) -> list[str]:
        told: list[str] = []
        options = Request(**{"patience": 0, **request})
        rollback(served.environment, options, confirm=lambda: True, tell=told.append)
        return told

    return run


def end(deployment) -> dict[str, Any]:
    """What a rollback from the latest release leaves."""
    cloudformation = deployment.client("cloudformation")
    # This implementation lists every change set under every stack.
    left = {
        summary["ChangeSetName"]
        for stack in cloudformation.describe_stacks()["Stacks"]
        for summary in cloudformation.list_change_sets(StackName=stack["StackName"])["Summaries"]
        if summary["ExecutionStatus"] != "EXECUTE_COMPLETE"
    }
    return {
        "image": deployment.image_tag("carts-service"),
        "change sets": sorted(left),
        "claim": read_claim(deployment.environment).state,
        "outcomes": [entry.outcome for entry in deployment.ledger()],
        "held": sorted(held.release for held in read_holds(deployment.environment)),
    }


def clean(*releases: str) -> dict[str, Any]:
    outcomes = ["verified"]
    for _ in releases:
        outcomes = ["rolled-back", "verified", *outcomes]
    return {"image": "v1", "change sets": [], "claim": "done", "outcomes": outcomes, "held": sorted(releases)}


@pytest.mark.parametrize("call", CALLS)
def test_what_passes_by_itself_changes_nothing_about_the_end(served, back, local_aws: Any, call: str) -> None:
    operation, before = CALLS[call]
    held = []
    for number, (name, fault) in enumerate(PASSING.items(), 2):
        served.release(number, "carts-service")
        local_aws.faults = {operation: [*[None] * before, fault]}
        back()
        held.append(served.commit(number))
        assert end(served) == clean(*held), name


@pytest.mark.parametrize("call", CALLS)
def test_what_stops_a_rollback_is_named_and_running_it_again_finishes(
    served, back, local_aws: Any, monkeypatch, call: str
) -> None:
    # One whose claim could not be ended counts as killed after a while: here, at once.
    monkeypatch.setattr(claims, "SILENCE", claims.SILENCE * 0)
    operation, before = CALLS[call]
    held = []
    for number, (name, (fault, said)) in enumerate(STOPPING.items(), 2):
        served.release(number, "carts-service")
        lasting = 20 if isinstance(fault, str) else 1
        local_aws.faults = {operation: [*[None] * before, *[fault] * lasting]}
        # One that is carried out although no answer ever comes is recognized.
        with contextlib.nullcontext() if name == "silent" else pytest.raises(NovaError, match=said):
            back()
        local_aws.faults = {}
        if name != "silent":
            back()
        held.append(served.commit(number))
        assert end(served) == clean(*held), name


@pytest.mark.parametrize("fault", [*PASSING.values(), (400, "AccessDeniedException"), (400, "ExpiredTokenException")])
def test_a_claim_that_is_not_given_back_is_a_warning_and_hides_nothing(served, back, local_aws: Any, fault) -> None:
    served.release(2, "carts-service")
    local_aws.faults = {"PutParameter": [None, None, None, fault]}
    told = back()
    stopped = isinstance(fault, tuple) and fault[1].startswith(("Access", "Expired"))
    assert any("warning: this rollback's lock was not released" in line for line in told) == stopped
    assert {**end(served), "claim": "done"} == clean(served.commit(2))

    served.release(3, "carts-service")
    if not stopped:
        local_aws.faults = {
            "ExecuteChangeSet": [(400, "AccessDeniedException")],
            "PutParameter": [None, None, (400, "ExpiredTokenException")],
        }
        with pytest.raises(NovaError, match=r"carts-service: AWS does not allow .*ExecuteChangeSet is refused"):
            back()


@pytest.mark.parametrize("fault", [*PASSING.values(), (400, "AccessDeniedException"), (400, "ExpiredTokenException")])
def test_a_plan_whose_change_set_cannot_be_deleted_is_shown_all_the_same(served, back, local_aws: Any, fault) -> None:
    served.release(2, "carts-service")
    local_aws.faults = {"DeleteChangeSet": [fault]}
    assert "This is a plan: nothing was changed." in back(plan_only=True)
    stays = isinstance(fault, tuple) and fault[1].startswith(("Access", "Expired"))
    assert len(end(served)["change sets"]) == stays


@pytest.mark.parametrize("fault", PASSING.values())
def test_a_hold_by_hand_is_written_once(served, local_aws: Any, fault) -> None:
    local_aws.faults = {"PutParameter": [fault]}
    hold(served.environment, served.commit(9), why="bad")
    assert len(served.environment.history(f"/nova/prod/hold/{served.commit(9)}")) == 1


def test_a_throttled_look_at_the_stacks_is_no_failure(served, back, local_aws: Any, monkeypatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None, time=time.time))
    # Nor does it wait here for the rate that adaptive retries have found.
    monkeypatch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda *_, **__: True)
    served.release(2, "carts-service")
    local_aws.calls.clear()
    # The SDK gives up after ten: more than one look fails.
    local_aws.faults = {"DescribeStacks": [None, None, *[(400, "Throttling")] * 12]}
    back()
    assert end(served) == clean(served.commit(2))
    assert local_aws.faults["DescribeStacks"] == []


def test_roles_that_may_not_list_stacks_ask_for_each(served, back, local_aws: Any) -> None:
    served.release(2, "carts-service")
    local_aws.faults = {"DescribeStacks": [(403, "AccessDenied")]}
    back()
    assert end(served) == clean(served.commit(2))


def test_what_somebody_else_wrote_stops_nothing_and_is_named(served, back) -> None:
    served.release(2, "carts-service")
    ssm = served.client("ssm")
    strange = ["text", "[]", json.dumps({"v": 99}), json.dumps({"release": "x"})]
    for value in strange:
        ssm.put_parameter(Name="/nova/prod/release", Value=value, Type="String", Overwrite=True)
        ssm.put_parameter(Name="/nova/prod/rollback", Value=value, Type="String", Overwrite=True)
    told = back()
    assert sum("is not a ledger entry, so it is skipped" in line for line in told) == len(strange)
    assert any("schema 99 is newer than this Nova" in line for line in told)
    assert served.ledger()[0].outcome == "rolled-back"
    assert len(read_ledger(served.environment).unreadable) == len(strange)
