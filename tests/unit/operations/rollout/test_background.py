"""Workers' queues and jobs beside a release."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.rollouts import NOW, World
from nova_infra.errors import RefusedError
from nova_infra.operations.rollout.picture import release_lines
from nova_infra.operations.rollout.turns import turns
from nova_infra.operations.rollout.view import JobView, ReleaseView
from nova_infra.operations.rollout.watch import looks


def run(status: str, minutes_ago: int) -> dict[str, Any]:
    began = NOW - timedelta(minutes=minutes_ago)
    ended = {} if status == "RUNNING" else {"stopDate": began + timedelta(minutes=4)}
    return {
        "executionArn": "arn:x",
        "stateMachineArn": "arn:y",
        "name": "x",
        "status": status,
        "startDate": began,
        **ended,
    }


@pytest.fixture
def views(environment: Any, world: World) -> Iterator[ReleaseView]:
    """Looks at a worker that is being deployed, ten seconds apart."""
    world.services = ["s01-service", "s02-service"]
    world.workers = {"s01-service"}
    world.begin("s01-service", strategy="ROLLING")
    return looks(environment, wait=lambda _: world.pass_by(10))


@pytest.mark.exhaustive("test_a_job_shows_its_runs")
def test_a_worker_shows_its_tasks_and_its_queue_instead_of_traffic(views: Iterator[ReleaseView]) -> None:
    first, second = itertools.islice(views, 2)
    assert first.rollouts[0].queue == "", "the first picture waits for nothing but ECS"
    assert second.rollouts[0].queue == "7 waiting, 3 in flight, 2 dead"
    lines = [line.plain for line in release_lines(second, elapsed=4, width=80, height=24)]
    assert any("queue 7 waiting, 3 in flight, 2 dead" in line for line in lines)
    assert any("██████████  tasks" in line for line in lines)
    assert not any("%" in line for line in lines if "s01-service" in line)


@pytest.mark.exhaustive("test_a_pipe_gets_a_line_when_a_job_begins_and_ends")
def test_queues_are_looked_at_every_half_minute_and_their_addresses_once(
    views: Iterator[ReleaseView], world: World
) -> None:
    found = list(itertools.islice(views, 2))
    world.messages = (500, 1)
    found += itertools.islice(views, 3)
    assert [view.rollouts[0].queue.partition(" ")[0] for view in found] == ["", "7", "7", "7", "500"]
    assert world.calls.count("GetQueueAttributes") == 4
    assert world.calls.count("DescribeTaskDefinition") == 1


@pytest.mark.parametrize(
    ("cause", "found"),
    [
        (
            '{"Containers":[{"Name":"otel"},{"Name":"app","ExitCode":3,"Reason":"OutOfMemoryError"}],"StoppedAt":1,'
            '"Group":"family:nova-live-report","StoppedReason":"Essential container in task exited",'
            '"TaskArn":"arn:aws:ecs:x:1:task/c/0123","TaskDefinitionArn":"arn:aws:ecs:x:1:task-definition/r:7"}',
            ("r:7", 3, "Essential container in task exited; OutOfMemoryError", "nova-live-report/app/0123"),
        ),
        (
            "The run took longer than 300 s and was stopped",
            ("", None, "The run took longer than 300 s and was stopped", ""),
        ),
        ('{"Failures":[]}', ("", None, '{"Failures":[]}', "")),
        ("3", ("", None, "3", "")),
    ],
)
def test_the_task_of_a_failed_run_is_what_step_functions_keeps_of_it(
    environment: Any, world: World, monkeypatch: pytest.MonkeyPatch, cause: str, found: tuple[Any, ...]
) -> None:
    world.jobs = {"report": [run("FAILED", 9)]}
    monkeypatch.setattr(world, "describe_execution", lambda _: {"cause": cause}, raising=False)
    [failed] = environment.jobs()[0].runs
    task = environment.failed_task(failed)
    assert (task.revision, task.exit_code, task.words, task.log_stream) == found
    assert task.at == failed.ended


def test_services_of_one_revision_ask_for_its_variables_once(environment: Any, world: World) -> None:
    environment.queues({f"s{n:02}": f"shared:{n % 2}" for n in range(45)})
    assert world.calls.count("DescribeTaskDefinition") == 2


@pytest.mark.exhaustive(
    "operations/rollout/test_watch_looks.py::test_an_alarm_is_shown_with_its_threshold_and_goes_red"
)
def test_more_of_them_are_looked_at_less_often(environment: Any, world: World) -> None:
    world.services = [f"s{n:02}-service" for n in range(45)]
    world.workers = set(world.services)
    world.jobs = {f"job-{n}": [] for n in range(45)}
    for name in world.services:
        world.begin(name, strategy="ROLLING")
    began = world.now
    views = looks(environment, wait=world.pass_by)
    next(views)
    next(views)
    world.calls.clear()
    for _ in range(60):
        next(views)
    seconds = (world.now - began).total_seconds()
    assert len(world.calls) / seconds < 3, "calls a second"


def test_a_queue_or_job_that_may_not_be_read_is_named_and_keeps_nothing_from_the_rest(
    views: Iterator[ReleaseView], world: World
) -> None:
    world.refused["DescribeTaskDefinition"] = world.refused["ListExecutions"] = "ThrottlingException"
    world.jobs = {"report": []}
    _, view = itertools.islice(views, 2)
    assert [line.partition(":")[0] for line in view.unread] == ["queues", "jobs"]
    assert view.rollouts[0].service == "s01-service"


@pytest.mark.parametrize(
    ("runs", "expected", "line"),
    one_of_each(
        [
            (
                [run("SUCCEEDED", 64)],
                JobView("report", 0, "succeeded 04:06", "06:00"),
                "· report  job  last run succeeded",
            ),
            (
                [run("RUNNING", 2), run("FAILED", 64)],
                JobView("report", 1, "failed 04:06", "06:00", well=False),
                "✗ report  job  1 running, last run failed 04:06, next 06:00 UTC",
            ),
            ([run("RUNNING", 2)], JobView("report", 1, "", "06:00"), "▶ report  job  1 running, no run has ended"),
            (
                [run("SUCCEEDED", 24 * 60)],
                JobView("report", 0, "succeeded 03-03 05:10", "06:00"),
                "succeeded 03-03 05:10",
            ),
        ],
        kind=lambda case: case[1].well,
    ),
)
def test_a_job_shows_its_runs(
    views: Iterator[ReleaseView], world: World, runs: list[dict[str, Any]], expected: JobView, line: str
) -> None:
    world.jobs = {"report": runs}
    _, view = itertools.islice(views, 2)
    assert view.jobs == (expected,)
    assert any(line in each.plain for each in release_lines(view, elapsed=4, width=80, height=24))


def test_a_job_whose_schedule_is_disabled_says_so(views: Iterator[ReleaseView], world: World) -> None:
    world.jobs, world.schedule_state = {"report": [run("SUCCEEDED", 64)]}, "DISABLED"
    _, view = itertools.islice(views, 2)
    assert view.jobs == (JobView("report", 0, "succeeded 04:06", well=False, disabled=True),)
    lines = [each.plain for each in release_lines(view, elapsed=4, width=80, height=24)]
    assert any(line.endswith("last run succeeded 04:06, its schedule is disabled") for line in lines)


def test_a_pipe_gets_a_line_when_a_job_begins_and_ends(views: Iterator[ReleaseView], world: World) -> None:
    world.jobs = {"report": [run("SUCCEEDED", 64)], "quiet": [run("SUCCEEDED", 70)]}
    before = next(views)
    told = []
    for runs in ([run("SUCCEEDED", 64)], [run("RUNNING", 0)], [run("SUCCEEDED", 3)]):
        world.jobs["report"] = runs
        for view in itertools.islice(views, 6):
            told += [line for line in turns(before, view) if line.startswith("job")]
            before = view
    assert told == [
        "job report: 1 running, no run has ended, next 06:00 UTC",
        "job report: last run succeeded 05:07, next 06:00 UTC",
    ]


def test_jobs_are_left_out_where_a_service_is_asked_for(environment: Any, world: World) -> None:
    world.jobs = {"report": [run("RUNNING", 2)]}
    world.begin("s01-service")
    _, view = itertools.islice(looks(environment, ["s01-service"], wait=world.pass_by), 2)
    assert view.jobs == ()
    assert "ListStateMachines" not in world.calls


def test_a_job_is_not_watched_as_a_service(environment: Any, world: World) -> None:
    world.jobs = {"report": []}
    with pytest.raises(RefusedError, match=r"'report' is a job.*: see `nova status prod`"):
        next(looks(environment, ["report"], wait=world.pass_by))
