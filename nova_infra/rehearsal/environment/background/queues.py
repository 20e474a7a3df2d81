"""Messages for workers, and what CloudWatch measures of their queues."""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nova_infra.rehearsal.advice import MESSAGES, is_project, place_of
from nova_infra.rehearsal.clock import COMPRESSED, Pace
from nova_infra.rehearsal.cloudformation import physical
from nova_infra.rehearsal.cloudformation.physical import QUEUE
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore
from nova_infra.rehearsal.ecs.service_definition import read_service
from nova_infra.rehearsal.environment.background.callers import callers_of
from nova_infra.rehearsal.environment.background.handling import Handling
from nova_infra.rehearsal.environment.background.stand_ins import StandIns
from nova_infra.rehearsal.record import QueueRecord

MESSAGES_PER_MINUTE = 10
"""How many messages a worker gets in a simulated minute."""

_EVERY_SECONDS = 0.1
_TIMES_LONGER = 3
_RECEIVE = "sqs:ReceiveMessage"

POISON = "a message that no worker can process"


@dataclass
class _Queue:
    """A queue that is measured.

    Attributes:
        samples: Bodies of its messages, one after the other, without an end; None where it gets none.
        dead: Name of its dead-letter queue; empty where it has none.
        record: What is seen of it.
        hide: Seconds of this machine for which it hides a message.
        poisoned: How many messages a drill has put into its dead-letter queue.
        sent: Minute and how many messages had been sent by its end, oldest first.
        total: How many have been sent.
    """

    samples: Iterator[str] | None
    dead: str
    record: QueueRecord
    hide: float
    poisoned: int = 0
    sent: deque[tuple[int, int]] = field(default_factory=deque)
    total: int = 0


class Queues:
    """Sends every worker its messages, at the same rate all the time, and measures its queues."""

    def __init__(
        self,
        stand_ins: StandIns,
        store: MetricStore,
        gaps: list[str],
        *,
        pace: Pace = COMPRESSED,
        records: dict[str, QueueRecord] | None = None,
    ) -> None:
        """Start without queues.

        Args:
            stand_ins: Where the queues are.
            store: Where measurements go.
            gaps: What cannot be played is added to these sentences.
            pace: How fast time passes.
            records: What is seen of each queue is written here, by its name.
        """
        self._pace = pace
        self._records = records if records is not None else {}
        self._stand_ins = stand_ins
        self._store = store
        self._gaps = gaps
        self._queues: dict[str, _Queue] = {}
        self._poisoned: set[str] = set()

    def poison(self, stack: PlayedStack, *, poisoned: bool) -> None:
        """Start or stop adding a dead message to each of a stack's queues every minute."""
        names = set(map(stack.physical_name, stack.resources(QUEUE)))
        self._poisoned = self._poisoned | names if poisoned else self._poisoned - names

    async def include(self, stack: PlayedStack, sources: Path) -> None:
        """Create what a stack declares, and send messages to its queues from the next minute on."""
        await self._stand_ins.apply(stack)
        workers = _workers_of(stack)
        queues = {stack.physical_name(each): stack.properties(each) for each in stack.resources(QUEUE)}
        dead_letters = {name: _dead_letters_of(properties) for name, properties in queues.items()}
        taken = _taken_of(stack, dead_letters)
        for name, properties in queues.items():
            dead = dead_letters[name]
            if name in self._queues or name in dead_letters.values() or not (dead or workers):
                continue
            is_taken = name in taken
            examples = _examples(stack, sources) if is_taken else []
            if is_taken and not examples:
                place = place_of(MESSAGES, in_project=is_project(sources))
                self._gaps.append(f"{name}: its worker got no messages: add example messages to {place}, one per file")
            samples = itertools.cycle(examples) if examples else None
            record = QueueRecord(float(properties.get("VisibilityTimeout", 30)), workers=workers)
            if is_taken:  # What nobody here takes messages of is measured, and no worker is judged by it.
                self._records[name] = record
            hide = max(record.hidden * self._pace.seconds_per_minute / 60, 1.0)
            self._queues[name] = _Queue(samples, dead, record, hide)

    async def minute(self) -> None:
        """Send a minute's messages, and measure what is left of the earlier ones."""
        for name, queue in self._queues.items():
            if queue.samples is not None:
                await self._stand_ins.send(name, list(itertools.islice(queue.samples, MESSAGES_PER_MINUTE)))
                queue.total += MESSAGES_PER_MINUTE
                queue.record.sent += MESSAGES_PER_MINUTE
                queue.sent.append((self._store.minute, queue.total))
                if not self._pace.is_real:
                    await self._let_work(name, queue)
            if name in self._poisoned and queue.dead:
                await self._stand_ins.send(queue.dead, [POISON])
                queue.total += 1
                queue.poisoned += 1
            waiting, taken = await self._stand_ins.waiting(name)
            dead = sum(await self._stand_ins.waiting(queue.dead)) if queue.dead else 0
            queue.record.dead, queue.record.left = dead - queue.poisoned, waiting
            done = queue.total - waiting - taken - dead
            while queue.sent and queue.sent[0][1] <= done:
                queue.sent.popleft()
            # A message that a dead-letter queue has got is no longer in this one.
            age = 60 * (self._store.minute - queue.sent[0][0]) if queue.sent and waiting + taken else 0
            self._record(name, "ApproximateNumberOfMessagesVisible", waiting)
            self._record(name, "ApproximateNumberOfMessagesNotVisible", taken)
            self._record(name, "ApproximateAgeOfOldestMessage", age)
            if queue.dead:
                self._record(queue.dead, "ApproximateNumberOfMessagesVisible", dead)

    async def _let_work(self, name: str, queue: _Queue) -> None:
        """Hold the clock while the worker works: work takes real time, and a minute's messages have a minute."""
        loop = asyncio.get_running_loop()
        handling, came_back = Handling(queue.record, loop.time()), queue.record.came_back
        while True:
            waiting, taken = await self._stand_ins.waiting(name)
            dead = sum(await self._stand_ins.waiting(queue.dead)) if queue.dead else 0
            done = queue.total - waiting - taken - dead
            if not handling.look(loop.time(), waiting=waiting, taken=taken, done=done):
                break
            await asyncio.sleep(_EVERY_SECONDS)
        if queue.record.slowest * _TIMES_LONGER > queue.hide < queue.record.hidden:
            # So compressed, a message comes back while it is still being handled, as it would not in AWS.
            queue.record.came_back = came_back
            queue.hide = min(_TIMES_LONGER * queue.record.slowest, queue.record.hidden)
            await self._stand_ins.hide(name, queue.hide)

    def _record(self, queue: str, name: str, value: float) -> None:
        self._store.record(Metric.of("AWS/SQS", name, {"QueueName": queue}), value)


