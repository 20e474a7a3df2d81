"""Refuses queues that contradict themselves or each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nova_infra.config.environment import Environment
from nova_infra.config.faults.locations import KeyPlace
from nova_infra.config.resolved import resolved, usable
from nova_infra.config.services.service import Service
from nova_infra.config.services.worker import Queue
from nova_infra.names import environment_prefix, stack_name

MAX_NAME = 80
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html."""

_KEPT_SECONDS = 14 * 24 * 60 * 60
"""For how long a queue that Nova makes keeps a message."""

_VARIABLES = ("QUEUE_URL", "DEAD_QUEUE_URL")
"""Where a worker finds its queues."""


def of_one(key: str, service: Service) -> Iterator[str]:
    """A queue's keys that are missing or too many, and a name that leaves no room for the other one's."""
    queue = service.queue
    for name in _VARIABLES if queue is not None else ():
        for table in ("environment", "secrets"):
            if name in getattr(service, table):
                yield f"{key}.{table}: sets {name}, where Nova writes the address of its queue: choose another name"
    if queue is not None and queue.existing and not (queue.name and queue.dead):
        yield f"{key}.queue.existing: needs the names of both queues: write name and dead"
    if queue is not None and queue.tries * queue.visibility_seconds > _KEPT_SECONDS:
        yield (
            f"{key}.queue.tries: {queue.tries} of {queue.visibility_seconds} s each take longer than the 14 days that "
            "SQS keeps a message, so none would reach the dead-letter queue: lower it, or lower visibility_seconds"
        )
    if queue is not None and queue.key and not queue.existing:
        yield f"{key}.queue.key: belongs to a queue that exists, and SQS's own key encrypts this one: remove it"
    if queue is not None and (queue.name or queue.dead):
        work, dead = queue.names("")
        if len(work) > MAX_NAME:
            yield f"{key}.queue.name: makes {work!r}, and SQS takes {MAX_NAME} characters: shorten it"
        elif len(dead) > MAX_NAME and queue.dead:
            yield f"{key}.queue.dead: makes {dead!r}, and SQS takes {MAX_NAME} characters: shorten it"
        elif len(dead) > MAX_NAME and not queue.existing:
            yield (
                f"{key}.queue.name: leaves no room for the dead-letter queue's name, {dead!r}, which may have "
                f"{MAX_NAME} characters: shorten it, or write dead"
            )


def notes(services: Sequence[Service], environments: Sequence[Environment]) -> Iterator[str]:
    """Where the alarm on the age of messages is of no use to a deployment: nothing that AWS would refuse."""
    for service in services:
        late: dict[int, list[str]] = {}
        for environment in environments:
            here = resolved(service, environment)
            queue, runtime = here.service.queue, here.environment
            if queue is not None and not queue.fires_within(runtime.rollout.bake_minutes, stops=runtime.scaling.stops):
                late.setdefault(queue.oldest, []).append(environment.name)
        for oldest, names in late.items():
            yield (
                f"{service.name}: in {', '.join(names)} the bake ends before the alarm on messages older than {oldest} "
                "s can fire, so it only notifies: for it to roll back, raise rollout.bake_minutes or lower "
                "queue.oldest_seconds"
            )


def of_its_maker(key: str, queue: Queue | None) -> Iterator[str]:
    """Keys of a queue that exists, written beside that, which only its maker has a say in."""
    if queue is not None and queue.existing:
        for other in ("tries", "visibility_seconds"):
            if other in queue.model_fields_set:
                yield f"{key}.{other}: is set when a queue is created, but this one exists already: remove it"


@dataclass(frozen=True)
class _Made:
    """A queue that Nova makes.

    Attributes:
        key: Where the file gives its name, or would.
        default: Whether the file leaves the name out.
    """

    key: str
    default: bool
    service: str
    environment: str


def between(environments: Mapping[int, Environment], services: Mapping[int, Service], platform: str) -> Iterator[str]:
    """Queues of one account and region that would be made twice, and permissions on those that nobody makes.

    Args:
        platform: What the default names begin with.
    """
    seen: dict[tuple[str, str, str], _Made] = {}
    lines: dict[tuple[str, str], str] = {}
    ends: dict[tuple[str, str], list[str]] = {}
    for place, environment in environments.items():
        own: dict[str, _Made] = {}
        here = {index: each.service for index, each in usable(services, environment).items()}
        for index, service in here.items():
            if service.queue is None or service.queue.existing:
                continue
            where = KeyPlace(index, services[index], place, environment)
            for name, made in _made(service, service.queue, where, environment.name, platform):
                first = seen.setdefault((environment.account, environment.region, name), made)
                if first is not made:
                    lines.setdefault((first.key, made.key), _twice(name, first, made))
                    break  # the other queue has its name from this one
                own[name] = made
        for index, service in here.items() if own else ():
            for line, remedy in _misnamed(f"services[{index}]", service, environment, own):
                line = KeyPlace(index, services[index], place, environment).line(line)
                ends.setdefault((line, remedy), []).append(environment.name)
    yield from lines.values()
    yield from (f"{line} in {', '.join(names)}: {remedy}" for (line, remedy), names in ends.items())


def _twice(name: str, first: _Made, made: _Made) -> str:
    what = f"{made.key}: {'its default, ' if made.default else ''}{name!r}{',' if made.default else ''}"
    other = f"{first.service} ({'by default, ' if first.default else ''}{first.key})"
    once = "and SQS allows each name once: give it its own name"
    if first.environment == made.environment:
        if first.service == made.service:
            return f"{what} is the queue itself ({first.key}): write another name"
        return f"{what} is also a queue of {other}, {once}, or write existing = true"
    where = f"{first.environment} and by {made.environment}, which share an account"
    if first.key == made.key:
        return f"{what} would be made by {where}: write {{environment}} into it"
    return f"{what} of {made.environment} is also a queue of {other} in {first.environment}, {once}"


def _made(
    service: Service, queue: Queue, where: KeyPlace, environment: str, platform: str
) -> Iterator[tuple[str, _Made]]:
    """The names of the queues that are made for a worker in an environment."""
    names = queue.names(stack_name(environment_prefix(platform, environment), service.name))
    for name, key in zip(names, ("name", "name" if queue.dead is None else "dead"), strict=True):
        written = where.line(f"{where.key}.queue.{key}: ").partition(": ")[0]
        yield name, _Made(written, getattr(queue, key) is None, service.name, environment)


def _misnamed(
    key: str, service: Service, environment: Environment, own: Mapping[str, _Made]
) -> Iterator[tuple[str, str]]:
    """Permissions on queues that Nova makes, but for ``.fifo``: they match nothing. Each with its remedy."""
    begins = f":sqs:{environment.region}:{environment.account}:"
    for place, permission in enumerate(service.permissions):
        for number, arn in enumerate(permission.resources):
            name = arn.partition(begins)[2]
            fifo = name.endswith(".fifo")
            if name not in own and (made := own.get(name.removesuffix(".fifo") if fifo else f"{name}.fifo")):
                where = f"{key}.permissions[{place}].resources[{number}]: ends {'with' if fifo else 'without'} .fifo"
                kind = "no FIFO queue" if fifo else "a FIFO queue"
                yield (
                    f"{where}, but the queue of {made.service} ({made.key}) is {kind}",
                    f"{'remove' if fifo else 'add'} .fifo",
                )
