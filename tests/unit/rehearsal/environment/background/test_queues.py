"""What is measured of workers of many habits, on a clock that takes no time."""

import asyncio
import itertools
import math
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.rehearsal.clock import COMPRESSED, REAL_TIME, Pace
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore
from nova_infra.rehearsal.environment.background.queues import Queues
from nova_infra.rehearsal.environment.background.stand_ins import StandIns
from nova_infra.rehearsal.record import QueueRecord

HIDDEN, TRIES, MINUTES = 60, 3, 8
REPLACED = 4.0


class Jump(selectors.DefaultSelector):
    """Waits for nothing: time goes on by itself."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.passed += timeout or 0.0
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """Is at once where the next timer is due."""

    def __init__(self) -> None:
        self._jump = Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.passed


@dataclass(eq=False)
class Message:
    number: str = ""
    visible_at: float = 0.0
    received: int = 0


class Sqs(StandIns):
    """Queues as SQS has them: what is received is hidden for a while, and dead after a number of tries."""

    def __init__(self) -> None:
        super().__init__(COMPRESSED, None)
        self.messages: dict[str, list[Message]] = {}
        self.hidden: dict[str, float] = {}
        self.numbers = itertools.count(1)

    async def apply(self, _: PlayedStack) -> None:
        return

    async def hide(self, queue: str, seconds: float) -> None:
        self.hidden[queue] = seconds

    async def send(self, queue: str, bodies: list[str]) -> list[str]:
        made = [Message(str(next(self.numbers))) for _ in bodies]
        self.messages.setdefault(queue, []).extend(made)
        return [message.number for message in made]

    def kept(self, queue: str) -> dict[str, int]:
        alive = [*self.messages.get(queue, ()), *self.messages.get(f"{queue}-dead", ())]
        return {message.number: message.received for message in alive if message.received}

    async def waiting(self, queue: str) -> tuple[int, int]:
        messages, now = self.messages.get(queue, []), asyncio.get_running_loop().time()
        visible = sum(message.visible_at <= now for message in messages)
        return visible, len(messages) - visible

    async def receive(self, queue: str, most: int, wait: float) -> list[Message]:
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            messages, now = self.messages.setdefault(queue, []), loop.time()
            visible = [message for message in messages if message.visible_at <= now]
            for message in visible:
                if message.received >= TRIES:
                    messages.remove(message)
                    self.messages.setdefault(f"{queue}-dead", []).append(message)
            found = [message for message in visible if message.received < TRIES][:most]
            for message in found:
                message.received += 1
                message.visible_at = now + self.hidden[queue]
            if found or loop.time() >= until:
                return found
            await asyncio.sleep(0.05)

    def delete(self, queue: str, message: Message) -> None:
        if message in self.messages[queue]:
            self.messages[queue].remove(message)


Worker = Callable[[Sqs], Coroutine[Any, Any, None]]


def worker(
    *,
    seconds: float = 0.1,
    batch: int = 1,
    wait: float = 20.0,
    rest: float = 0.0,
    deletes: str = "after",
    queues: tuple[str, ...] = ("mails",),
) -> Worker:
    """A task that takes messages.

    Args:
        seconds: How long it works on one.
        batch: How many it asks for at once.
        wait: How long it waits for the first of them.
        rest: How long it does nothing between two requests.
        deletes: When it deletes them: ``first``, ``after`` each, in ``bulk``, or ``never``; or it gives them ``back``,
            or keeps each third (``most``); or it ``exits`` with all of them in its hands, and is replaced.
        queues: Where it asks, in turn.
    """

    async def run(sqs: Sqs) -> None:
        while True:
            for queue in queues:
                messages = await sqs.receive(queue, batch, wait)
                for message in messages if deletes == "first" else ():
                    sqs.delete(queue, message)
                for message in messages:
                    await asyncio.sleep(seconds)
                    if deletes == "after" or (deletes == "most" and int(message.number) % 3):
                        sqs.delete(queue, message)
                    elif deletes == "back":
                        message.visible_at = 0.0
                    elif deletes == "exits":
                        message.visible_at = asyncio.get_running_loop().time() + 1
                        sqs.abandoned.add(message.number)
                if deletes == "exits" and messages:
                    sqs.ended[queue] += 1
                    await asyncio.sleep(REPLACED)
                for message in messages if deletes == "bulk" else ():
                    sqs.delete(queue, message)
                await asyncio.sleep(rest)

    return run


async def _idle(_: Sqs) -> None:
    await asyncio.Event().wait()


def played(
    tmp_path: Path,
    before: Worker,
    after: Worker,
    *,
    tasks: int,
    queues: tuple[str, ...] = ("mails",),
    hidden: int = HIDDEN,
    earlier: int = 4,
    pace: Pace = COMPRESSED,
    records: dict[str, QueueRecord] | None = None,
    timed: bool = False,
) -> dict[str, Any]:
    """What eight minutes show of a release's worker, after some of the one before it."""
    store, sqs = MetricStore(), Sqs()
    records = {} if records is None else records
    messages = tmp_path / "services" / "mails" / "messages"
    messages.mkdir(parents=True)
    (messages / "one.json").write_text("{}")
    (tmp_path / "nova.toml").write_text("")
    resources: dict[str, Any] = {}
    for name in queues:
        redrive = {"deadLetterTargetArn": {"Fn::GetAtt": [f"{name}dead", "Arn"]}, "maxReceiveCount": TRIES}
        properties = {"QueueName": name, "VisibilityTimeout": hidden, "RedrivePolicy": redrive}
        resources[name] = {"Type": "AWS::SQS::Queue", "Properties": properties}
        resources[f"{name}dead"] = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"{name}-dead"}}
    stack = PlayedStack("dev-mails", {"Resources": resources}, exports={}, revisions={})

    async def story() -> None:
        measured = Queues(sqs, store, [], pace=pace, records=records)
        await measured.include(stack, tmp_path)
        for revision, minutes in ((before, earlier), (after, MINUTES)):
            running = [asyncio.create_task(revision(sqs)) for _ in range(tasks)]
            for _ in range(minutes):
                await asyncio.gather(measured.minute(), asyncio.sleep(pace.seconds_per_minute))
                store.minute += 1
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(story())
        seconds = runner.get_loop().time()
    minutes = range(earlier, earlier + MINUTES)
    age = [
        store.values(Metric.of("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": each}), minutes)
        for each in queues
    ]
    dead = store.values(
        Metric.of("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "mails-dead"}), minutes
    )
    return {
        "age": max(map(max, age)),
        "dead": next((minute for minute, value in enumerate(dead) if value), None),
        "came back": any(each.came_back for each in records.values()),
    } | ({"seconds": seconds} if timed else {})


KEPT_UP = {"age": 0, "dead": None, "came back": False}


@pytest.mark.parametrize(
    ("habits", "tasks"),
    one_of_each(
        [
            ({}, 1),
            ({"deletes": "first", "seconds": 1}, 1),
            ({"deletes": "first", "seconds": 5}, 1),
            ({"deletes": "first", "seconds": 5, "batch": 10}, 1),
            ({"seconds": 5}, 1),
            ({"seconds": 9}, 2),
            ({"seconds": 25}, 5),
            ({"batch": 10, "seconds": 1}, 1),
            ({"batch": 10, "seconds": 4}, 2),
            ({"batch": 10, "seconds": 1, "deletes": "bulk"}, 2),
            ({"batch": 10, "seconds": 5, "deletes": "bulk"}, 1),
            ({"batch": 10, "wait": 0, "rest": 10}, 1),
            ({"batch": 10, "wait": 0, "rest": 30}, 2),
            ({"batch": 10, "queues": ("mails", "notes", "bills")}, 1),
            ({"seconds": 1.5, "queues": ("mails", "notes", "bills")}, 1),
        ]
    ),
)
def test_a_worker_that_keeps_up_in_aws_keeps_up_here(habits: dict[str, Any], tasks: int, tmp_path: Path) -> None:
    task = worker(**habits)
    assert played(tmp_path, task, task, tasks=tasks, queues=habits.get("queues", ("mails",))) == KEPT_UP


@pytest.mark.parametrize(
    ("habits", "tasks"),
    one_of_each(
        [
            ({"seconds": 3}, 4),
            ({"seconds": 9}, 2),
            ({"deletes": "first", "seconds": 4}, 1),
            ({"batch": 10, "seconds": 1, "deletes": "bulk"}, 2),
        ]
    ),
)
def test_a_release_may_work_more_slowly_than_the_one_before(habits: dict[str, Any], tasks: int, tmp_path: Path) -> None:
    assert played(tmp_path, worker(), worker(**habits), tasks=tasks, queues=("mails",)) == KEPT_UP


@pytest.mark.parametrize(
    ("after", "oldest", "dead"),
    [
        # Three tries of a minute each: it is dead in the third minute after its own.
        (worker(deletes="never", batch=10), 120, 3),
        (worker(deletes="back", batch=10), 0, 0),
        (worker(deletes="most", batch=10), 60, 3),
        (_idle, 60 * (MINUTES - 1), None),
        (worker(seconds=40, deletes="first"), 120, None),
    ],
    ids=["it deletes nothing", "it gives them back at once", "it keeps some", "it takes none", "it cannot keep up"],
)
def test_a_worker_that_fails_its_messages_is_noticed_when_aws_would(
    after: Worker, oldest: float, dead: int | None, tmp_path: Path
) -> None:
    seen = played(tmp_path, worker(), after, tasks=1, queues=("mails",))
    assert (seen["age"] >= oldest, seen["dead"]) == (True, dead)


@pytest.mark.exhaustive("test_a_release_may_work_more_slowly_than_the_one_before")
@pytest.mark.parametrize(
    ("seconds", "hidden"),
    one_of_each(
        [(50, HIDDEN), (62, 90), (70, 900), (130, 900), (200, 400), (400, 900)], kind=lambda case: case[0] > case[1]
    ),
)
def test_a_worker_that_is_slow_in_aws_is_not_given_more_than_it_can_do(
    seconds: float, hidden: int, tmp_path: Path
) -> None:
    slow = worker(seconds=seconds)
    assert played(tmp_path, slow, slow, tasks=1, hidden=hidden, earlier=0) == {
        **KEPT_UP,
        "age": 60 * max(math.floor(seconds / 60) - 1, 0),
    }


def test_a_minute_of_real_time_has_as_many_messages_as_one_that_is_compressed(tmp_path: Path) -> None:
    records: dict[str, QueueRecord] = {}
    assert played(tmp_path, worker(), worker(), tasks=1, pace=REAL_TIME, records=records) == KEPT_UP
    # One in the first minute, then ten.
    assert records["mails"].sent == 1 + 10 * (4 + MINUTES - 1)


def test_messages_of_tasks_that_end_die_when_they_do_in_aws_and_hold_up_nobody(tmp_path: Path) -> None:
    kept = played(tmp_path / "kept", worker(), worker(deletes="never"), tasks=1, timed=True)
    left = played(tmp_path / "left", worker(), worker(deletes="exits"), tasks=1, timed=True)
    assert left["dead"] == kept["dead"] == 3
    assert left["came back"]
    assert left["seconds"] < kept["seconds"] / 3
