"""Rollbacks that are refused, and ones that are interrupted."""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from helpers.deployed_environment import Deployment
from helpers.exhaustive import one_of_each
from helpers.local_aws import stack_behind
from helpers.rollback import change_sets
from nova_infra.deployed.model import Answer
from nova_infra.deployed.stack import ChangeSet, Stack
from nova_infra.errors import AwsError, CheckFailedError, NovaError, RefusedError
from nova_infra.operations.records.holds import read_holds
from nova_infra.operations.rollback import lock as claims
from nova_infra.operations.rollback.lock import Claim
from nova_infra.operations.rollback.run import Request, rollback


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_a_second_rollback_does_not_go_further_back_by_itself(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    deployment.release(2, "carts-service")
    deployment.release(3, "carts-service")
    back()
    with pytest.raises(RefusedError, match="already runs the images of 020202020202"):
        back()
    assert deployment.image_tag("carts-service") == "v2"


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_a_release_that_runs_already_is_refused(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    deployment.release(2, "carts-service")
    with pytest.raises(RefusedError, match="already runs the images of 020202020202"):
        back(to=deployment.commit(2))


@pytest.mark.exhaustive("test_an_image_that_is_gone_is_refused")
@pytest.mark.parametrize(
    ("request_", "fault"),
    one_of_each(
        [
            ({"to": "feedfeed"}, "'feedfeed' was never released here: choose one such as 020202020202, 010101010101"),
            ({"to": "01"}, "was never released here"),
            ({"services": ("billing",)}, "service: 'billing' is not one of carts-service, store-service"),
        ]
    ),
)
def test_what_does_not_exist_is_refused(
    deployment: Deployment, back: Callable[..., list[str]], request_: dict[str, Any], fault: str
) -> None:
    deployment.release(2, "carts-service")
    with pytest.raises(RefusedError, match=fault):
        back(**request_)
    assert deployment.image_tag("carts-service") == "v2"


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_a_release_that_was_never_verified_is_refused(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    deployment.release(2, "carts-service", outcome="failed")
    deployment.release(3, "carts-service")
    with pytest.raises(RefusedError, match=r"020202020202 was never verified here \(it is failed\)"):
        back(to=deployment.commit(2))


@pytest.mark.exhaustive("test_an_image_that_is_gone_is_refused")
def test_without_an_earlier_release_there_is_nothing_to_roll_back_to(back: Callable[..., list[str]]) -> None:
    with pytest.raises(RefusedError, match="none to roll back to"):
        back()


def test_an_image_that_is_gone_is_refused(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    good = deployment.ledger()[0].images["carts-service"]
    deployment.release(2, "carts-service")
    deployment.client("ecr").batch_delete_image(
        repositoryName="nova/carts-service", imageIds=[{"imageDigest": good.digest}]
    )
    with pytest.raises(RefusedError, match=r"carts-service: its image v1 \(sha256:.*\) is no longer in the registry"):
        back()
    assert deployment.image_tag("carts-service") == "v2"


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_a_tag_that_names_another_image_now_is_refused(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    good = deployment.ledger()[0].images["carts-service"]
    deployment.release(2, "carts-service")
    ecr = deployment.client("ecr")
    [image] = ecr.batch_get_image(repositoryName="nova/carts-service", imageIds=[{"imageDigest": good.digest}])[
        "images"
    ]
    ecr.put_image(repositoryName="nova/carts-service", imageManifest=image["imageManifest"], imageTag="kept")
    ecr.batch_delete_image(repositoryName="nova/carts-service", imageIds=[{"imageTag": "v1"}])
    with pytest.raises(RefusedError, match="the tag v1 no longer names that release's image"):
        back()


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_a_current_revision_that_is_inactive_is_reported(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    deployment.release(2, "carts-service")
    [service] = [s for s in deployment.environment.services() if s.name == "carts-service"]
    deployment.client("ecs").deregister_task_definition(taskDefinition=service.revision)
    assert any(f"{service.revision}, which runs now, is inactive" in line for line in back(plan_only=True))


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_other_changes_in_the_plan_are_refused_unless_they_are_allowed(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2, "carts-service")
    template = deployment.environment.template

    def drifted(stack: str) -> dict[str, Any]:
        read = template(stack)
        for resource in read["Resources"].values():
            if resource["Type"].endswith("::ListenerRule"):
                resource["Properties"]["Priority"] = 7
        return read

    monkeypatch.setattr(deployment.environment, "template", drifted)
    with pytest.raises(RefusedError, match=r"Modify AWS::ElasticLoadBalancingV2::ListenerRule .*more than a task"):
        back()
    assert deployment.image_tag("carts-service") == "v2"
    assert change_sets(deployment) == []
    back(allow_other_changes=True)
    assert deployment.image_tag("carts-service") == "v1"


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_a_change_set_that_turns_out_empty_is_no_failure(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2, "carts-service")
    monkeypatch.setattr(
        deployment.environment, "create_change_set", lambda stack, *_, **__: ChangeSet(stack.name, "none", ())
    )
    monkeypatch.setattr(deployment.environment, "delete_change_set", lambda _: None)
    with pytest.raises(CheckFailedError, match="carts-service: 2 of 2 tasks run v2"):
        back()


@pytest.mark.exhaustive("test_an_image_that_is_gone_is_refused")
@pytest.mark.parametrize("status", one_of_each(["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"]))
def test_a_stack_that_something_else_is_updating_is_refused(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    deployment.release(2, "carts-service")
    monkeypatch.setattr(
        deployment.environment, "wait_for_stacks", lambda _: pytest.fail("it waits for somebody else's")
    )
    stack_behind("nova-prod-carts-service").status = status
    with pytest.raises(RefusedError, match=rf"an operation is under way \({status}\): wait for it"):
        back()


@pytest.mark.exhaustive("test_an_image_that_is_gone_is_refused")
def test_a_stack_that_cannot_be_updated_is_refused(deployment: Deployment, back: Callable[..., list[str]]) -> None:
    deployment.release(2, "carts-service")
    stack_behind("nova-prod-carts-service").status = "UPDATE_ROLLBACK_FAILED"
    with pytest.raises(RefusedError, match="is UPDATE_ROLLBACK_FAILED and cannot be updated: finish its rollback"):
        back()


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_one_that_fails_half_way_is_finished_by_running_it_again(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2, "carts-service", "store-service")
    execute = deployment.environment.execute_change_set

    def break_store(change_set: ChangeSet) -> bool:
        if "store" in change_set.stack:
            raise AwsError("AWS: cloudformation:execute_change_set: Could not connect")
        return execute(change_set)

    with monkeypatch.context() as broken:
        broken.setattr(deployment.environment, "execute_change_set", break_store)
        with pytest.raises(CheckFailedError, match=r"store-service: AWS: .*Could not connect\nrollback: not complete"):
            back()
    assert (deployment.image_tag("carts-service"), deployment.image_tag("store-service")) == ("v1", "v2")
    back()
    assert deployment.image_tag("store-service") == "v1"
    assert [entry.outcome for entry in deployment.ledger()] == ["rolled-back", "verified", "verified"]
    [held] = read_holds(deployment.environment)
    assert set(held.images) == {"carts-service", "store-service"}


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_one_that_is_killed_at_its_end_is_finished_by_running_it_again(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2, "carts-service")
    with monkeypatch.context() as killed:
        killed.setattr("nova_infra.operations.rollback.run.verify", _killed)
        killed.setattr(claims.RollbackLock, "give_back", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            back()
    with pytest.raises(RefusedError, match=r"another one, to 0101.*, is under way, started by"):
        back()
    monkeypatch.setattr(claims, "SILENCE", claims.SILENCE * 0)
    back()
    latest = deployment.ledger()[0]
    assert (latest.release, latest.outcome) == (deployment.commit(1), "rolled-back")


def _killed(*_: object, **__: object) -> list[object]:
    raise KeyboardInterrupt


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_an_interrupted_one_that_cloudformation_still_carries_out_is_waited_for(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2, "carts-service")
    _journal(deployment, Claim("ab", "interrupted", deployment.commit(1), deployment.commit(2), "nova-rollback-01-ab"))
    change_set = "arn:x:changeSet/nova-rollback-01-ab-carts-service/1"
    update("nova-prod-carts-service", change_set)
    waited = []

    def wait(stacks: list[str]) -> list[Stack]:
        waited.extend(stacks)
        deployment.deploy("carts-service", "v1")
        return []

    monkeypatch.setattr(deployment.environment, "wait_for_stacks", wait)
    back()
    assert waited == ["nova-prod-carts-service"]
    assert deployment.ledger()[0].outcome == "rolled-back"


def update(name: str, change_set: str) -> None:
    """Have a change set being executed."""
    stack = stack_behind(name)
    stack.status, stack.change_set_id = "UPDATE_IN_PROGRESS", change_set


def _journal(deployment: Deployment, claim: Claim) -> None:
    value = {**asdict(claim), "v": 2, "ledger": 2}
    del value["seen"]
    deployment.environment.put_parameter("/nova/prod/rollback", json.dumps(value))


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_an_update_that_only_looks_like_a_rollback_is_somebody_elses(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    deployment.release(2, "carts-service")
    _journal(deployment, Claim("ab", "interrupted", deployment.commit(1), change_set="nova-rollback-01-ab", by="me"))
    update("nova-prod-carts-service", "arn:x:changeSet/nova-rollback-01-cd-carts-service/1")
    with pytest.raises(RefusedError, match="an operation is under way"):
        back()


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_of_two_at_once_one_wins_and_the_other_says_so(deployment: Deployment) -> None:
    deployment.release(2, "carts-service")
    both, results = threading.Barrier(2), []

    def confirm() -> bool:
        both.wait()
        return True

    def run() -> None:
        try:
            rollback(deployment.environment, Request(patience=0), confirm=confirm, notify=lambda _: None)
            results.append("won")
        except NovaError as error:
            results.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.sort(key=lambda result: result != "won")
    assert results[0] == "won"
    assert "started one at the same moment and was first: this one changed nothing" in results[1]
    assert deployment.image_tag("carts-service") == "v1"


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_a_stack_that_was_changed_since_the_plan_fails_the_rollback(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2, "carts-service")
    monkeypatch.setattr(deployment.environment, "execute_change_set", lambda _: False)
    with pytest.raises(CheckFailedError, match="somebody else changed it after the plan was made"):
        back()


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_an_environment_that_does_not_recover_fails_the_rollback_until_it_does(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    deployment.release(2, "carts-service")
    deployment.environment.answers["carts-service"] = Answer(503, "Service Unavailable")
    with pytest.raises(CheckFailedError, match="/version does not answer through the load balancer: 503"):
        back()
    assert deployment.ledger()[0].outcome == "deployed"
    deployment.environment.answers.clear()
    back()
    assert deployment.ledger()[0].outcome == "rolled-back"
    assert [held.release for held in read_holds(deployment.environment)] == [deployment.commit(2)]


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_a_deployment_that_the_ledger_does_not_know_is_rolled_back_too(
    deployment: Deployment, back: Callable[..., list[str]]
) -> None:
    deployment.push("carts-service", "hotfix")
    deployment.deploy("carts-service", "hotfix")
    back()
    assert deployment.image_tag("carts-service") == "v1"
    assert [held.release for held in read_holds(deployment.environment)] == ["unrecorded-hotfix"]


@pytest.mark.exhaustive("operations/rollback/test_run.py::test_the_last_good_release_comes_back")
def test_a_missing_permission_after_something_was_changed_is_no_refusal(
    deployment: Deployment, back: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.release(2, "carts-service")

    def denied(*_: object) -> int:
        raise RefusedError("AWS does not allow ssm:put_parameter")

    monkeypatch.setattr("nova_infra.operations.rollback.run.append", denied)
    with pytest.raises(AwsError, match="the rollback is not complete: run the same command again"):
        back()
