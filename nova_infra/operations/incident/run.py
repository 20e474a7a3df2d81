"""``nova run``: runs a task of a service with another command, such as a migration or a repair."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from nova_infra.deployed.task import LogEvent, OneOff, TaskDetail
from nova_infra.errors import AwsError, NovaError

_LOG_LOOKS = 5
"""CloudWatch shows the last lines some seconds after the task has ended."""


class Runner(Protocol):
    """Where tasks run: :class:`nova_infra.deployed.aws.tasks.AwsTasks`."""

    def start_task(self, service: str, command: Sequence[str]) -> OneOff:
        """Start one task."""

    def wait_for_task(self, arn: str) -> Iterator[TaskDetail]:
        """A task each time that it is looked at, until it has ended."""

    def stop_task(self, arn: str, reason: str) -> None:
        """Stop a task."""

    def log_events(self, service: str, *, since: datetime, streams: Sequence[str] = ()) -> Iterator[LogEvent]:
        """The lines of a task."""

    def now(self) -> datetime:
        """The time by the environment's clock, UTC."""


def run(
    environment: Runner,
    service: str,
    command: Sequence[str],
    *,
    notify: Callable[[str], None],
    write: Callable[[str], None],
    wait: Callable[[], None],
) -> int:
    """Run a command in a task with a service's image, role and network; stop it where this is interrupted.

    Returns:
        The command's exit code.

    Raises:
        AwsError: The task did not run.
    """
    began = environment.now() - timedelta(minutes=1)
    task = environment.start_task(service, command)
    notify(f"{task.arn.rpartition('/')[2]}: starts")
    seen: set[str] = set()
    status = ""
    last = None
    try:
        for last in environment.wait_for_task(task.arn):
            if last.status != status:
                status = last.status
                notify(f"{last.id}: {status.lower()}")
            _show(environment, service, task, began, seen, write)
        for _ in range(_LOG_LOOKS):
            if _show(environment, service, task, began, seen, write) == 0 and seen:
                break
            wait()
    except BaseException:
        if status != "STOPPED":
            _stop(environment, task, notify)
        raise
    if last is None or last.exit_code is None:
        raise AwsError(f"{service}: the task did not run: {last.reason if last else 'ECS does not know it'}")
    return last.exit_code


def _stop(environment: Runner, task: OneOff, notify: Callable[[str], None]) -> None:
    """Stop a task; if that fails, report it without hiding why the task is stopped."""
    name = task.arn.rpartition("/")[2]
    try:
        environment.stop_task(task.arn, "nova run was interrupted")
    except NovaError as error:
        cluster = task.arn.split("/")[-2]
        command = f"aws ecs stop-task --cluster {cluster} --task {name}"
        notify(f"warning: {name}: was not stopped and still runs: {error}: stop it with `{command}`")
    else:
        notify(f"{name}: is stopped")


def _show(
    environment: Runner, service: str, task: OneOff, since: datetime, seen: set[str], write: Callable[[str], None]
) -> int:
    """Write the new lines of a task's output; return how many there were."""
    before = len(seen)
    # Before the first line there is no stream, which is not an error here: what the log lacks, the exit code shows.
    with contextlib.suppress(NovaError):
        for event in environment.log_events(service, since=since, streams=[task.log_stream]):
            if event.id not in seen:
                seen.add(event.id)
                write(event.message.rstrip("\n"))
    return len(seen) - before
