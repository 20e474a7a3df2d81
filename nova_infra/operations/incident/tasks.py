"""``nova tasks``: the tasks of a service, as a report; which one ``nova exec`` enters."""

from collections.abc import Sequence
from datetime import datetime

from nova_infra.deployed.model import Image, short_digest
from nova_infra.deployed.task import TaskDetail
from nova_infra.documents.model import Document, Paragraph, Section, Table
from nova_infra.errors import RefusedError
from nova_infra.operations.records.lookup import ago

_HEAD = ("Task", "State", "Health", "Revision", "Image", "Zone", "Started", "Ended")


def document(tasks: Sequence[TaskDetail], *, now: datetime) -> Document:
    """A row for each task."""
    if not tasks:
        return Document(sections=(Section("", (Paragraph.of("no task runs, and none ended within the last hour"),)),))
    return Document(sections=(Section("", (Table(tuple(_row(task, now) for task in tasks), _HEAD),)),))


def _row(task: TaskDetail, now: datetime) -> tuple[str, ...]:
    ended = ""
    if task.stopped is not None:
        code = f" with {task.exit_code}" if task.exit_code is not None else ""
        ended = f"{ago(task.stopped, now)}{code}: {task.reason}".rstrip(": ")
    return (
        task.id,
        task.status.lower(),
        task.health if task.stopped is None else "",
        task.revision.rpartition(":")[2],
        Image.parse(task.image).tag or short_digest(task.digest or ""),
        task.zone,
        ago(task.started, now) if task.started else "not yet",
        ended,
    )


def chosen(tasks: Sequence[TaskDetail], written: str | None, service: str) -> TaskDetail:
    """The task that a person asks for: by the beginning of its id, or the latest one.

    Raises:
        RefusedError: There is none, or there are several.
    """
    running = [task for task in tasks if task.status == "RUNNING"]
    found = [task for task in running if written is None or task.id.startswith(written)]
    if not found or (written is not None and len(found) > 1):
        known = ", ".join(task.id[:8] for task in running) or "none"
        wrong = f"{written!r} is not one of its tasks" if written else "no task of it runs"
        raise RefusedError(f"{service}: {wrong}: running are {known}")
    return found[-1]
