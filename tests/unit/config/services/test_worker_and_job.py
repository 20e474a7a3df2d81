"""What contradicts itself in workers and jobs: one line each, with the key and the remedy, all at once."""

from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.config import Queue, parse_config
from nova_infra.errors import ConfigError

WORKER = {"name": "mailer", "kind": "worker", "queue": {"messages_per_task": 40}}
JOB = {"name": "report", "kind": "job", "schedule": "0 6 * * 1", "command": ["run"]}


def lines(raw: dict[str, Any], service: dict[str, Any]) -> list[str]:
    raw["services"] = [service]
    try:
        parse_config(raw)
    except ConfigError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize("service", [WORKER, JOB, {**JOB, "schedule": "cron(0 0 1 1 ? 2020)"}])
def test_a_worker_and_a_job_are_accepted(raw: dict[str, Any], service: dict[str, Any]) -> None:
    assert lines(raw, service) == []


@pytest.mark.parametrize(
    ("service", "change", "said"),
    one_of_each([
        (WORKER, {"paths": ["/a"]}, 'paths: belongs to a service of kind web: remove it, or write kind = "web"'),
        (WORKER, {"schedule": "rate(5 minutes)"}, "schedule: belongs to a service of kind job"),
        (WORKER, {"rollout": {"strategy": "canary"}}, "shifts traffic, but a worker gets none"),
        (WORKER, {"targets": {"requests_per_minute": 3}}, "targets.requests_per_minute: is about requests"),
        (WORKER, {"alarms": {"latency_ms": 100}}, "alarms.latency_ms: is about requests"),
        (WORKER, {"health": {"path": "/health"}}, "health.path: nothing requests a path of a worker"),
        (WORKER, {"queue": {"existing": True}}, "needs the names of both queues: write name and dead"),
        (WORKER, {"queue": {"name": "a", "dead": "a"}}, "is the queue itself: write another name"),
        (WORKER, {"queue": {"name": "a.fifo"}}, "write fifo = true and leave out .fifo"),
        (WORKER, {"queue": {"name": "a" * 76, "dead": "b", "fifo": True}}, "and SQS takes 80 characters"),
        (WORKER, {"queue": {"name": "a", "dead": "b" * 76, "fifo": True}}, "queue.dead: makes"),
        (WORKER, {"queue": {"oldest_seconds": 5}}, "queue.oldest_seconds"),
        (JOB, {"scaling": {"max_tasks": 3}}, "scaling: applies to services that run all the time"),
        (JOB, {"rollout": {"bake_minutes": 9}}, "rollout: applies to services that run all the time"),
        (JOB, {"queue": {}}, "queue: belongs to a service of kind worker"),
        (JOB, {"schedule": "cron(0 0 31 2 ? *)"}, "never comes: correct its day, month or year"),
        (JOB, {"schedule": "cron(0 0 29 2 ? 2021)"}, "never comes"),
        (JOB, {"schedule": "every day"}, "write one such as rate(15 minutes)"),
        (JOB, {"schedule": None}, "services[0].schedule"),
        (JOB, {"time_zone": "Mars/Olympus"}, "is not a time zone: write one such as Asia/Tokyo"),
        (JOB, {"schedule": "rate(5 minutes)", "time_zone": "Asia/Tokyo"}, "has no effect on a rate"),
        (JOB, {"timeout_seconds": 1}, "timeout_seconds"),
        (JOB, {"run_before_promotion": True, "timeout_seconds": 3600}, "is more than a release waits for a run"),
    ], kind=lambda case: (case[0]["kind"], *case[1])),
)  # fmt: skip
def test_what_contradicts_itself_is_named_with_its_remedy(
    raw: dict[str, Any], service: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    assert any(said in line for line in lines(raw, {**service, **change}))


def test_a_job_that_would_never_run_is_refused(raw: dict[str, Any]) -> None:
    assert any("so the job would never run" in line for line in lines(raw, {"name": "report", "kind": "job"}))


def test_a_job_of_the_release_needs_a_command(raw: dict[str, Any]) -> None:
    job = {"name": "report", "kind": "job", "run_before_promotion": True, "timeout_seconds": 60}
    assert any("needs to know what to run: write command" in line for line in lines(raw, job))


@pytest.mark.parametrize(
    ("keys", "seconds"),
    [
        ({"schedule": "rate(1 day)"}, 3600),
        ({"run_before_promotion": True}, 840),
        ({"run_before_promotion": True, "schedule": "rate(1 day)", "timeout_seconds": 90}, 90),
    ],
)
def test_a_run_in_a_release_takes_as_long_as_the_release_waits_unless_it_says(
    raw: dict[str, Any], keys: dict[str, Any], seconds: int
) -> None:
    raw["services"] = [{"name": "report", "kind": "job", "command": ["x"], **keys}]
    assert parse_config(raw).services[0].timeout_seconds == seconds


def test_everything_is_reported_at_once(raw: dict[str, Any]) -> None:
    found = lines(raw, {**JOB, "scaling": {"max_tasks": 3}, "rollout": {"bake_minutes": 9}, "health": {"path": "/a"}})
    assert len(found) == 3


@pytest.mark.parametrize(
    ("oldest_seconds", "bake_minutes", "in_time"),
    [
        (60, 4, True),
        (61, 4, False),
        (60, 3, False),
        (120, 5, True),
        (121, 5, False),
        (121, 6, True),
        (600, 13, True),
        (601, 13, False),
        (3600, 62, False),
        (3600, 63, True),
    ],
)
def test_an_age_rolls_back_where_it_is_reached_three_minutes_before_the_bake_ends(
    oldest_seconds: int, bake_minutes: int, in_time: bool
) -> None:
    queue = Queue(oldest_seconds=oldest_seconds)
    assert queue.fires_within(bake_minutes) is in_time
    assert queue.fires_within(bake_minutes + 7, stops=True) is in_time
