"""Converts a worker's queues (``subscribe``) and a job's schedule."""

from nova_infra.scaffold.copilot.reading.part import Part, TomlTable
from nova_infra.scaffold.copilot.reading.values import schedule, seconds, whole_seconds


def convert(part: Part, table: TomlTable) -> None:
    """The queue of a worker, or the schedule of a job."""
    if part.manifest.letter == "W":
        _queue(part, table)
    if part.manifest.letter == "J":
        _schedule(part, table)


def _queue(part: Part, table: TomlTable) -> None:
    tries = part.take("subscribe", "queue", "dead_letter", "tries", kind=int)
    table.put("queue.tries", tries)
    fifo = part.peek("subscribe", "queue", "fifo")
    table.put("queue.fifo", True if isinstance(fifo, dict) else part.take("subscribe", "queue", "fifo", kind=bool))
    table.put(
        "queue.visibility_seconds", part.take("subscribe", "queue", "timeout", kind=object, convert=whole_seconds)
    )
    latency = part.take("count", "queue_delay", "acceptable_latency", kind=object, convert=seconds)
    each = part.take("count", "queue_delay", "msg_processing_time", kind=object, convert=seconds)
    if latency and each:
        table.put("queue.messages_per_task", max(1, int(latency / each)))
        table.put("queue.oldest_seconds", max(60, round(latency)))
    elif part.has("count", "queue_delay"):
        part.fault("count", "queue_delay", what="has no acceptable_latency or no msg_processing_time: write both")
    if "queue" not in table.values and not part.is_override:
        table.values["queue"] = {}


def _schedule(part: Part, table: TomlTable) -> None:
    text = part.peek("on", "schedule")
    if text == "none":
        table.put("schedule", part.take("on", "schedule", kind=str))
    else:
        table.put("schedule", part.take("on", "schedule", kind=object, convert=schedule))
    if text is None and not part.is_override:
        part.fault("on", "schedule", what="is missing: write when the job runs, such as @daily")
    table.put("timeout_seconds", part.take("timeout", kind=object, convert=whole_seconds))
