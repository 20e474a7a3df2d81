"""State machines of jobs: what Step Functions would do with the definition that the template has."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from helpers.jobs import machine_of_nova
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.jobs.machine import JobExecution, StateMachine
from nova_infra.rehearsal.jobs.paths import StateError, holds
from nova_infra.rehearsal.jobs.runs import JobRuns
from nova_infra.rehearsal.tasks.run_task import Ended


def execute(*names: str, runs: JobRuns, machine: dict[str, Any], limit: float = 30) -> list[JobExecution]:
    """Executions side by side, each a moment after the one before."""

    async def play() -> list[JobExecution]:
        played = StateMachine(machine, runs.call, limit=lambda _: limit)
        started = []
        for name in names:
            started.append(asyncio.create_task(played.execute(name)))
            await asyncio.sleep(0.02)
        try:
            return list(await asyncio.gather(*started))
        finally:
            await runs.stop()

    return asyncio.run(play())


def job(seconds: float = 0.1, exit_code: int = 0) -> Callable[[str], tuple[str, Awaitable[Ended]]]:
    async def run() -> Ended:
        await asyncio.sleep(seconds)
        return Ended(exit_code, said=("no data",))

    return lambda _: ("dev-report", run())


def test_a_run_that_ends_well_succeeds() -> None:
    [ended] = execute("one", runs=JobRuns(job()), machine=machine_of_nova())
    assert (ended.status, ended.states) == ("SUCCEEDED", ("FindOthers", "IsAnotherOneGoing", "Run"))


def test_a_run_that_exits_with_an_error_fails_with_its_last_words() -> None:
    [ended] = execute("one", runs=JobRuns(job(exit_code=3)), machine=machine_of_nova())
    assert (ended.status, ended.error) == ("FAILED", "States.TaskFailed")
    assert ended.cause == "it exited with 3: no data"


@pytest.mark.parametrize(("allow_overlap", "second"), [(False, "LeftOut"), (True, "Run")])
def test_a_run_is_left_out_while_another_one_is_going_unless_both_are_allowed(allow_overlap: bool, second: str) -> None:
    machine = machine_of_nova(allow_overlap=allow_overlap)
    first, other = execute("one", "two", runs=JobRuns(job(seconds=0.2)), machine=machine)
    assert (first.states[-1], other.states[-1]) == ("Run", second)
    assert first.status == other.status == "SUCCEEDED"


def test_a_run_that_takes_too_long_is_stopped_and_has_failed() -> None:
    runs = JobRuns(job(seconds=60))

    async def play() -> tuple[JobExecution, int]:
        machine = StateMachine(machine_of_nova(timeout_seconds=90), runs.call, limit=lambda _: 0.05)
        ended = await machine.execute("one")
        going = runs.going
        await runs.stop()
        return ended, going

    ended, going = asyncio.run(play())
    assert (ended.status, ended.error, going) == ("FAILED", "TookTooLong", 0)
    assert "longer than 90 s" in ended.cause
    assert ended.states[-4:] == ("FindLate", "StopLate", "Stop", "TookTooLong")


def test_without_the_states_that_stop_it_a_late_run_goes_on_as_in_aws() -> None:
    machine = machine_of_nova(allow_overlap=True)
    del machine["States"]["Run"]["Catch"]
    runs = JobRuns(job(seconds=60))

    async def play() -> tuple[JobExecution, int]:
        ended = await StateMachine(machine, runs.call, limit=lambda _: 0.05).execute("one")
        going = runs.going
        await runs.stop()
        return ended, going

    ended, going = asyncio.run(play())
    assert (ended.error, going) == ("States.Timeout", 1)


@pytest.mark.parametrize(("attempts", "calls", "status"), [(2, 3, "FAILED"), (5, 4, "SUCCEEDED")])
def test_a_task_is_tried_again_as_often_as_its_retry_says(attempts: int, calls: int, status: str) -> None:
    asked: list[str] = []
    pauses: list[float] = []

    async def call(resource: str, _: Any) -> dict[str, Any]:
        asked.append(resource)
        if len(asked) < 4:
            raise StateError("ECS.AmazonECSException", "no capacity")
        return {}

    def pause(seconds: float) -> float:
        pauses.append(seconds)
        return 0

    retry = {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 5, "BackoffRate": 3, "MaxAttempts": attempts}
    run = {"Type": "Task", "Resource": "arn:aws:states:::x", "Retry": [retry], "End": True}
    machine = StateMachine({"StartAt": "Run", "States": {"Run": run}}, call, pause=pause)
    ended = asyncio.run(machine.execute("one"))
    assert (len(asked), ended.status) == (calls, status)
    assert pauses[:2] == [5, 15]


def test_a_machine_that_takes_too_long_as_a_whole_has_timed_out() -> None:
    machine = machine_of_nova() | {"TimeoutSeconds": 5}
    [ended] = execute("one", runs=JobRuns(job(seconds=60)), machine=machine, limit=0.05)
    assert ended.status == "TIMED_OUT"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"Type": "Parallel", "Branches": []}, "state Only: Parallel: is not played by the rehearsal: leave it out"),
        ({"Type": "Task", "Resource": "arn:aws:states:::x", "HeartbeatSeconds": 3}, "state Only: HeartbeatSeconds: is"),
        ({"Type": "Task", "Resource": "arn:aws:states:::sns:publish"}, "sns:publish: has no stand-in"),
        ({"Type": "Pass", "Parameters": {"A.$": "States.UUID()"}}, "is not a path that the rehearsal knows"),
        (
            {"Type": "Choice", "Choices": [{"Variable": "$$.Execution.Name", "StringMatches": "a*", "Next": "Only"}]},
            "StringMatches: is a comparison that the rehearsal does not know",
        ),
    ],
)
def test_what_is_not_played_is_reported_with_its_state(state: dict[str, Any], said: str) -> None:
    machine = StateMachine({"StartAt": "Only", "States": {"Only": state}}, JobRuns(job()).call)
    with pytest.raises(UnresolvableError) as raised:
        asyncio.run(machine.execute("one"))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("rule", "held"),
    [
        ({"Variable": "$.a[0]", "IsPresent": True}, True),
        ({"Variable": "$.a[1]", "IsPresent": True}, False),
        ({"Variable": "$.n", "NumericGreaterThan": 3}, True),
        ({"Variable": "$.n", "NumericGreaterThan": 4}, False),
        ({"Variable": "$.a[0]", "NumericEquals": 4}, False),
        ({"Not": {"Variable": "$.a[0]", "StringEquals": "x"}}, False),
        ({"And": [{"Variable": "$.none", "IsNull": True}, {"Variable": "$.n", "NumericEquals": 4}]}, True),
        ({"Or": [{"Variable": "$.n", "NumericEquals": 5}, {"Variable": "$$.Name", "StringEquals": "e"}]}, True),
    ],
)
def test_choices(rule: dict[str, Any], held: bool) -> None:
    assert holds(rule, {"a": ["x"], "n": 4, "none": None}, {"Name": "e"}) is held