def _dead_letters_of(properties: Mapping[str, Any]) -> str:
    """Name of a queue's dead-letter queue; empty where it has none."""
    return str(properties.get("RedrivePolicy", {}).get("deadLetterTargetArn", "")).rpartition(":")[2]


def _taken_of(stack: PlayedStack, dead_letters: Mapping[str, str]) -> set[str]:
    """Names of the queues that a stack's tasks receive from; the others are outputs or dead-letter queues.

    Those that a task role surely lets them receive from. Where that is none, because the role is defined elsewhere or
    lacks the permission: those with a dead-letter queue, or all if none has one.

    Args:
        dead_letters: Name of each of its queues to that of its dead-letter queue; empty where it has none.
    """
    inputs = set(dead_letters) - set(dead_letters.values())
    roles = [caller.role for caller in callers_of(stack, judged=False).values()] if inputs else []
    taken = {
        name
        for name in inputs
        for role in roles
        if role.name and not role.denied([(_RECEIVE, physical.arn(QUEUE, name, stack.home))])
    }
    return taken or {name for name in inputs if dead_letters[name]} or inputs


def _workers_of(stack: PlayedStack) -> list[str]:
    """The services of a stack that no load balancer leads to."""
    services = [read_service(stack, each) for each in stack.resources("AWS::ECS::Service")]
    return [service.name for service in services if not service.groups]


def messages_of(root: Path, service: str) -> list[str]:
    """Bodies of messages of a worker, in the order of their files' names; none where there are no examples."""
    return _texts(root / "services" / service / MESSAGES)


def _examples(stack: PlayedStack, sources: Path) -> list[str]:
    """Bodies of messages of a stack's worker: its own, or else those that an app has for all of its workers."""
    own = [text for service in _service_of(stack, sources) for text in messages_of(sources, service)]
    return own or ([] if is_project(sources) else _texts(sources / MESSAGES))


def _texts(directory: Path) -> list[str]:
    files = sorted(path for path in directory.iterdir() if path.is_file()) if directory.is_dir() else []
    return [path.read_text(encoding="utf-8") for path in files]


def _service_of(stack: PlayedStack, sources: Path) -> list[str]:
    """The worker that a stack belongs to: the longest service name that the stack's name ends with; at most one."""
    names = [path.parent.name for path in (sources / "services").glob(f"*/{MESSAGES}")]
    return sorted((name for name in names if stack.name.endswith(f"-{name}")), key=len)[-1:]
