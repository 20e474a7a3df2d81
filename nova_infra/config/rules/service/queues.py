"""Refuses queues that contradict themselves or each other."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from nova_infra.config.environment import Environment
from nova_infra.config.resolved import resolved
from nova_infra.config.services.service import Service
from nova_infra.config.services.worker import Queue

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


def between(workers: Sequence[tuple[str, Service]]) -> Iterator[str]:
    """Queues of one environment that have the same name.

    Args:
        workers: The workers, as they are in the environment, each with its place in the file.
    """
    seen: dict[str, str] = {}
    for key, service in workers:
        for each, name in _made(service):
            if (other := seen.setdefault(name, service.name)) != service.name:
                what = repr(name) if not name.startswith(":") else f"its default, ending with {name[1:]!r},"
                yield (
                    f"{key}.queue.{each}: {what} is also a queue of {other}, and SQS allows each name once: "
                    "give it its own name, or write existing = true"
                )
                break  # the other queue has its name from this one


def between_environments(environments: Mapping[int, Environment], services: Mapping[int, Service]) -> Iterator[str]:
    """Queues that two environments of one account and region would both make."""
    for index, service in services.items():
        seen: dict[tuple[str, str, str], str] = {}
        for environment in environments.values() if service.kind == "worker" else ():
            try:
                found = resolved(service, environment).service
            except ValidationError:
                continue
            for each, name in _made(found):
                if name.startswith(":"):
                    continue  # a default, which has the environment's name in it
                place = (environment.account, environment.region, name)
                if (other := seen.setdefault(place, environment.name)) != environment.name:
                    yield (
                        f"services[{index}].queue.{each}: {name!r} would be made by {other} and by {environment.name}, "
                        "which share an account: write {environment} into it"
                    )
                    break


def _made(service: Service) -> Iterator[tuple[str, str]]:
    """The names of a worker's own that the queues get which are made for it, each with the key that gives it."""
    queue = service.queue
    if queue is None or queue.existing:
        return
    # A default begins with the environment's prefix, here with a colon, which no given name has.
    stack = f":{service.name}"
    work, dead = queue.names(stack)
    yield "name", work
    yield "dead" if queue.dead is not None else "name", dead
