"""Workers' queues and jobs, as rows of status, explain and brief."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from nova_infra.deployed.background import Backlog, JobRun, RunningJob
from nova_infra.deployed.model import Alarm
from nova_infra.documents.model import Cell, Line
from nova_infra.names import JOB_ALARMS, alarm_name
from nova_infra.operations.records.metrics import duration
from nova_infra.operations.reports.causes import Cause
from nova_infra.schedules import parse

_SQS = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html"
_OF_QUEUES = {
    "dead": Cause(
        "Messages that the worker received again and again, and never deleted, are in the dead-letter queue.",
        "read `nova logs {service} {environment}`, fix the worker and release again; then move the messages back with "
        "`aws sqs start-message-move-task --source-arn` and the ARN of its dead-letter queue",
        _SQS,
    ),
    "oldest": Cause(
        "Messages wait for longer than `oldest_seconds` allows: the worker takes none, or too few.",
        "read `nova logs {service} {environment}`; if it works as it should, give it more tasks with "
        "`nova scale {service} {environment}`",
        _SQS,
    ),
}

UNWATCHED = Line.of("none", tone="warn")
"""Shown for a service without alarms: nothing would notice its failure."""


@dataclass(frozen=True)
class JobStatus:
    """One job in one environment.

    Attributes:
        last: What came of the latest run that has ended, and how long ago, in words.
        next_at: When it runs next, UTC; None where no schedule says so.
        well: Nothing about it needs attention.
    """

    job: str
    running: int
    last: str
    next: str
    next_at: datetime | None
    alarms: tuple[str, ...]
    well: bool
    watched: bool = True


def job_status(job: RunningJob, alarms: Sequence[Alarm], now: datetime) -> JobStatus:
    """Remarks about a job."""
    own = {alarm_name(job.stack, kind): kind for kind in JOB_ALARMS}
    red = tuple(own[alarm.name] for alarm in alarms if alarm.name in own and alarm.state == "ALARM")
    ended = next((run for run in job.runs if run.status != "RUNNING"), None)
    next_at = _next(job, now)
    return JobStatus(
        job=job.name,
        running=sum(run.status == "RUNNING" for run in job.runs),
        last=_told(ended, now) if ended else "never ran" if not job.runs else "its first run is under way",
        next=_next_in_words(job, next_at, now),
        next_at=next_at,
        alarms=red,
        # A run that somebody stopped is no fault of the job's.
        well=not red
        and (ended is None or ended.status in ("SUCCEEDED", "ABORTED"))
        and (job.enabled or not job.schedule),
        watched=any(alarm.name in own for alarm in alarms),
    )


def queue_in_words(backlog: Backlog) -> str:
    """How full the queues of a worker are."""
    waiting = f"{backlog.waiting} waiting"
    if backlog.in_flight:
        waiting += f", {backlog.in_flight} in flight"
    return f"{waiting}, {backlog.dead} dead" if backlog.dead else waiting


def cause_of_queue(service: str, alarms: Sequence[str]) -> Cause | None:
    """What the alarms on a worker's queues mean; None where none of them is one."""
    return next((cause for kind, cause in _OF_QUEUES.items() if alarm_name(service, kind) in alarms), None)


def job_row(job: JobStatus) -> tuple[Cell, ...]:
    """The row of a job in the table of services: its runs are its tasks, and its last and next run its deployment."""
    return (
        "" if job.well else Line.of("✗", tone="bad"),
        f"  {job.job}",
        Line.of("job", tone="quiet"),
        str(job.running) if job.running else "",
        Line.of(f"{job.last}; {job.next}", tone="" if job.well else "bad"),
        _alarms(job),
    )


def _alarms(job: JobStatus) -> Line:
    if not job.watched:
        return UNWATCHED
    return Line.of(", ".join(job.alarms), tone="bad") if job.alarms else Line.of("ok", tone="quiet")


def _told(run: JobRun, now: datetime) -> str:
    ended = run.ended or run.began
    return f"{run.status.lower().replace('_', ' ')} {duration(now - ended)} ago"


def _next(job: RunningJob, now: datetime) -> datetime | None:
    """When a job runs next. A rate counts from the schedule's creation, approximated by the latest run."""
    if not job.schedule or not job.enabled:
        return None
    try:
        schedule = parse(job.schedule)
    except ValueError:
        return None
    after = now
    if job.schedule.startswith("rate("):
        after = job.runs[0].began if job.runs else now
    times = schedule.times(after, ZoneInfo(job.time_zone))
    return next((moment for moment in times if moment > now), None)


def _next_in_words(job: RunningJob, moment: datetime | None, now: datetime) -> str:
    if not job.schedule:
        return "has no schedule"  # a release starts it, or a person
    if not job.enabled:
        return "its schedule is disabled"
    return f"next in {duration(moment - now)}" if moment else "never comes again"
