"""Each experiment finds its rows held, and refuted, by what AWS answers; its calls are those of AWS's own models."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from helpers.experiments import BY_NAME, MADE, WENT_BACK, verdicts
from helpers.sandbox import BEGUN, SandboxAccount

TRIGGERED = {"deploymentCircuitBreaker": {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}}
WATCHED = {"deploymentCircuitBreaker": {"status": "MONITORING_COMPLETE", "failureCount": 7, "threshold": 9}}
BACK = {"status": "ROLLBACK_SUCCESSFUL", **TRIGGERED}
BAKING = {"status": "IN_PROGRESS", "lifecycleStage": "BAKE_TIME"}


def then(*answers: Any) -> Callable[..., Any]:
    """An answer after the other; the last one again and again."""
    left = list(answers)

    def answer(**arguments: Any) -> Any:
        found = left.pop(0) if len(left) > 1 else left[0]
        return found(**arguments) if callable(found) else found

    return answer


def rules(*placed: tuple[int, int]) -> Callable[..., Any]:
    """The weights of the first and the second group, for one description after the other."""
    names = ("Blue", "Green")

    def described(weights: tuple[int, int]) -> dict[str, Any]:
        groups = [
            {"TargetGroupArn": f"arn:aws:iam::555555555555:x/{n}", "Weight": w}
            for n, w in zip(names, weights, strict=True)
        ]
        return {"Rules": [{"Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]}]}

    return then(*map(described, placed))


def health(**counts: int) -> Callable[..., Any]:
    def answer(TargetGroupArn: str) -> dict[str, Any]:  # noqa: N803
        count = counts[TargetGroupArn.rpartition("/")[2]]
        return {"TargetHealthDescriptions": [{"TargetHealth": {"State": "healthy"}}] * count}

    return answer


def capacity(*most: tuple[int, int]) -> Callable[..., Any]:
    target = {"ServiceNamespace": "ecs", "ResourceId": "service/a/b", "ScalableDimension": "ecs:service:DesiredCount"}
    more = {"RoleARN": "arn:aws:iam::555555555555:role/scaling", "CreationTime": BEGUN}
    return then(*({"ScalableTargets": [{**target, **more, "MinCapacity": a, "MaxCapacity": b}]} for a, b in most))


def stopped(code: int | None) -> dict[str, Any]:
    container = {"exitCode": code} if code is not None else {"reason": "ResourceInitializationError"}
    return {"tasks": [{"lastStatus": "STOPPED", "containers": [container], "stoppedReason": "it ended"}]}


def started(number: int) -> dict[str, Any]:
    return {"tasks": [{"taskArn": f"arn:aws:ecs:task/{number}"}]}


def metrics(**values: list[float]) -> dict[str, Any]:
    return {"MetricDataResults": [{"Id": name, "Values": found} for name, found in values.items()]}


def execution(status: str) -> dict[str, Any]:
    arn = "arn:aws:states:us-east-1:555555555555:execution:a:b"
    return {"executionArn": arn, "stateMachineArn": arn, "status": status, "startDate": BEGUN}


def versions(*numbers: int) -> Callable[..., Any]:
    return then(*({"Version": number} for number in numbers))


def history(*numbers: int) -> dict[str, Any]:
    return {"Parameters": [{"Version": number, "LastModifiedDate": BEGUN} for number in numbers]}


def given(
    *, ends: list[str] | None = None, deployments: Any = None, failure: Any = None, **answers: Any
) -> Callable[[SandboxAccount, str], None]:
    def prepare(account: SandboxAccount, name: str) -> None:
        if ends:
            account.ends[name] = ends
        account.deployments = deployments or {}
        account.failure = failure or {}
        account.answers |= answers

    return prepare


UNNAMED = {"lifecycleHookDetails": [{"status": "IN_PROGRESS"}], "status": "IN_PROGRESS"}
FUNCTION = "arn:aws:iam::555555555555:x/Function"
ASKED = {"lifecycleHookDetails": [{"status": "IN_PROGRESS", "targetArn": FUNCTION}], "status": "IN_PROGRESS"}
FAILED = {"LogicalResourceId": "Service", "ResourceStatusReason": "Invalid request: not with ROLLING"}
TAKEN = {3: {"deploymentConfiguration": {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0}}}
NOT_TAKEN = {3: {"deploymentConfiguration": {"strategy": "CANARY", "bakeTimeInMinutes": 1}}}
RUNS: dict[str, Any] = {
    "run_task": then(started(1), started(1)),
    "stop_task": {},
    "list_tasks": {"taskArns": ["arn:aws:ecs:task/1"]},
}
MACHINE: dict[str, Any] = {
    "start_execution": {"executionArn": execution("RUNNING")["executionArn"], "startDate": BEGUN}
}
MACHINE |= {"stop_execution": {"stopDate": BEGUN}}
MESSAGE = {"Messages": [{"Body": "{}"}]}
SERVICES = {"services": [{"desiredCount": 1}]}
NONE_WANTED = {"services": [{"desiredCount": 0}]}
RAISED: dict[str, Any] = {"put_scheduled_action": {}, "register_scalable_target": {}}
CHANGE_SET: dict[str, Any] = {
    "create_change_set": {"Id": "arn:aws:cloudformation:changeSet/1"},
    "execute_change_set": {},
}
READY = {"Status": "CREATE_COMPLETE"}


def gone(**_: Any) -> dict[str, Any]:
    return {"Status": "CREATE_COMPLETE"}


CASES: list[tuple[str, Any, dict[str, str]]] = [
    (
        "canary-breaker",
        given(ends=[MADE, WENT_BACK], deployments={2: BACK}),
        {"canary-breaker": "held", "failed-canary": "held"},
    ),
    (
        "canary-breaker",
        given(ends=[MADE, "UPDATE_ROLLBACK_FAILED"], deployments={2: WATCHED}),
        {"canary-breaker": "refuted", "failed-canary": "refuted"},
    ),
    ("bake-breaker", given(deployments={2: [BAKING, BAKING, BACK]}), {"bake-breaker": "held"}),
    ("bake-breaker", given(deployments={2: [BAKING, BAKING, WATCHED]}), {"bake-breaker": "refuted"}),
    ("bake-breaker", given(deployments={2: BAKING}), {"bake-breaker": "undecided"}),
    ("bake-breaker", given(deployments={2: BACK}), {"bake-breaker": "undecided"}),
    ("worker-breaker", given(deployments={2: BACK}), {"worker-breaker": "held"}),
    ("worker-breaker", given(deployments={2: WATCHED}), {"worker-breaker": "refuted"}),
    ("rolling-alternate", given(), {"rolling-alternate": "held"}),
    ("rolling-alternate", given(ends=["CREATE_FAILED"], failure=FAILED), {"rolling-alternate": "refuted"}),
    (
        "rolling-alternate",
        given(ends=["CREATE_FAILED"], failure={**FAILED, "LogicalResourceId": "Rule"}),
        {"rolling-alternate": "undecided"},
    ),
    ("rolling-bake", given(), {"rolling-bake": "held"}),
    (
        "rolling-bake",
        given(deployments={2: {"finishedAt": BEGUN + timedelta(hours=2, minutes=3)}}),
        {"rolling-bake": "refuted"},
    ),
    ("rolling-bake", given(deployments={2: BACK}), {"rolling-bake": "undecided"}),
    (
        "cancel-in-bake",
        given(ends=[MADE, WENT_BACK], deployments={2: [BAKING, BAKING, BACK]}),
        {"cancel-in-bake": "held"},
    ),
    ("cancel-in-bake", given(deployments={2: [BAKING, BAKING, {}]}), {"cancel-in-bake": "refuted"}),
    ("cancel-in-bake", given(deployments={2: BACK}), {"cancel-in-bake": "undecided"}),
    ("scheduled-limits", given(describe_scalable_targets=capacity((0, 1), (0, 3))), {"scheduled-limits": "held"}),
    (
        "scheduled-limits",
        given(describe_scalable_targets=capacity((0, 1), (0, 3), (0, 1))),
        {"scheduled-limits": "refuted"},
    ),
    ("scheduled-limits", given(describe_scalable_targets=capacity((0, 1))), {"scheduled-limits": "undecided"}),
    (
        "raised-capacity",
        given(describe_services=SERVICES, describe_scalable_targets=capacity((1, 1), (0, 1)), **RAISED),
        {"raised-capacity": "held"},
    ),
    (
        "raised-capacity",
        given(
            describe_services=then(*[NONE_WANTED] * 20, SERVICES), describe_scalable_targets=capacity((0, 1)), **RAISED
        ),
        {"raised-capacity": "refuted"},
    ),
    ("run-task-token", given(**RUNS), {"run-task-token": "held"}),
    ("run-task-token", given(**{**RUNS, "run_task": then(started(1), started(2))}), {"run-task-token": "refuted"}),
    ("run-task-token", given(**{**RUNS, "list_tasks": {"taskArns": []}}), {"run-task-token": "refuted"}),
    (
        "job-started-by",
        given(list_tasks=RUNS["list_tasks"], describe_execution=execution("RUNNING"), **MACHINE),
        {"job-started-by": "held"},
    ),
    ("job-started-by", given(describe_execution=execution("FAILED"), **MACHINE), {"job-started-by": "refuted"}),
    (
        "secret-by-name",
        given(run_task=then(started(1), started(2)), describe_tasks=then(stopped(0), stopped(0))),
        {"secret-by-name": "held"},
    ),
    (
        "secret-by-name",
        given(run_task=then(started(1), started(2)), describe_tasks=then(stopped(0), stopped(None))),
        {"secret-by-name": "refuted"},
    ),
    ("secret-by-name", given(run_task=started(1), describe_tasks=stopped(3)), {"secret-by-name": "undecided"}),
    ("topic-key", given(put_events={}, receive_message=then({}, MESSAGE)), {"topic-key": "held"}),
    ("topic-key", given(put_events={}, receive_message={}), {"topic-key": "refuted"}),
    (
        "parameters",
        given(put_parameter=versions(*range(2, 42)), get_parameter_history=history(*range(1, 42))),
        {"parameter-versions": "held", "parameter-history": "held"},
    ),
    (
        "parameters",
        given(put_parameter=versions(*range(2, 40), 39), get_parameter_history=history(*range(1, 39))),
        {"parameter-versions": "refuted", "parameter-history": "refuted"},
    ),
    (
        "change-set",
        given(describe_change_set=then(READY, {"ExecutionStatus": "EXECUTE_COMPLETE"}), **CHANGE_SET),
        {"executed-change-set": "held"},
    ),
    ("change-set", given(describe_change_set=then(READY, gone), **CHANGE_SET), {"executed-change-set": "refuted"}),
    ("change-set", given(describe_change_set={"Status": "FAILED"}, **CHANGE_SET), {"executed-change-set": "undecided"}),
    ("hook-before-steps", given(deployments={2: [ASKED, ASKED, {}]}), {"hook-before-steps": "held"}),
    ("hook-before-steps", given(deployments={2: [UNNAMED, UNNAMED, {}]}), {"hook-before-steps": "refuted"}),
    ("hook-before-steps", given(), {"hook-before-steps": "refuted"}),
    ("composite-alarm", given(ends=["CREATE_FAILED"]), {"composite-alarm": "held"}),
    ("composite-alarm", given(), {"composite-alarm": "refuted"}),
    (
        "life-of-a-service",
        given(
            deployments=TAKEN,
            describe_rules=rules((100, 0), (100, 0), (0, 100), (0, 100), (0, 100)),
            describe_target_health=health(Blue=1, Green=0),
        ),
        {"test-rule": "held", "new-configuration": "held", "back-to-rolling": "held"},
    ),
    (
        "life-of-a-service",
        given(
            deployments=NOT_TAKEN,
            describe_rules=rules((100, 0), (100, 0), (0, 100), (0, 100), (100, 0), (0, 100), (0, 100)),
            describe_target_health=health(Blue=1, Green=1),
        ),
        {"test-rule": "held", "new-configuration": "refuted", "back-to-rolling": "refuted"},
    ),
    (
        "life-of-a-service",
        given(
            deployments=TAKEN,
            describe_rules=rules((100, 0)),
        ),
        {"test-rule": "held", "new-configuration": "held", "back-to-rolling": "undecided"},
    ),
    (
        "idle-colour",
        given(get_metric_data=then(metrics(), metrics(busy=[3.0], both=[3.0]), metrics(filled=[0.0, 0.0]))),
        {"idle-colour": "held", "fill-after-the-last-data": "held"},
    ),
    (
        "idle-colour",
        given(get_metric_data=then(metrics(busy=[3.0], both=[]), metrics(filled=[]))),
        {"idle-colour": "refuted", "fill-after-the-last-data": "refuted"},
    ),
    (
        "idle-colour",
        given(get_metric_data=metrics(busy=[3.0], both=[3.0], filled=[3.0])),
        {"idle-colour": "held", "fill-after-the-last-data": "undecided"},
    ),
    (
        "idle-colour",
        given(get_metric_data=metrics()),
        {"idle-colour": "undecided", "fill-after-the-last-data": "undecided"},
    ),
]


@pytest.mark.parametrize(("name", "prepare", "expected"), CASES, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(CASES)])
def test_an_experiment_reads_what_aws_answers(name: str, prepare: Any, expected: dict[str, str]) -> None:
    account = SandboxAccount()
    prepare(account, name)
    assert verdicts(name, account) == expected


def test_every_experiment_is_tried_or_has_a_test_of_its_own() -> None:
    own = {"steering-permissions", "first-pause", "path-normalization", "request-counts"}
    assert {name for name, _, _ in CASES} | own == set(BY_NAME)
