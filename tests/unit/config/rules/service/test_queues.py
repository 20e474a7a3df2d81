"""Queues of workers that contradict themselves."""

from typing import Any

import pytest

from helpers.configuration import faults
from nova_infra.config import parse_config
from nova_infra.config.rules.service.queues import notes

WORKER = {"kind": "worker", "image": f"ghcr.io/a/b@sha256:{'c' * 64}"}


@pytest.mark.parametrize(
    ("table", "name"), [("environment", "QUEUE_URL"), ("environment", "DEAD_QUEUE_URL"), ("secrets", "QUEUE_URL")]
)
def test_a_worker_does_not_say_where_its_queues_are(raw: dict[str, Any], table: str, name: str) -> None:
    raw["services"].append({"name": "w", "queue": {}, table: {name: "q"}, **WORKER})
    place = len(raw["services"]) - 1
    assert faults(raw) == [
        f"nova.toml: services[{place}].{table}: sets {name}, where Nova writes the address of its queue: "
        "choose another name"
    ]


@pytest.mark.parametrize(
    ("queue", "oldest"),
    [
        ({}, 120),
        ({"visibility_seconds": 61}, 122),
        ({"visibility_seconds": 900}, 1800),
        ({"oldest_seconds": 60}, 60),
        ({"oldest_seconds": 300, "visibility_seconds": 600}, 300),
    ],
)
def test_a_message_is_old_after_two_tries_unless_the_file_says_when(
    raw: dict[str, Any], queue: dict[str, int], oldest: int
) -> None:
    raw["services"].append({"name": "w", "queue": queue, **WORKER})
    worker = parse_config(raw).services[-1]
    assert worker.queue is not None
    assert worker.queue.oldest == oldest


@pytest.mark.parametrize(
    ("queue", "rollout", "said"),
    [
        ({}, {"bake_minutes": 5}, []),
        (
            {"visibility_seconds": 180},
            {"bake_minutes": 5},
            ["w: in dev, staging, prod the bake ends before the alarm on messages older than 360 s"],
        ),
        ({"visibility_seconds": 180}, {"bake_minutes": 9}, []),
        (
            {"oldest_seconds": 300},
            {"bake_minutes": 7},
            ["w: in dev, staging, prod the bake ends before the alarm on messages older than 300 s"],
        ),
        ({"oldest_seconds": 120, "visibility_seconds": 180}, {"bake_minutes": 5}, []),
    ],
)
def test_an_alarm_on_age_that_comes_after_the_bake_is_said(
    raw: dict[str, Any], queue: dict[str, int], rollout: dict[str, int], said: list[str]
) -> None:
    raw["services"].append({"name": "w", "queue": queue, "rollout": rollout, **WORKER})
    config = parse_config(raw)
    found = [note for note in notes(config.services, config.environments) if note.startswith("w:")]
    assert [note.partition(" can fire")[0] for note in found] == said


@pytest.mark.parametrize(("tries", "seconds"), [(1000, 1210), (29, 43_200)])
def test_a_message_is_dead_before_its_queue_forgets_it(raw: dict[str, Any], tries: int, seconds: int) -> None:
    queue: dict[str, Any] = {"tries": tries, "visibility_seconds": seconds}
    raw["services"].append({"name": "w", "queue": queue, **WORKER})
    [line] = faults(raw)
    assert f".queue.tries: {tries} of {seconds} s each take longer than the 14 days" in line


def test_as_many_tries_as_a_queue_has_time_for_are_accepted(raw: dict[str, Any]) -> None:
    raw["services"].append({"name": "w", "queue": {"tries": 1000, "visibility_seconds": 1209}, **WORKER})
    parse_config(raw)
