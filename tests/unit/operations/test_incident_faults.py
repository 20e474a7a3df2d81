"""What an operator changes while AWS throttles, refuses, and loses calls or their answers: the end is the same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from helpers.deployed_environment import PREFIX, Deployment
from helpers.exhaustive import one_of_each
from helpers.local_aws import DENIED, HARMLESS, STOPPING, LocalAws, forget_tasks, one_off_tasks
from nova_infra.errors import NovaError
from nova_infra.operations.incident.run import run
from nova_infra.operations.incident.scale import end, scale
from nova_infra.operations.records.holds import hold, release_hold
from nova_infra.operations.records.ledger import read_ledger
from nova_infra.operations.records.waivers import waive

CARTS = "carts-service"


@pytest.fixture
def scalable(served: Deployment) -> Deployment:
    """Production, whose carts service scales from 2 to 10 tasks."""
    served.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="ecs",
        ResourceId=f"service/{PREFIX}/{PREFIX}-{CARTS}",
        ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=2,
        MaxCapacity=10,
    )
    return served


def scaled(deployment: Deployment, _: int) -> tuple[Any, ...]:
    now = deployment.environment.capacity(CARTS)
    return now.least, now.most, now.usual, now.scaled, len(read_ledger(deployment.environment).scalings)


def records(kind: str) -> Callable[[Deployment, int], int]:
    """Counts the versions of a record of one release."""
    return lambda deployment, n: len(deployment.environment.history(f"/nova/prod/{kind}/{deployment.commit(n)}"))


def do_scale(deployment: Deployment, _: int) -> None:
    scale(deployment.environment, CARTS, least=6, most=12, lasts=timedelta(hours=3), why="sale")


def do_end(deployment: Deployment, _: int) -> None:
    end(deployment.environment, CARTS, why="over")


def do_hold(deployment: Deployment, number: int) -> None:
    hold(deployment.environment, deployment.commit(number), why="bad")


def do_release_hold(deployment: Deployment, number: int) -> None:
    release_hold(deployment.environment, deployment.commit(number), why="good")


def do_accept(deployment: Deployment, number: int) -> None:
    waive(deployment.environment, deployment.commit(number), ["a in ALARM"], why="it leaks", by="user/ann")


def nothing(_: Deployment, __: int) -> None:
    """Needs no preparation, or nothing afterwards."""


Step = Callable[[Deployment, int], Any]


@dataclass(frozen=True)
class Command:
    """A command that writes.

    Attributes:
        run: Runs it, for the nth release.
        calls: The operations by which it writes, in order.
        expected: What that should be, the first time and then each time.
        before: What has to be so before it.
        after: What makes that so again.
    """

    run: Step
    calls: tuple[str, ...]
    found: Step
    expected: Any
    before: Step = nothing
    after: Step = nothing


COMMANDS = {
    "scale": Command(
        do_scale,
        ("PutScheduledAction", "RegisterScalableTarget", "PutParameter"),
        scaled,
        (6, 12, (2, 10), True),
        after=do_end,
    ),
    "end": Command(
        do_end,
        ("RegisterScalableTarget", "DeleteScheduledAction", "PutParameter"),
        scaled,
        (2, 10, (2, 10), False),
        before=do_scale,
    ),
    "hold": Command(do_hold, ("PutParameter",), records("hold"), 1),
    "release hold": Command(do_release_hold, ("PutParameter",), records("hold"), 2, before=do_hold),
    "accept red": Command(do_accept, ("PutParameter",), records("accepted"), 1),
}
CALLS = [(name, call) for name, command in COMMANDS.items() for call in command.calls]


def check(command: Command, deployment: Deployment, number: int) -> None:
    found = command.found(deployment, number)
    if isinstance(found, tuple):  # each scaling and each end is one line of the ledger, and no more
        *found, lines = found
        assert lines == (2 * number if command.before is do_scale else 2 * number - 1)
        found = tuple(found)
    assert found == command.expected


@pytest.mark.exhaustive("test_what_stops_it_is_named_and_running_it_again_finishes")
@pytest.mark.parametrize(("name", "call"), one_of_each(CALLS))
def test_what_passes_by_itself_changes_nothing_about_the_end(
    scalable: Deployment, local_aws: LocalAws, subtests: Any, name: str, call: str
) -> None:
    command = COMMANDS[name]
    for number, (fault, faults) in enumerate(HARMLESS.items(), 1):
        with subtests.test(fault):
            command.before(scalable, number)
            local_aws.faults = {call: list(faults)}
            command.run(scalable, number)
            local_aws.faults = {}
            check(command, scalable, number)
            command.after(scalable, number)


@pytest.mark.parametrize(("name", "call"), one_of_each(CALLS))
def test_what_stops_it_is_named_and_running_it_again_finishes(
    scalable: Deployment, local_aws: LocalAws, subtests: Any, name: str, call: str
) -> None:
    command = COMMANDS[name]
    for number, (fault, (faults, said)) in enumerate(STOPPING.items(), 1):
        with subtests.test(fault):
            command.before(scalable, number)
            local_aws.faults = {call: list(faults)}
            with pytest.raises(NovaError, match=said) as stopped:
                command.run(scalable, number)
            local_aws.faults = {}
            # Only what has changed nothing may be called a refusal.
            first = call == command.calls[0]
            assert stopped.value.exit_code == (2 if first and fault == "denied" else 3)
            assert first or "the scaling is not complete: run the same command again" in str(stopped.value)
            command.run(scalable, number)
            check(command, scalable, number)
            command.after(scalable, number)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], None]], None]:
    """Has something happen to the task while it is waited for: ends(lambda task: …)."""

    def happens(what: Callable[[Any], None]) -> None:
        def pause(_: float) -> None:
            for task in one_off_tasks():
                what(task)

        monkeypatch.setattr("nova_infra.deployed.aws.tasks.pause", pause)

    return happens


def exits(task: Any) -> None:
    task.last_status = task.desired_status = "STOPPED"
    task.containers[0].exitCode = 7


def play(deployment: Deployment) -> tuple[int, list[str]]:
    told: list[str] = []
    code = run(
        deployment.environment, CARTS, ("migrate", "--all"), notify=told.append, write=told.append, wait=lambda: None
    )
    return code, told


def only(tasks: list[Any]) -> Any:
    """The task that is there; the next one finds none."""
    [task] = tasks
    forget_tasks()
    return task


def test_a_command_runs_once_in_a_task_of_its_own(
    served: Deployment, local_aws: LocalAws, ends: Callable[[Callable[[Any], None]], None], subtests: pytest.Subtests
) -> None:
    ends(exits)
    for name, faults in {"nothing": [], **HARMLESS}.items():
        with subtests.test(name):
            local_aws.faults = {"RunTask": list(faults)}
            assert play(served)[0] == 7
            only(one_off_tasks())
    request = local_aws.requests["RunTask"]
    assert request["overrides"]["containerOverrides"] == [{"name": "app", "command": ["migrate", "--all"]}]
    assert request["taskDefinition"].rpartition("/")[2].startswith(f"{PREFIX}-{CARTS}:")
    assert request["clientToken"] == request["startedBy"]
    assert request["networkConfiguration"]["awsvpcConfiguration"]["subnets"]


def test_a_task_that_cannot_be_started_is_named_and_none_runs(
    served: Deployment, local_aws: LocalAws, ends: Callable[[Callable[[Any], None]], None], subtests: pytest.Subtests
) -> None:
    ends(exits)
    for name, (faults, said) in STOPPING.items():
        with subtests.test(name):
            local_aws.faults = {"RunTask": list(faults)}
            with pytest.raises(NovaError, match=said):
                play(served)
            assert one_off_tasks() == []


def interrupt(_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.exhaustive("test_what_stops_it_is_named_and_running_it_again_finishes")
def test_an_interruption_stops_the_task(
    served: Deployment, local_aws: LocalAws, ends: Callable[[Callable[[Any], None]], None], subtests: pytest.Subtests
) -> None:
    ends(interrupt)
    for name, faults in HARMLESS.items():
        with subtests.test(name):
            local_aws.faults = {"StopTask": list(faults)}
            with pytest.raises(KeyboardInterrupt):
                play(served)
            task = only(one_off_tasks())
            assert (task.desired_status, task.stopped_reason) == ("STOPPED", "nova run was interrupted")


@pytest.mark.exhaustive("test_what_stops_it_is_named_and_running_it_again_finishes")
def test_a_task_that_cannot_be_stopped_is_named_with_the_way_to_stop_it(
    served: Deployment, local_aws: LocalAws, ends: Callable[[Callable[[Any], None]], None], subtests: pytest.Subtests
) -> None:
    ends(interrupt)
    for name, (faults, said) in STOPPING.items():
        with subtests.test(name):
            local_aws.faults = {"StopTask": list(faults)}
            told: list[str] = []
            with pytest.raises(KeyboardInterrupt):
                run(served.environment, CARTS, ("x",), notify=told.append, write=told.append, wait=lambda: None)
            task = only(one_off_tasks())
            assert told[-1].startswith(f"warning: {task.id}: was not stopped and still runs: ")
            assert said in told[-1]
            assert told[-1].endswith(f"stop it with `aws ecs stop-task --cluster {PREFIX} --task {task.id}`")


@pytest.mark.exhaustive("test_what_stops_it_is_named_and_running_it_again_finishes")
@pytest.mark.parametrize("stoppable", [True, False])
def test_an_interruption_while_a_task_is_started_leaves_none(
    served: Deployment, local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch, stoppable: bool
) -> None:
    write = served.environment.aws.write

    def interrupted(service: str, operation: str, /, **request: Any) -> Any:
        answer = write(service, operation, **request)
        return interrupt(answer) if operation == "run_task" else answer

    monkeypatch.setattr(served.environment.aws, "write", interrupted)
    local_aws.faults = {} if stoppable else {"StopTask": [DENIED]}
    with pytest.raises(KeyboardInterrupt):
        play(served)
    assert only(one_off_tasks()).desired_status == ("STOPPED" if stoppable else "RUNNING")
