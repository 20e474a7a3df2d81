"""What happens beside a rollback: releases, other rollbacks, interruptions, and services of others."""

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from helpers.deployed_environment import Deployment
from helpers.exhaustive import one_of_each
from helpers.local_aws import stack_behind
from helpers.rollback import rolled_back
from nova_infra.deployed.model import ParameterVersion
from nova_infra.deployed.stack import Stack
from nova_infra.errors import CheckFailedError, NovaError, RefusedError
from nova_infra.operations.records.holds import hold, read_holds
from nova_infra.operations.rollback import lock as claims
from nova_infra.operations.rollback.lock import Claim, RollbackLock, holder, read_claim

AT = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def back(deployment: Deployment) -> Callable[..., list[str]]:
    """Rolls back, and returns the lines that were told: back(confirm=…, to=…)."""
    return partial(rolled_back, deployment)


def sign(nonce: str, seconds: int, state: str = "running", **more: Any) -> ParameterVersion:
    value = {"v": 2, "nonce": nonce, "state": state, "release": "r", "by": nonce, **more}
    return ParameterVersion(seconds, json.dumps(value), AT + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("signs", "whose", "state"),
    [
        ([], "", "done"),
        ([sign("a", 0)], "a", "running"),
        ([sign("a", 0), sign("b", 60)], "a", "running"),
        ([sign("a", 0), sign("b", 121)], "b", "running"),
        ([sign("a", 0), sign("a", 90), sign("b", 200)], "a", "running"),
        ([sign("a", 0), sign("b", 121), sign("a", 130)], "b", "running"),
        ([sign("a", 0), sign("b", 121), sign("a", 130, "done")], "b", "running"),
        ([sign("a", 0), sign("b", 1), sign("a", 10, "done")], "a", "done"),
        ([sign("a", 0), sign("a", 10, "interrupted"), sign("b", 11)], "b", "running"),
        ([ParameterVersion(1, "nonsense", AT), sign("a", 5)], "a", "running"),
    ],
)
def test_who_has_the_claim_follows_from_the_order_and_the_times_of_its_versions(
    signs: list[ParameterVersion], whose: str, state: str
) -> None:
    found = holder(signs)
    assert (found.nonce, found.state) == (whose, state)


