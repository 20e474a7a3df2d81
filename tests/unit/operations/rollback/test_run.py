"""Rolling back what is deployed, against a local implementation of AWS."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from helpers.deployed_environment import Deployment
from helpers.rollback import change_sets
from nova_infra.deployed.protocol import DeployedEnvironment
from nova_infra.errors import CheckFailedError, RefusedError
from nova_infra.operations.records.holds import Hold, read_holds
from nova_infra.operations.rollback import run as running
from nova_infra.operations.rollback.lock import RollbackLock
from nova_infra.operations.rollback.template import at_once

CANARY = {"CanaryBakeTimeInMinutes": 5, "CanaryPercent": 10}


def rollout(deployment: Deployment, service: str) -> dict[str, Any]:
    [properties] = [
        r["Properties"] for r in deployment.template(service)["Resources"].values() if r["Type"] == "AWS::ECS::Service"
    ]
    configuration: dict[str, Any] = properties["DeploymentConfiguration"]
    return configuration


def test_the_last_good_release_comes_back(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    deployment.release(2, "carts-service", "store-service")
    told = back()
    assert deployment.image_tag("carts-service") == deployment.image_tag("store-service") == "v1"
    latest = deployment.ledger()[0]
    assert (latest.release, latest.outcome) == (deployment.commit(1), "rolled-back")
    assert latest.committed_at == datetime(2026, 1, 1, tzinfo=UTC), "when the commit was made that runs again"
    assert "prod runs 010101010101; release 020202020202 is on hold." in told


@pytest.mark.exhaustive("test_the_last_good_release_comes_back")
def test_only_what_the_release_changed_is_touched(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    deployment.release(2, "carts-service")
    before = deployment.stack("store-service")
    told = back()
    assert deployment.stack("store-service") == before
    assert "  - store-service: already runs that release's image" in told


@pytest.mark.exhaustive("test_the_last_good_release_comes_back")
def test_nothing_but_the_image_and_the_way_there_differs_afterwards(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    deployment.release(2, "carts-service")
    before, stack = deployment.template("carts-service"), deployment.stack("carts-service")
    back(canary=True)
    assert deployment.template("carts-service") == _replaced(before, "v2", "v1")
    after = deployment.stack("carts-service")
    assert {key: after.get(key) for key in ("Tags", "Parameters")} == {k: stack[k] for k in ("Tags", "Parameters")}


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(each, old, new) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, old, new) for each in value]
    return (
        value.replace(f":{old}", f":{new}")
        if isinstance(value, str) and value != old
        else new
        if value == old
        else value
    )


@pytest.mark.exhaustive("test_the_last_good_release_comes_back")
def test_traffic_moves_at_once_and_no_alarm_brings_the_bad_release_back(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    deployment.release(2, "carts-service")
    before = rollout(deployment, "carts-service")
    back()
    after = rollout(deployment, "carts-service")
    assert (after["Strategy"], after["BakeTimeInMinutes"]) == ("BLUE_GREEN", 0)
    assert "CanaryConfiguration" not in after
    assert after["Alarms"]["Enable"] is after["Alarms"]["Rollback"] is False
    assert after["DeploymentCircuitBreaker"] == before["DeploymentCircuitBreaker"]
    assert after["DeploymentCircuitBreaker"]["Rollback"] is True


def test_nobody_is_asked_on_the_way_back_at_once_but_through_the_canary() -> None:
    hooks = [{"TargetType": "PAUSE", "LifecycleStages": ["POST_SCALE_UP"]}]
    configuration = {"Strategy": "CANARY", "LifecycleHooks": hooks}
    template = {
        "Resources": {"S": {"Type": "AWS::ECS::Service", "Properties": {"DeploymentConfiguration": configuration}}}
    }
    changed = at_once(template)["Resources"]["S"]["Properties"]["DeploymentConfiguration"]
    assert "LifecycleHooks" not in changed
    assert configuration["LifecycleHooks"] == hooks


@pytest.mark.exhaustive("test_the_last_good_release_comes_back")
def test_a_rollback_can_go_through_the_canary(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    deployment.release(2, "carts-service")
    before = rollout(deployment, "carts-service")
    told = back(canary=True)
    assert rollout(deployment, "carts-service") == before
    assert before["CanaryConfiguration"] == CANARY
    assert any("rollout: canary of 10 % for 5 min, bakes 9 min" in line for line in told)


@pytest.mark.exhaustive("test_the_last_good_release_comes_back")
def test_the_next_regular_deployment_restores_the_canary(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    deployment.release(2, "carts-service")
    back()
    deployment.release(3, "carts-service")
    assert rollout(deployment, "carts-service")["CanaryConfiguration"] == CANARY


@pytest.mark.exhaustive("test_the_last_good_release_comes_back")
def test_a_named_release_comes_back(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    deployment.release(2, "carts-service")
    deployment.release(3, "carts-service")
    back(to=deployment.commit(1)[:8])
    assert deployment.image_tag("carts-service") == "v1"


@pytest.mark.exhaustive("test_the_last_good_release_comes_back")
def test_one_service_rolls_back_alone(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    deployment.release(2)
    back(services=("carts-service",))
    tags = {name: deployment.image_tag(name) for name in ("carts-service", "store-service")}
    assert tags == {"carts-service": "v1", "store-service": "v2"}
    latest = deployment.ledger()[0]
    assert latest.release == "020202020202+carts-service@010101010101"
    assert {name: image.tag for name, image in latest.images.items()} == tags


@pytest.mark.exhaustive("test_the_last_good_release_comes_back")
def test_the_bad_release_and_its_images_are_held(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    bad = deployment.release(2, "carts-service")
    back(reason="users hear noise")
    [held] = read_holds(deployment.environment)
    assert (held.release, held.why) == (bad.release, "users hear noise")
    assert held.images == {"carts-service": bad.images["carts-service"].digest}


@pytest.mark.exhaustive("test_the_last_good_release_comes_back")
def test_a_plan_changes_nothing(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    deployment.release(2, "carts-service")
    stack, ledger = deployment.stack("carts-service"), deployment.ledger()
    told = back(plan_only=True)
    assert any("v2 (sha256:" in line and "-> v1 (sha256:" in line for line in told)
    assert any("Modify AWS::ECS::TaskDefinition" in line for line in told)
    assert (deployment.stack("carts-service"), deployment.ledger()) == (stack, ledger)
    assert change_sets(deployment) == []
    assert read_holds(deployment.environment) == ()


@pytest.mark.exhaustive("test_the_last_good_release_comes_back")
def test_a_plan_that_is_not_confirmed_changes_nothing(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    deployment.release(2, "carts-service")
    with pytest.raises(RefusedError, match="not confirmed: nothing was changed"):
        back(confirm=False)
    assert deployment.image_tag("carts-service") == "v2"
    assert change_sets(deployment) == []


def test_before_a_stack_begins_an_old_answer_about_claim_and_holds_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, asked, held = 100.0, itertools.count(), [Hold("abc1234", "before", "me", datetime.min, {})]
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(running, "read_holds", lambda _: tuple(held))

    class Lock:
        def check(self) -> None:
            next(asked)

    environment = cast("DeployedEnvironment", None)
    guard = running.Guard(environment, cast("RollbackLock", Lock()), "fed98765" * 5, tuple(held))
    guard()
    now += running.FRESH_SECONDS / 2
    guard()
    assert next(asked) == 0, "both were read just now"
    now += running.FRESH_SECONDS / 2
    guard()
    guard()
    assert next(asked) == 2, "once"
    held.append(Hold("fed98765" * 5, "it loses mails", "you", datetime.min, {}))
    now += 1.5  # what is held a second and a half later begins no more
    with pytest.raises(CheckFailedError, match="was meanwhile put on hold by you: it loses mails"):
        guard()
