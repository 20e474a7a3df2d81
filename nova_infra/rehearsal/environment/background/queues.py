"""Fills workers' queues, from which moto hands messages out, and measures them as CloudWatch does."""

import asyncio
import itertools
import math
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nova_infra.machine.parallel import gather
from nova_infra.rehearsal.advice import MESSAGES, is_project, place_of
from nova_infra.rehearsal.clock import COMPRESSED, Pace
from nova_infra.rehearsal.cloudformation import physical
from nova_infra.rehearsal.cloudformation.physical import QUEUE
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore
from nova_infra.rehearsal.ecs.service_definition import read_service
from nova_infra.rehearsal.environment.background.callers import callers_of
from nova_infra.rehearsal.environment.background.handling import Dying, Handling
from nova_infra.rehearsal.environment.background.stand_ins import StandIns
from nova_infra.rehearsal.record import QueueRecord

_EVERY_SECONDS = 0.1
_MOST_ENDS = 2  # of a worker's tasks in a minute: ECS takes most of one to start another
_RECEIVE = "sqs:ReceiveMessage"

POISON = "a message that no worker can process"


@dataclass
class _Queue:
    """A queue that is measured.

    Attributes:
        stack: Name of the stack that declares it.
        examples: Bodies of its messages, which are sent in turn; none where it gets none.
        dead: Name of its dead-letter queue; empty where it has none.
        handling: What is known of its worker.
        tries: How often a message is received before it is dead.
        dying: Those that are dead here and not yet in AWS.
        hide: Seconds of this machine for which it hides a message; 0 until it has been told.
        poisoned: How many messages a drill has put into its dead-letter queue.
        sent: Minute, second on this machine's clock, and how many messages had been sent by then, oldest first.
        total: How many have been sent.
        alive: Message to the minute and the second in which it was sent, of those that may still be alive in AWS.
        died: Those that are dead here.
        revisions: What its worker's tasks run.
        turn: How many messages have been sent since these do.
    """

    stack: str
    examples: list[str]
    dead: str
    record: QueueRecord
    handling: Handling
    tries: int
    dying: Dying
    hide: float = 0.0
    poisoned: int = 0
    sent: deque[tuple[int, float, int]] = field(default_factory=deque)
    total: int = 0
    alive: dict[str, tuple[int, float]] = field(default_factory=dict)
    died: set[str] = field(default_factory=set)
    revisions: frozenset[str] = frozenset()
    turn: int = 0


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
            gaps: What cannot be played is added to these sentences.
        """
        self._pace = pace
        self._records = records if records is not None else {}
        self._stand_ins = stand_ins
        self._store = store
        self._gaps = gaps
        self._queues: dict[str, _Queue] = {}
        self._poisoned: set[str] = set()
        self._released: set[str] = set()

    def poison(self, stack: PlayedStack, *, poisoned: bool) -> None:
        """Start or stop adding a dead message to each of a stack's queues every minute."""
        names = set(map(stack.physical_name, stack.resources(QUEUE)))
        self._poisoned = self._poisoned | names if poisoned else self._poisoned - names

    async def include(self, stack: PlayedStack, sources: Path, *, judged: bool = False) -> None:
        """Create what a stack declares, and send messages to its queues from the next minute on.

        Args:
            judged: Whether it is the release's, which should be seen with each of the examples.
        """
        self._released |= set(map(stack.revision, stack.revisions)) if judged else set()
        await self._stand_ins.apply(stack)
        workers = _workers_of(stack)
        queues = {stack.physical_name(each): stack.properties(each) for each in stack.resources(QUEUE)}
        dead_letters = {name: _dead_letters_of(properties) for name, properties in queues.items()}
        taken = _taken_of(stack, dead_letters)
        for dropped in (self._queues[name] for name in self._queues.keys() - queues.keys()):
            # No task of the new revision takes any: waiting for one would hold the clock.
            dropped.examples = [] if dropped.stack == stack.name else dropped.examples
        for name, properties in queues.items():
            dead = dead_letters[name]
            hidden = float(properties.get("VisibilityTimeout", 30))
            tries = int(properties.get("RedrivePolicy", {}).get("maxReceiveCount", 1))
            is_taken, without = name in taken, f"{name}: its worker got no messages"
            examples = _examples(stack, sources) if is_taken else []
            if (known := self._queues.get(name)) is not None:
                known.record.hidden, known.tries, known.dying.minutes = hidden, tries, _minutes(tries, hidden)
                known.hide = 0.0
                if examples and not known.examples:  # They came with the release.
                    self._gaps[:] = [gap for gap in self._gaps if not gap.startswith(without)]
                known.examples = examples or known.examples
            if known or name in dead_letters.values() or not (dead or workers):
                continue
            if is_taken and not examples:
                place = place_of(MESSAGES, in_project=is_project(sources))
                self._gaps.append(f"{without}: add example messages to {place}, one per file")
            record = QueueRecord(hidden, workers=workers)
            if is_taken:  # What nobody here takes messages of is measured, and no worker is judged by it.
                self._records[name] = record
            dying = Dying(_minutes(tries, hidden))
            self._queues[name] = _Queue(stack.name, examples, dead, record, Handling(record), tries, dying)

    async def minute(self, running: Mapping[str, Collection[str]] = MappingProxyType({})) -> None:
        """Send a minute's messages, and measure what is left of the earlier ones.

        Args:
            running: Service to the revisions that its tasks run. New ones get the examples from the first one on.
        """
        for name, queue in self._queues.items():
            revisions = _of_worker(queue, running)
            if revisions and revisions != queue.revisions:
                queue.revisions, queue.turn = revisions, 0
                queue.handling.renew()
            if queue.examples:
                await self._send(name, queue)
            if name in self._poisoned and queue.dead:
                await self._stand_ins.send(queue.dead, [POISON])
                queue.total += 1
                queue.poisoned += 1
        await gather(*(self._measure(name, queue) for name, queue in self._queues.items()))

    def knows_work(self, running: Mapping[str, Collection[str]]) -> bool:
        """Whether the release's workers have each finished a message, or are not expected to."""
        return all(
            not queue.examples
            or (revisions == queue.revisions and (queue.handling.has_finished or queue.handling.gave_up))
            for queue in self._queues.values()
            if (revisions := _of_worker(queue, running)) & self._released
        )

    def note_gaps(self, running: Mapping[str, Collection[str]]) -> None:
        """Note where the release got only some of the examples."""
        for name, queue in self._queues.items():
            revisions, count = _of_worker(queue, running), len(queue.examples)
            is_alone = revisions <= self._released and revisions == queue.revisions
            sent = queue.turn if is_alone else 0
            queue.record.unfinished = 0 if queue.handling.has_finished else sent
            if revisions & self._released and sent < count:
                why = queue.handling.why_so_few if is_alone else "old and new tasks ran to the end"
                because = f", because {why}" if why else ""
                self._gaps.append(
                    f"{name}: the release alone got {sent} of {count} example messages{because}: "
                    f"{'fix that first' if queue.handling.is_stuck else 'a longer bake has time for the others'}"
                )

    async def _send(self, name: str, queue: _Queue) -> None:
        await self._hide(name, queue)
        if not queue.handling.is_due(seen=queue.turn >= len(queue.examples)):
            return
        bodies = list(itertools.islice(itertools.cycle(queue.examples), queue.turn, queue.turn + queue.record.rate))
        now = asyncio.get_running_loop().time()
        queue.alive |= dict.fromkeys(await self._stand_ins.send(name, bodies), (self._store.minute, now))
        queue.turn += len(bodies)
        queue.total += len(bodies)
        queue.record.sent += len(bodies)
        queue.sent.append((self._store.minute, asyncio.get_running_loop().time(), queue.total))

    async def _measure(self, name: str, queue: _Queue) -> None:
        seconds = math.inf
        if queue.examples:
            seconds = await self._let_work(name, queue)
        waiting, taken, dead = await self._look(name, queue)
        queue.record.dead, queue.record.left = dead - queue.poisoned, waiting
        dying = self._dying(name, queue, given_back=seconds < queue.tries * queue.hide / 2)
        gone = queue.total - waiting - taken - dying
        while queue.sent and queue.sent[0][-1] <= gone:
            queue.sent.popleft()
        # A message that a dead-letter queue has got is no longer in this one.
        minutes = self._kept(name, queue, waiting + taken)
        minutes += [queue.sent[0][0]] if queue.sent and waiting + taken + dying else []
        age = 60 * (self._store.minute - min(minutes, default=self._store.minute))
        self._record(name, "ApproximateNumberOfMessagesVisible", waiting)
        self._record(name, "ApproximateNumberOfMessagesNotVisible", taken)
        self._record(name, "ApproximateAgeOfOldestMessage", age)
        if queue.dead:
            self._record(queue.dead, "ApproximateNumberOfMessagesVisible", dead - dying)

    def _dying(self, name: str, queue: _Queue, *, given_back: bool) -> int:
        """How many of the dead messages are alive in AWS, by when they were sent: others are deleted meanwhile."""
        died = self._in_hand(name, queue)[: max(queue.record.dead - len(queue.died), 0)]
        given_back = given_back and self._stand_ins.abandoned.isdisjoint(died)
        sent = queue.sent[0][0] if queue.sent else self._store.minute
        oldest = min((queue.alive[each][0] for each in died), default=sent)
        queue.died.update(died)
        for each in died if given_back else ():
            del queue.alive[each]
        if self._pace.is_real:
            return 0
        return queue.dying.look(self._store.minute, sent=oldest, dead=queue.record.dead, given_back=given_back)

    def _in_hand(self, name: str, queue: _Queue) -> list[str]:
        """The messages that were received and are neither deleted nor dead here, those first that will die first."""
        kept = self._stand_ins.kept(name)
        found = [each for each in queue.alive if each in kept and each not in queue.died]
        return sorted(found, key=lambda each: (-kept[each], queue.alive[each]))

    def _kept(self, name: str, queue: _Queue, left: int) -> list[int]:
        """The minutes of the messages that a task has received and not deleted, as far as their age counts.

        A message that was received three times without being deleted no longer counts:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
        """
        kept = [queue.alive[each][0] for each in self._stand_ins.kept(name) if each in queue.alive]
        counts = min(queue.tries, 2) * queue.record.hidden
        is_heard = len(kept) <= left + queue.record.dead  # Otherwise some were deleted in a way that nobody understood.
        return [each for each in kept if is_heard and 60 * (self._store.minute - each) < counts]

    async def _let_work(self, name: str, queue: _Queue) -> float:
        """Hold the clock while the worker works: work takes real time, and a minute's messages have a minute.

        Returns:
            Seconds from when the oldest message was sent until one died; endless if none did.
        """
        loop = asyncio.get_running_loop()
        first = self._in_hand(name, queue)[:1]
        oldest = queue.alive[first[0]][1] if first else queue.sent[0][1] if queue.sent else loop.time()
        hidden, came_back, alive = queue.hide, queue.record.came_back, queue.record.dead + queue.poisoned
        died = math.inf
        queue.handling.begin(loop.time())
        ended = self._stand_ins.ended[name]
        while self._stand_ins.ended[name] - ended < _MOST_ENDS:
            waiting, taken, dead = await self._look(name, queue)
            now = loop.time()
            if dead > alive:
                died = min(died, now - oldest)
            done = queue.total - waiting - taken - dead
            if not queue.handling.look(now, waiting=waiting, taken=taken, done=done):
                break
            await self._hide(name, queue)
            await asyncio.sleep(_EVERY_SECONDS)
        await self._hide(name, queue)
        if hidden < queue.hide:
            # So compressed, a message comes back while it is still being handled, as it would not in AWS.
            queue.record.came_back = came_back
        return died

    async def _look(self, name: str, queue: _Queue) -> tuple[int, int, int]:
        """How many messages wait, how many are in hand, and how many are dead."""
        waiting, taken = await self._stand_ins.waiting(name)
        return waiting, taken, sum(await self._stand_ins.waiting(queue.dead)) if queue.dead else 0

    async def _hide(self, name: str, queue: _Queue) -> None:
        """Hide messages for as long as it takes by now."""
        seconds = math.ceil(queue.handling.hide(self._pace.seconds_per_minute))
        if seconds != queue.hide:
            queue.hide = seconds
            await self._stand_ins.hide(name, seconds)

    def _record(self, queue: str, name: str, value: float) -> None:
        self._store.record(Metric.of("AWS/SQS", name, {"QueueName": queue}), value)


def _of_worker(queue: _Queue, running: Mapping[str, Collection[str]]) -> frozenset[str]:
    """The revisions that the tasks of a queue's worker run."""
    return frozenset(revision for worker in queue.record.workers for revision in running.get(worker, ()))


def _minutes(tries: int, hidden: float) -> int:
    """How long a message is tried in AWS, in whole minutes."""
    return math.floor(tries * hidden / 60)


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
