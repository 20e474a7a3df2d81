"""Which examples of messages a release is seen with, and what is said of those that it is not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from nova_infra.rehearsal.clock import COMPRESSED
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.metrics import MetricStore
from nova_infra.rehearsal.environment.background.queues import Queues
from nova_infra.rehearsal.environment.background.stand_ins import StandIns
from nova_infra.rehearsal.record import QueueRecord

OLD, NEW = {"dev-mails": {"dev-mails:1"}}, {"dev-mails": {"dev-mails:2"}}
BOTH = {"dev-mails": {"dev-mails:1", "dev-mails:2"}}


class Sent(StandIns):
    """Keeps what it is sent, which is worked on at once."""

    def __init__(self) -> None:
        super().__init__(COMPRESSED, None)
        self.in_order: list[str] = []
        self.queues: list[str] = []

    async def apply(self, _: PlayedStack) -> None:
        return

    async def hide(self, _: str, __: float) -> None:
        return

    async def send(self, queue: str, bodies: list[str]) -> list[str]:
        self.queues.append(queue)
        self.in_order += bodies
        return bodies

    async def waiting(self, _: str) -> tuple[int, int]:
        return 0, 0


def worker(number: int, queue: str = "mails") -> PlayedStack:
    """A revision of a worker that takes messages from a queue."""
    resources: dict[str, Any] = {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": queue}},
        "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"Family": "dev-mails"}},
        "Service": {
            "Type": "AWS::ECS::Service",
            "Properties": {"ServiceName": "dev-mails", "Cluster": "dev", "TaskDefinition": {"Ref": "Task"}},
        },
    }
    revisions = {"Task": f"dev-mails/Task:{number}"}  # as they are referred to: a family is only in the template
    return PlayedStack("dev-mails", {"Resources": resources}, exports={}, revisions=revisions)


def release(sent: Sent, gaps: list[str], tmp_path: Path, minutes: list[dict[str, set[str]]], *, examples: int) -> None:
    """Deploy a second revision of a worker, and play minutes of one message in which its tasks run some revisions."""
    records: dict[str, QueueRecord] = {}
    queues = Queues(sent, MetricStore(), gaps, records=records)
    directory = tmp_path / "services" / "mails" / "messages"
    directory.mkdir(parents=True)
    for name in "abcdefg"[:examples]:
        (directory / name).write_text(name)

    async def story() -> None:
        for number in (1, 2):
            await queues.include(worker(number), tmp_path, judged=number == 2)
        for running in minutes:
            records["mails"].rate = 1
            await queues.minute(running)
        queues.note_gaps(minutes[-1])

    asyncio.run(story())


@pytest.mark.parametrize(
    ("minutes", "in_order", "said"),
    [
        ([OLD, OLD, NEW, NEW, NEW], "ababc", ""),
        ([OLD, BOTH, NEW, NEW, NEW], "aaabc", ""),
        (
            [OLD, OLD, NEW, NEW],
            "abab",
            "the release alone got 2 of 3 example messages, because one takes its worker 0 s: a longer bake",
        ),
        ([OLD, OLD, {"dev-mails": set()}, NEW, NEW, {"dev-mails": set()}, NEW], "abcabca", ""),
        (
            [OLD, BOTH, BOTH, BOTH],
            "aabc",
            "the release alone got 0 of 3 example messages, because old and new tasks ran to the end: a longer bake",
        ),
        ([OLD, BOTH, NEW, OLD, OLD], "aaaab", ""),
    ],
    ids=["all", "mixed at first", "not all", "without tasks for a while", "never alone", "rolled back"],
)
def test_a_release_is_seen_with_each_example_or_the_gap_is_named(
    minutes: list[dict[str, set[str]]], in_order: str, said: str, tmp_path: Path
) -> None:
    sent, gaps = Sent(), list[str]()
    release(sent, gaps, tmp_path, minutes, examples=3)
    assert sent.in_order == list(in_order)
    assert [said in gap for gap in gaps] == [True] * bool(said)


def test_examples_that_come_with_a_release_are_sent(tmp_path: Path) -> None:
    sent, gaps = Sent(), list[str]()
    queues = Queues(sent, MetricStore(), gaps, records={})
    asyncio.run(queues.include(worker(1), tmp_path))
    assert len(gaps) == 1
    directory = tmp_path / "services" / "mails" / "messages"
    directory.mkdir(parents=True)
    (directory / "one").write_text("new")
    asyncio.run(queues.include(worker(2), tmp_path, judged=True))
    asyncio.run(queues.minute(OLD))
    assert (sent.in_order, gaps) == (["new"], [])


def test_what_an_old_revision_has_finished_says_nothing_of_a_new_one(tmp_path: Path) -> None:
    queues = Queues(Sent(), MetricStore(), [], records={})
    directory = tmp_path / "services" / "mails" / "messages"
    directory.mkdir(parents=True)
    (directory / "one").write_text("one")

    async def story() -> list[bool]:
        await queues.include(worker(1), tmp_path)
        await queues.minute(OLD)
        await queues.include(worker(2), tmp_path, judged=True)
        known = [queues.knows_work(OLD), queues.knows_work(NEW)]
        await queues.minute(NEW)
        return [*known, queues.knows_work(NEW)]

    assert asyncio.run(story()) == [True, False, True]


def test_a_queue_that_a_release_drops_gets_no_messages_until_it_is_rolled_back(tmp_path: Path) -> None:
    sent = Sent()
    queues = Queues(sent, MetricStore(), [], records={})
    directory = tmp_path / "services" / "mails" / "messages"
    directory.mkdir(parents=True)
    (directory / "one").write_text("one")

    async def story() -> list[list[str]]:
        names = []
        for stack, judged in ((worker(1), False), (worker(2, "post"), True), (worker(1), False)):
            await queues.include(stack, tmp_path, judged=judged)
            sent.queues.clear()
            await queues.minute(NEW if judged else OLD)
            names.append(sent.queues.copy())
        return names

    assert asyncio.run(story()) == [["mails"], ["post"], ["mails"]]
