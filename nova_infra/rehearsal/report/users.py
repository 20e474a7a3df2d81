"""The third verdict, "!": what users would notice and nothing stops, such as memory that is full in a day."""

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from typing import Literal

from nova_infra.documents.text import counted, in_words, listed, said_once
from nova_infra.rehearsal.record import DeploymentRecord, QueueRecord, Record
from nova_infra.rehearsal.report.answers import what_breaks, what_others_break
from nova_infra.rehearsal.report.connections import too_many_connections
from nova_infra.rehearsal.slowness import SLOWER_TIMES, times_slower

_MOST_NAMED = 3
_MINUTES_WAITING = 2
"""A message that waits longer is not merely about to be received."""
_NO_ANSWER = (0, 502, 504)
_CHANGING = ("POST", "PATCH")
"""Methods that are not idempotent (RFC 9110, 9.2.2): a repeated request takes effect twice."""
_FEWEST_STEPS = 3
_STEADY = 0.8
_NOTICED_SECONDS = 0.05
_FEWEST_SLOW = 4
_SHARE_OF_SLOW = 0.015
"""Of its answers, from which on a release is slow for some. Fewer say nothing: a minute has forty requests."""
_SOON_MINUTES = 240
"""Memory leaks when it grows in four of five minutes, so fast that a task is full within that time."""
_DAY_MINUTES = 1440
_WHOLE = 0.5
"""Minutes below which the last sample is a part of one."""
_FEWEST_STEPS_FOR_A_DAY = 6
"""A slower leak shows if more minutes were measured, memory grew in each, and grew no more slowly in the end, as it
does where a cache fills up or a program warms up."""
_LEAST_GROWN = 8.0
_EVEN = 1.25
"""A runtime lets some MiB fill before it collects garbage, unlike a leak by as much each minute: the greatest step is
at most so many times the least."""


def what_users_meet(record: Record) -> list[str]:
    """What users notice, now or soon, although nothing stopped the release, a clause each."""
    services = sorted({each.service for each in record.deployments}, key=len, reverse=True)
    return [*_failed(record), *record.unsafe, *_of_services(said_once(_of_environments(record)), services)]


def _of_services(clauses: list[str], services: list[str]) -> list[str]:
    """Say once what several services share: what a release does to one of forty, it may do to all."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for clause in clauses:
        service = next((each for each in services if clause.startswith(f"{each} ")), "")
        kinds.setdefault((clause.removeprefix(service), clause if not service else ""), []).append(service)
    return [
        f"{first}{rest}{f' (so do {listed(more, _MOST_NAMED)})' if more else ''}"
        for (rest, _), (first, *more) in kinds.items()
    ]


def _failed(record: Record) -> list[str]:
    """How many requests failed, environment by environment, in one clause."""
    failed = [(name, each.failed, each.served) for name, each in record.load.items() if each.failed]
    others = in_words([f"{count} of {total} in {name}" for name, count, total in failed[1:]])
    besides = f" (also {others})" if others else ""
    return [f"{count} of {total} requests in {name} failed{besides}" for name, count, total in failed[:1]]


def _of_environments(record: Record) -> Iterator[tuple[str, str]]:
    """Environments, and what is wrong in them, a clause each."""
    of_revision = {each.new: each.environment for each in record.deployments}
    of_service = {each.service: each.environment for each in record.deployments}
    for revision, clauses in record.denied.items():
        yield from ((of_revision.get(revision, ""), f"AWS denies {revision} {clause}") for clause in clauses)
    for name, queue in record.queues.items():
        environment = next((of_service[each] for each in queue.workers if each in of_service), "")
        yield from ((environment, clause) for clause in _messages(name, queue))
    yield from too_many_connections(record)
    yield from ((name, clause) for name, clauses in record.waits.items() for clause in clauses)
    for said in (loses, what_breaks, _poorer, _cut, _leak, _slower, _killed, _closes_sooner):
        yield from ((each.environment, clause) for each in record.deployments if (clause := said(each)))
    for environment in record.elsewhere:
        yield from ((environment, clause) for clause in what_others_break(record, environment))


def _poorer(deployment: DeploymentRecord) -> str:
    """What good answers lack that users' programs may need. A rolled-back revision does not count."""
    if deployment.baseline or deployment.outcome != "completed" or not deployment.poorer:
        return ""
    return f"in {deployment.service}, {listed(deployment.poorer, _MOST_NAMED)}"