@pytest.mark.exhaustive("test_a_claim_from_the_future_is_refused_with_the_way_to_get_rid_of_it")
def test_a_claim_that_pretends_to_come_from_the_future_counts_from_when_it_was_written(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    value = {"v": 2, "nonce": "a", "state": "running", "release": "r", "by": "x", "at": "2999-01-01T00:00:00+00:00"}
    deployment.environment.put_parameter("/nova/prod/rollback", json.dumps(value))
    claim = read_claim(deployment.environment)
    assert claim.alive(deployment.environment.now())
    assert not claim.alive(deployment.environment.now() + claims.SILENCE)


def test_a_claim_from_the_future_is_refused_with_the_way_to_get_rid_of_it(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2, "carts-service")
    now = deployment.environment.now()
    value = {"v": 2, "nonce": "a", "state": "running", "release": "r", "by": "user/ann"}
    deployment.environment.put_parameter("/nova/prod/rollback", json.dumps(value))
    monkeypatch.setattr(deployment.environment, "now", lambda: now - timedelta(hours=1))
    with pytest.raises(RefusedError) as refused:
        back()
    assert "the lock of user/ann was renewed at" in str(refused.value)
    assert "in the future: check this machine's clock; if it is right, delete /nova/prod/rollback" in str(refused.value)
    assert deployment.image_tag("carts-service") == "v2"
    assert read_holds(deployment.environment) == ()


@pytest.mark.exhaustive("test_all_busy_stacks_are_named_at_once_each_with_its_own_way_out")
def test_a_rollback_that_verifies_for_long_keeps_its_claim(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2, "carts-service")
    monkeypatch.setattr(claims, "SECONDS_BETWEEN_SIGNS", 0.01)
    enough, second = threading.Event(), []

    def signs() -> int:
        return len(deployment.environment.history("/nova/prod/rollback"))

    def verify(*_: Any, **__: Any) -> list[Any]:
        before = signs()
        while signs() < before + 3:
            enough.wait(0.01)
        try:
            back(to=deployment.commit(1))
        except RefusedError as error:
            second.append(str(error))
        return []

    monkeypatch.setattr("nova_infra.operations.rollback.run.verify", verify)
    back()
    assert len(second) == 1
    assert "another one, to " in second[0]
    assert read_claim(deployment.environment).state == "done"


@pytest.mark.exhaustive("test_all_busy_stacks_are_named_at_once_each_with_its_own_way_out")
def test_one_that_lost_its_claim_neither_writes_the_ledger_nor_ends_the_claim_of_another(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2, "carts-service")
    entries = len(deployment.ledger())

    def overtaken(*_: Any, **__: Any) -> list[Any]:
        monkeypatch.setattr(claims, "SILENCE", claims.SILENCE * 0)
        value = {"v": 2, "nonce": "other", "state": "running", "release": "r", "by": "user/ann"}
        deployment.environment.put_parameter("/nova/prod/rollback", json.dumps(value))
        return []

    monkeypatch.setattr("nova_infra.operations.rollback.run.verify", overtaken)
    with pytest.raises(CheckFailedError, match="user/ann took over this rollback's lock"):
        back()
    assert len(deployment.ledger()) == entries


@pytest.mark.parametrize("what", one_of_each(["a release", "another service's release", "a hold of the target"]))
def test_what_changes_while_the_prompt_is_open_stops_before_the_hold_and_before_any_change(
    deployment: Deployment, back: Callable[..., list[str]], what: str
) -> None:
    deployment.release(2, "carts-service")

    def confirm() -> bool:
        if what == "a release":
            deployment.release(3, "carts-service")
        elif what == "another service's release":
            deployment.release(3, "store-service")
        else:
            hold(deployment.environment, deployment.commit(1), why="also bad")
        return True

    before = {held.release for held in read_holds(deployment.environment)}
    with pytest.raises(RefusedError, match="rollback: nothing was changed: check again"):
        back(confirm)
    assert deployment.image_tag("carts-service") != "v1"
    assert {held.release for held in read_holds(deployment.environment)} - before <= {deployment.commit(1)}
    assert read_claim(deployment.environment).state == "interrupted"


@pytest.mark.exhaustive("test_all_busy_stacks_are_named_at_once_each_with_its_own_way_out")
def test_a_release_that_lands_while_a_rollback_verifies_is_not_covered_up_in_the_ledger(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2, "carts-service")

    def landed(*_: Any, **__: Any) -> list[Any]:
        deployment.release(3, "carts-service")
        return []

    monkeypatch.setattr("nova_infra.operations.rollback.run.verify", landed)
    with pytest.raises(CheckFailedError, match="carts-service: got another image during the rollback: release 0303"):
        back()
    assert deployment.ledger()[0].release == deployment.commit(3)


@pytest.mark.exhaustive("test_all_busy_stacks_are_named_at_once_each_with_its_own_way_out")
def test_a_target_that_is_held_meanwhile_stops_the_stacks_that_have_not_begun(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2)
    monkeypatch.setattr("nova_infra.operations.rollback.run.FRESH_SECONDS", -1)
    monkeypatch.setattr(
        "nova_infra.operations.rollback.run.hold",
        lambda *_, **__: hold(deployment.environment, deployment.commit(1), why="worse"),
    )
    with pytest.raises(CheckFailedError, match=r"release 010101010101 was meanwhile put on hold by .*: worse"):
        back()
    assert deployment.image_tag("carts-service") == "v2"


@pytest.mark.exhaustive("test_all_busy_stacks_are_named_at_once_each_with_its_own_way_out")
def test_an_interruption_while_change_sets_are_made_leaves_none(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2)
    create = deployment.environment.create_change_set

    def interrupted(stack: Stack, *arguments: Any, **more: Any) -> Any:
        made = create(stack, *arguments, **more)
        if "store" in stack.name:
            raise KeyboardInterrupt
        return made

    monkeypatch.setattr(deployment.environment, "create_change_set", interrupted)
    with pytest.raises(KeyboardInterrupt):
        back()
    from moto.cloudformation.models import cloudformation_backends

    assert not cloudformation_backends["123456789012"]["us-east-1"].change_sets


@pytest.mark.exhaustive("test_all_busy_stacks_are_named_at_once_each_with_its_own_way_out")
def test_one_that_stopped_between_two_services_is_resumed_by_its_journal(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2)
    deployment.release(3)
    execute = deployment.environment.execute_change_set

    def cut(change_set: Any) -> bool:
        if "store" in change_set.stack:
            raise NovaError("cut")
        return execute(change_set)

    with monkeypatch.context() as broken:
        broken.setattr(deployment.environment, "execute_change_set", cut)
        with pytest.raises(CheckFailedError, match="not complete"):
            back(to=deployment.commit(1))
    back()  # without --to: what was begun is what is finished
    assert {deployment.image_tag(name) for name in ("carts-service", "store-service")} == {"v1"}
    assert [held.release for held in read_holds(deployment.environment)] == [deployment.commit(3)]


@pytest.mark.exhaustive("test_all_busy_stacks_are_named_at_once_each_with_its_own_way_out")
def test_a_service_of_somebody_else_is_named_and_left_alone(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    deployment.release(2, "carts-service")
    ecs = deployment.client("ecs")
    container = {"name": "x", "image": "somebody/elses:1", "memory": 128}
    ecs.register_task_definition(family="legacy", containerDefinitions=[container])
    ecs.create_service(cluster="nova-prod", serviceName="legacy", taskDefinition="legacy", desiredCount=1)
    told = back(confirm=lambda: True, plan_only=True)
    assert any(line.startswith("  - legacy: is left alone: ") for line in told)
    with pytest.raises(RefusedError, match=r"service: .*legacy"):
        back(services=("legacy",))


@pytest.mark.exhaustive("test_all_busy_stacks_are_named_at_once_each_with_its_own_way_out")
def test_a_service_that_was_pointed_elsewhere_is_repaired(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    ecs = deployment.client("ecs")
    container = {"name": "x", "image": "nova/carts-service:by-hand", "memory": 128}
    ecs.register_task_definition(family="hand", containerDefinitions=[container])
    ecs.update_service(cluster="nova-prod", service="nova-prod-carts-service", taskDefinition="hand:1")
    told = back(to=deployment.commit(1))
    [repaired] = [
        line for line in told if "carts-service: repair: was pointed at hand:1 outside CloudFormation" in line
    ]
    assert re.search(r" \(sha256:[0-9a-f]{12}\) again$", repaired)
    [found] = [s for s in deployment.environment.services() if s.name == "carts-service"]
    assert found.revision.startswith("nova-prod-carts-service:")
    assert read_holds(deployment.environment) == ()
    assert deployment.ledger()[0].outcome == "rolled-back"


def test_all_busy_stacks_are_named_at_once_each_with_its_own_way_out(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    deployment.release(2)
    stack_behind("nova-prod-carts-service").status = "UPDATE_IN_PROGRESS"
    stack_behind("nova-prod-store-service").status = "UPDATE_ROLLBACK_IN_PROGRESS"
    with pytest.raises(RefusedError) as refused:
        back()
    carts, store, hint = str(refused.value).splitlines()
    assert "cancel-update-stack --stack-name nova-prod-carts-service" in carts
    assert "rolling back to what ran before" in store
    assert "cancel-update-stack" not in store
    assert "nova rollback --cancel" in hint


@pytest.mark.exhaustive("test_what_changes_while_the_prompt_is_open_stops_before_the_hold_and_before_any_change")
def test_a_lock_is_given_back_by_nobody_else(deployment: Deployment) -> None:
    with RollbackLock(deployment.environment, Claim("a", release="r"), lambda _: None):
        with (
            pytest.raises(RefusedError, match="was first"),
            RollbackLock(deployment.environment, Claim("b", release="r"), lambda _: None),
        ):
            pytest.fail("two have it")
        assert read_claim(deployment.environment).nonce == "a"
    assert read_claim(deployment.environment).state == "interrupted"
