"""Rolling back while AWS throttles, refuses, and loses calls or their answers: the end is the same."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from helpers.deployed_environment import Deployment
from helpers.exhaustive import one_of_each
from helpers.local_aws import DENIED, EXPIRED, HARMLESS, PASSING, REGION, STOPPING, LocalAws, ask_in_this_process
from helpers.rollback import rolled_back
from nova_infra.errors import NovaError
from nova_infra.operations.records.holds import read_holds
from nova_infra.operations.records.ledger import read_ledger
from nova_infra.operations.rollback import lock as claims
from nova_infra.operations.rollback.lock import read_claim

WRITES = ("CreateChangeSet", "PutParameter", "ExecuteChangeSet")
MOST_WRITES = 4
"""Of one operation: the claim, the hold, the ledger, the end of the claim."""

# Each call of a rollback that can stop it: its operation, and how many of the same kind come before it.
CALLS = {
    "make a change set": ("CreateChangeSet", 0),
    "claim": ("PutParameter", 0),
    "hold": ("PutParameter", 1),
    "execute": ("ExecuteChangeSet", 0),
    "ledger": ("PutParameter", 2),
}


@pytest.fixture
def back(served: Deployment) -> Callable[..., list[str]]:
    """Rolls back, and returns the lines that were told."""
    return partial(rolled_back, served)


def end(deployment: Deployment) -> dict[str, Any]:
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


def outcome(session: Any, fault: Any, local_aws: LocalAws) -> tuple[str, ...]:
    """How a call ends for the SDK: what it learns of a parameter, or its error."""
    once = Config(retries={"total_max_attempts": 1})
    ssm = session.create_client("ssm", region_name=REGION, config=once)
    local_aws.faults = {"GetParameter": [fault]}
    try:
        answer = ssm.get_parameter(Name="/cdk-bootstrap/hnb659fds/version")
    except ClientError as error:
        return error.response["Error"]["Code"], str(error.response["ResponseMetadata"]["HTTPStatusCode"])
    except BotoCoreError as error:
        return type(error).__name__, str(error)
    return answer["Parameter"]["Value"], "Date" if answer["ResponseMetadata"]["HTTPHeaders"]["date"] else ""


@pytest.mark.exhaustive("test_what_stops_a_rollback_is_named_and_running_it_again_finishes")
def test_what_is_asked_without_a_connection_ends_as_over_one(
    served: Deployment, local_aws: LocalAws, subtests: pytest.Subtests
) -> None:
    """All tests of this room rely on that: an answer that is lost is the same error for them as on a network."""
    over_http, directly = Session(), Session()
    over_http.unregister("before-send", ask_in_this_process)
    for fault in (None, *PASSING.values(), DENIED, EXPIRED):
        with subtests.test(str(fault)):
            asked = len(local_aws.calls)
            ends = {outcome(session, fault, local_aws) for session in (over_http, directly)}
            assert len(ends) == 1, ends
            assert local_aws.calls[asked:] == ["GetParameter"] * 2


def clean(*releases: str) -> dict[str, Any]:
    outcomes = ["verified"]
    for _ in releases:
        outcomes = ["rolled-back", "verified", *outcomes]
    return {"image": "v1", "change sets": [], "claim": "done", "outcomes": outcomes, "held": sorted(releases)}


@pytest.mark.exhaustive("test_what_stops_a_rollback_is_named_and_running_it_again_finishes")
def test_what_passes_by_itself_changes_nothing_about_the_end(
    served: Deployment, back: Callable[..., list[str]], local_aws: LocalAws, subtests: pytest.Subtests
) -> None:
    held = []
    for number, (name, faults) in enumerate(HARMLESS.items(), 2):
        with subtests.test(name):
            served.release(number, "carts-service")
            held.append(served.commit(number))
            # It happens to each call that writes; to the next one only after this one has got through.
            each = faults if name in ("silent", "cut after") else [*faults, None] * MOST_WRITES
            local_aws.faults = {operation: list(each) for operation in WRITES}
            back()
            assert all(len(left) < len(each) for left in local_aws.faults.values()), "it has happened"
            assert end(served) == clean(*held)


@pytest.mark.parametrize("call", one_of_each(CALLS))
def test_what_stops_a_rollback_is_named_and_running_it_again_finishes(
    served: Deployment,
    back: Callable[..., list[str]],
    local_aws: LocalAws,
    monkeypatch: pytest.MonkeyPatch,
    subtests: pytest.Subtests,
    call: str,
) -> None:
    # One whose claim could not be ended counts as killed after a while: here, at once.
    monkeypatch.setattr(claims, "SILENCE", claims.SILENCE * 0)
    operation, before = CALLS[call]
    held = []
    for number, name in enumerate(("denied", "expired", "unreachable"), 2):
        faults, said = STOPPING[name]
        with subtests.test(name):
            served.release(number, "carts-service")
            held.append(served.commit(number))
            local_aws.faults = {operation: [*[None] * before, *faults]}
            with pytest.raises(NovaError, match=said):
                back()
            local_aws.faults = {}
            back()
            assert end(served) == clean(*held)


FAULTS: dict[str, tuple[list[Any], str]] = {
    "cut before": (HARMLESS["cut before"], ""),
    "silent": (HARMLESS["silent"], ""),
    "denied": STOPPING["denied"],
    "unreachable": STOPPING["unreachable"],
}


@pytest.mark.exhaustive("test_what_stops_a_rollback_is_named_and_running_it_again_finishes")
def test_a_claim_that_is_not_given_back_is_a_warning_and_hides_nothing(
    served: Deployment,
    back: Callable[..., list[str]],
    local_aws: LocalAws,
    monkeypatch: pytest.MonkeyPatch,
    subtests: pytest.Subtests,
) -> None:
    monkeypatch.setattr(claims, "SILENCE", claims.SILENCE * 0)
    held = []
    for number, (name, (faults, said)) in enumerate(FAULTS.items(), 2):
        served.release(number, "carts-service")
        held.append(served.commit(number))
        with subtests.test(name):
            local_aws.faults = {"PutParameter": [None, None, None, *faults]}
            told = back()
            local_aws.faults = {}
            warnings = [line for line in told if line.startswith("warning: this rollback's lock was not released")]
            assert [said in line for line in warnings] == ([True] if said else [])
            assert {**end(served), "claim": "done"} == clean(*held)


@pytest.mark.exhaustive("test_what_stops_a_rollback_is_named_and_running_it_again_finishes")
def test_a_failed_give_back_does_not_hide_why_a_service_did_not_roll_back(
    served: Deployment, back: Callable[..., list[str]], local_aws: LocalAws
) -> None:
    served.release(2, "carts-service")
    local_aws.faults = {"ExecuteChangeSet": [DENIED], "PutParameter": [None, None, EXPIRED]}
    with pytest.raises(NovaError, match=r"carts-service: AWS does not allow .*ExecuteChangeSet is refused"):
        back()


@pytest.mark.exhaustive("test_what_stops_a_rollback_is_named_and_running_it_again_finishes")
def test_a_change_set_that_cannot_be_deleted_hides_no_plan_and_goes_with_the_next_rollback(
    served: Deployment, back: Callable[..., list[str]], local_aws: LocalAws, subtests: pytest.Subtests
) -> None:
    served.release(2, "carts-service")
    left = 0
    for name, (faults, said) in FAULTS.items():
        with subtests.test(name):
            local_aws.faults = {"DeleteChangeSet": list(faults)}
            assert "  This is a plan: nothing was changed." in back(plan_only=True)
            local_aws.faults = {}
            left += bool(said)
            assert len(end(served)["change sets"]) == left
    told = back()
    assert sum("deleted the change set nova-rollback-" in line for line in told) == left
    assert end(served) == clean(served.commit(2))


@pytest.mark.exhaustive("test_what_stops_a_rollback_is_named_and_running_it_again_finishes")
def test_a_throttled_look_at_the_stacks_is_no_failure(
    served: Deployment, back: Callable[..., list[str]], local_aws: Any
) -> None:
    served.release(2, "carts-service")
    local_aws.calls.clear()
    # The SDK gives up after ten: more than one look fails.
    local_aws.faults = {"DescribeStacks": [None, None, *[(400, "Throttling")] * 12]}
    back()
    assert end(served) == clean(served.commit(2))
    assert local_aws.faults["DescribeStacks"] == []


@pytest.mark.exhaustive("test_what_stops_a_rollback_is_named_and_running_it_again_finishes")
def test_roles_that_may_not_list_stacks_ask_for_each(
    served: Deployment, back: Callable[..., list[str]], local_aws: Any
) -> None:
    served.release(2, "carts-service")
    local_aws.faults = {"DescribeStacks": [(403, "AccessDenied")]}
    back()
    assert end(served) == clean(served.commit(2))


@pytest.mark.exhaustive("test_what_stops_a_rollback_is_named_and_running_it_again_finishes")
def test_what_somebody_else_wrote_stops_nothing_and_is_named(
    served: Deployment, back: Callable[..., list[str]]
) -> None:
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
