"""``nova logs``: the log of a service, joined across its tasks; ``deployed/aws/tasks`` reads it from CloudWatch."""

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

from nova_infra.deployed.task import LogEvent
from nova_infra.errors import PassingError, RefusedError
from nova_infra.operations.records.ledger import ReleasedImage

_SPAN = re.compile(r"(\d+)(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LATE = timedelta(seconds=20)
"""CloudWatch shows a line some seconds after it was written, and not in the order of the tasks."""

_REMEMBERED = 10_000
_FIRST = ("level", "message", "event", "request_id")
_TIMES = ("time", "timestamp", "ts")


class Logged(Protocol):
    """Where the lines come from: :class:`nova_infra.deployed.aws.tasks.AwsTasks`."""

    def log_events(self, service: str, *, since: datetime, pattern: str = "") -> Iterator[LogEvent]:
        """The lines of all tasks of a service."""


def span(written: str) -> timedelta:
    """A span of time such as ``90s``, ``15m``, ``2h`` or ``1d``."""
    match = _SPAN.fullmatch(written.strip())
    if match is None or len(match[1]) > 6:
        raise RefusedError(f"time: {written!r} is not a time span: write one such as 90s, 15m, 2h or 1d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def pattern(written: str) -> str:
    """CloudWatch's filter pattern for a text; a pattern stays as it is (FilterAndPatternSyntax)."""
    if not written or written[0] in '{["?%':
        return written
    return '"' + written.replace("\\", "\\\\").replace('"', '\\"') + '"'


def tasks_of(images: Iterable[tuple[str, str | None]], released: ReleasedImage) -> frozenset[str]:
    """The tasks that run a released image.

    Args:
        images: Each task's id, and the digest of its image.
    """
    return frozenset(task for task, digest in images if digest == released.digest)


def follow(
    source: Logged,
    service: str,
    *,
    since: datetime,
    wanted: str,
    only: Collection[str] | None,
    again: Callable[[], bool],
) -> Iterator[LogEvent]:
    """Each line once, in the order in which CloudWatch shows them.

    Args:
        wanted: CloudWatch's filter pattern; empty for all lines.
        only: Ids of the tasks to show; None for all.
        again: Asked after each look, waits as long as it likes, and says whether to look once more.
    """
    seen: OrderedDict[str, None] = OrderedDict()
    looked = False
    while True:
        latest = since
        try:
            for event in source.log_events(service, since=since, pattern=wanted):
                latest = max(latest, event.at)
                if event.id in seen:
                    continue
                seen[event.id] = None
                if only is None or event.task in only:
                    yield event
        except PassingError:
            if not looked:
                raise
        looked = True
        while len(seen) > _REMEMBERED:
            seen.popitem(last=False)
        since = max(since, latest - _LATE)
        if not again():
            return


def line(event: LogEvent) -> str:
    """A line for people: time, task and text; for JSON, first the level, the message and the request id."""
    return f"{event.at.astimezone(UTC):%H:%M:%S.%f}"[:-3] + f" {event.task[:8]} {_readable(event.message)}"


def _readable(message: str) -> str:
    try:
        value = json.loads(message)
    except ValueError:
        return message.rstrip()
    if not isinstance(value, dict):
        return message.rstrip()
    first = [str(value[key]) if key != "request_id" else f"request_id={value[key]}" for key in _FIRST if key in value]
    rest = [f"{key}={_value(each)}" for key, each in value.items() if key not in (*_FIRST, *_TIMES)]
    return " ".join([*first, *rest]).replace("\n", "\n    ")


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