def loses(deployment: DeploymentRecord) -> str:
    """That a deployment lost tasks while they served, a clause; empty where it lost none."""
    if not deployment.losses:
        return ""
    tasks = "a task" if len(deployment.losses) == 1 else f"{len(deployment.losses)} tasks"
    return f"{deployment.service} lost {tasks} while serving, the last because {deployment.losses[-1]}"


def handled_twice(name: str, queue: QueueRecord) -> str:
    """Why a worker gets messages again that it still handles, a clause; empty where it does not."""
    if queue.slowest <= queue.hidden:
        return ""
    return (
        f"messages of {name} come back after {queue.hidden:g} s (VisibilityTimeout), and the slowest took its worker "
        f"{round(queue.slowest, 1):g} s: they are handled twice"
    )


def _messages(name: str, queue: QueueRecord) -> Iterator[str]:
    """What happens to messages: SQS hands out again whatever has not been deleted in time."""
    if clause := handled_twice(name, queue):
        yield clause
    elif queue.came_back:
        count = "a message was" if queue.came_back == 1 else f"{queue.came_back} messages were"
        yield f"{count} received from {name} but not deleted, so the queue hands out again what was processed"
    if queue.left > _MINUTES_WAITING * queue.rate and not queue.dead:
        yield (
            f"{_of_sent(queue.left, queue)} of {name} were still waiting at the end: its worker takes none, or too few"
        )
    if queue.dead:
        yield f"{_of_sent(queue.dead, queue)} of {name} ended in its dead-letter queue"


def _of_sent(number: int, queue: QueueRecord) -> str:
    """How many messages: of how many is unknown where some came from elsewhere, such as from another service."""
    return f"{number} of {counted(queue.sent, 'message')}" if number <= queue.sent else counted(number, "message")


def _cut(deployment: DeploymentRecord) -> str:
    """Requests that change something and reached a target, but got no answer."""
    for operation, answers in deployment.answers.items() if not deployment.baseline else ():
        lost, total = sum(answers.get(each, 0) for each in _NO_ANSWER), sum(answers.values())
        before = deployment.answers_before.get(operation, {})
        lost_before = sum(before.get(each, 0) for each in _NO_ANSWER) / max(sum(before.values()), 1)
        if operation.partition(" ")[0] in _CHANGING and lost and lost / total > 2 * lost_before:
            times = "once" if lost == 1 else f"{lost} times"
            return (
                f"{deployment.service} received {operation} and did not answer it, {times} of {total}: clients that "
                "retry "
                "do it twice"
            )
    return ""


def _killed(deployment: DeploymentRecord) -> str:
    if deployment.baseline or not deployment.ignores_sigterm:
        return ""
    return (
        f"every task of {deployment.service} was killed at the end of its stop timeout, with whatever it was doing: it "
        "does not stop on SIGTERM or its STOPSIGNAL, or not in time"
    )


def _closes_sooner(deployment: DeploymentRecord) -> str:
    """A release that closes idle connections before the load balancer does, where what ran before kept them longer.

    Nothing is said where what ran before was not watched for that long: it may have closed them as soon.
    """
    seconds = closes_after(deployment)
    if deployment.baseline or deployment.outcome != "completed" or seconds is None:
        return ""
    if deployment.old is not None and not _kept_longer(deployment, deployment.old, seconds):
        return ""
    return (
        f"{deployment.service} closes idle connections after {seconds:.2g} s, but the load balancer after "
        f"{deployment.idle_timeout:g} s: requests that arrive as it closes one get a 502"
    )


