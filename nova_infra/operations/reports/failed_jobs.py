"""Explains why a job failed, from its runs and its stack."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from nova_infra.deployed.background import JobRun, RunningJob
from nova_infra.deployed.model import Alarm, StoppedTask
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.stack import StackEvent
from nova_infra.machine.parallel import PartialAnswers
from nova_infra.names import JOB_ALARMS, TOOK_TOO_LONG, alarm_name
from nova_infra.operations.reports.causes import Cause, cause_of, is_known

_STATES = "https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html"
_ENDED_BADLY = {
    "FAILED": (
        "its latest run failed",
        Cause(
            "The program ended with an error, or its task could not be started.",
            "read `nova logs {service} {environment}`, fix the program and release again",
            _STATES,
        ),
    ),
    "TIMED_OUT": (
        "its latest run took too long",
        Cause(
            "The run took longer than its `timeout_seconds`, so it was stopped.",
            "read `nova logs {service} {environment}`; raise `timeout_seconds` in nova.toml, or make it faster",
            _STATES,
        ),
    ),
}


_MISSED = Cause(
    "EventBridge Scheduler could not start the job's state machine within an hour, so a run is missing.",
    "look for throttling or a changed role in CloudTrail's StartExecution events; `nova tasks {service} {environment}` "
    "prints the command that starts the run now",
    "https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html",
)


@dataclass(frozen=True)
class JobFacts:
    """What was seen of one job.

    Attributes:
        failures: What failed in its stack's latest operation, the first failure first.
        task: That of its latest run, if that failed.
    """

    job: RunningJob
    failures: tuple[StackEvent, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    task: StoppedTask | None = None


@dataclass(frozen=True)
class JobTrouble:
    """What went wrong with a job.

    Attributes:
        words: AWS's own words; empty where there are none.
    """

    what: str
    since: datetime | None
    words: str
    cause: Cause


def seen_of_jobs(
    environment: ObservedEnvironment, red: Sequence[Alarm], answers: PartialAnswers
) -> tuple[JobFacts, ...]:
    """Look at an environment's jobs."""
    found = []
    for job in answers.ask("jobs", environment.jobs, ()):
        own = {alarm_name(job.stack, kind) for kind in JOB_ALARMS}
        failures = answers.ask("CloudFormation's events", partial(environment.failures, job.stack), ())
        run = None if failures else _failed_run(job)
        task = answers.ask("a job's failed run", partial(environment.failed_task, run), None) if run else None
        seen = JobFacts(job, failures, tuple(alarm for alarm in red if alarm.name in own), task)
        found.append(seen if job_trouble(seen) is not None else replace(seen, alarms=()))
    return tuple(found)


def job_trouble(seen: JobFacts) -> JobTrouble | None:
    """What went wrong with a job; None where nothing did.

    A run that somebody stopped is not the job's fault.
    """
    if seen.failures:
        words = f"{seen.failures[0].logical_id}: {seen.failures[0].reason}"
        return JobTrouble("its stack could not be deployed", seen.failures[0].at, words, cause_of(words))
    if (ended := _failed_run(seen.job)) is not None:
        words = seen.task.words if seen.task else ""
        what, cause = _ENDED_BADLY["TIMED_OUT" if words.startswith(TOOK_TOO_LONG) else ended.status]
        if seen.task is not None and is_known(known := cause_of(words, seen.task.exit_code)):
            cause = known
        return JobTrouble(what, ended.ended or ended.began, words, cause)
    missed = next((alarm for alarm in seen.alarms if alarm.name == alarm_name(seen.job.stack, "missed")), None)
    return JobTrouble("a run could not be started", missed.since, missed.reason, _MISSED) if missed else None


def _failed_run(job: RunningJob) -> JobRun | None:
    ended = next((run for run in job.runs if run.status not in ("RUNNING", "ABORTED")), None)
    return ended if ended is not None and ended.status in _ENDED_BADLY else None