def _kept_longer(deployment: DeploymentRecord, revision: str, seconds: float) -> bool:
    """Whether a revision was seen to keep idle connections for longer, and did not close them too soon itself."""
    closed = deployment.idle.get(revision, math.inf) < deployment.idle_timeout
    return not closed and deployment.kept_open.get(revision, 0.0) > seconds


def closes_after(deployment: DeploymentRecord) -> float | None:
    """Seconds after which a release closes idle connections, where that is before the load balancer does."""
    seconds = deployment.idle.get(deployment.new)
    return seconds if seconds is not None and seconds < deployment.idle_timeout else None


def _slower(deployment: DeploymentRecord) -> str:
    """A release that is much slower than what ran before, and still below the limit of its latency alarm."""
    times = times_slower(deployment)
    if deployment.baseline or deployment.outcome != "completed":
        return ""
    if times < SLOWER_TIMES:
        return _sometimes_slow(deployment)
    new = deployment.requests_to(deployment.new)
    seconds = new.seconds / new.served
    if seconds * (1 - 1 / times) < _NOTICED_SECONDS:
        return ""
    return f"{deployment.service} takes {times:.0f} times as long to answer as before ({1000 * seconds:.0f} ms)"


def _sometimes_slow(deployment: DeploymentRecord) -> str:
    """A release whose slowest answers are much slower than before, however few: a mean hardly moves."""
    old, new = deployment.requests_to(deployment.old or ""), deployment.requests_to(deployment.new)
    if new.slow < _FEWEST_SLOW or not old.served or new.slow / new.served < _SHARE_OF_SLOW:
        return ""
    if new.slow / new.served < SLOWER_TIMES * old.slow / old.served:
        return ""
    return (
        f"{deployment.service} takes a second or longer for {new.slow} of {new.served} answers "
        f"({old.slow} of {old.served} before)"
    )


def _leak(deployment: DeploymentRecord) -> str:
    """Tasks whose memory or disk fills in nearly every minute, too slowly for an alarm during a bake."""
    if deployment.baseline or deployment.outcome != "completed":
        return ""
    return _fills(deployment, "memory") or _fills(deployment, "disk")


def _fills(deployment: DeploymentRecord, what: Literal["memory", "disk"]) -> str:
    samples = [sample for sample in deployment.samples if getattr(sample, what) and sample.percent == 100]
    samples[-1:] = [each for each in samples[-1:] if samples[:-1] and each.minute - samples[-2].minute > _WHOLE]
    held: list[float] = [getattr(sample, what) for sample in samples]
    steps = [after - before for before, after in pairwise(held)]
    if len(steps) < _FEWEST_STEPS:
        return ""
    mean = (held[-1] - held[0]) / (samples[-1].minute - samples[0].minute)
    room: float = getattr(deployment, what) - held[-1]
    growth = min(mean, median(steps))  # One great step is a program that was still starting, as on a busy machine.
    soon = sum(step > 0 for step in steps) >= _STEADY * len(steps) and growth * _SOON_MINUTES >= room
    # A disk holds nothing that settles, so fewer minutes tell, and less.
    fewest = _FEWEST_STEPS_FOR_A_DAY if what == "memory" else _FEWEST_STEPS
    tells = what == "disk" or held[-1] - held[0] >= _LEAST_GROWN or max(steps) <= _EVEN * min(steps)
    in_a_day = len(steps) >= fewest and tells and _goes_on(steps) and growth * _DAY_MINUTES >= room
    if not soon and not in_a_day:
        return ""
    minutes = room / growth
    left = f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
    took = f"took {growth:.2g} MiB more" if what == "memory" else f"wrote {growth:.2g} MiB more to its disk"
    return f"a task of {deployment.service} {took} every minute: at this traffic it runs out of {what} in {left}"


def _goes_on(steps: list[float]) -> bool:
    """Whether memory grew in every minute, and in the end no more slowly."""
    middle = len(steps) // 2
    first, second = steps[:middle], steps[middle:]
    if min(steps) <= 0:
        return False
    return sum(second) / len(second) >= _STEADY * sum(first) / len(first)
