"""Explains why a job failed, from its runs and its stack."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from nova_infra.deployed.background import RunningJob
from nova_infra.deployed.model import Alarm
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.stack import StackEvent
from nova_infra.machine.parallel import PartialAnswers
from nova_infra.names import JOB_ALARMS, alarm_name
from nova_infra.operations.reports.causes import Cause, cause_of

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


@dataclass(frozen=True)
class JobFacts:
    """What was seen of one job.

    Attributes:
        failures: What failed in its stack's latest operation, the first failure first.
        alarms: Its alarms that are in ALARM, where it is in trouble.
    """

    job: RunningJob
    failures: tuple[StackEvent, ...] = ()
    alarms: tuple[Alarm, ...] = ()


@dataclass(frozen=True)
class JobTrouble:
    """What went wrong with a job.

    Attributes:
        what: What happened to it.
        since: When.
        words: AWS's own words; empty where there are none.
        cause: Why.
    """

    what: str
    since: datetime | None
    words: str
    cause: Cause


def seen_of_jobs(
    environment: ObservedEnvironment, red: Sequence[Alarm], answers: PartialAnswers
) -> tuple[JobFacts, ...]:
    """Look at an environment's jobs.

    Args:
        answers: Remembers what could not be looked at.
    """
    found = []
    for job in answers.ask("jobs", environment.jobs, ()):
        seen = JobFacts(job, answers.ask("CloudFormation's events", partial(environment.failures, job.stack), ()))
        if job_trouble(seen) is not None:
            own = {alarm_name(job.stack, kind) for kind in JOB_ALARMS}
            seen = replace(seen, alarms=tuple(alarm for alarm in red if alarm.name in own))
        found.append(seen)
    return tuple(found)


def job_trouble(seen: JobFacts) -> JobTrouble | None:
    """What went wrong with a job; None where nothing did.

    A run that somebody stopped is not the job's fault.
    """
    if seen.failures:
        words = f"{seen.failures[0].logical_id}: {seen.failures[0].reason}"
        return JobTrouble("its stack could not be deployed", seen.failures[0].at, words, cause_of(words))
    ended = next((run for run in seen.job.runs if run.status not in ("RUNNING", "ABORTED")), None)
    if ended is None or ended.status not in _ENDED_BADLY:
        return None
    what, cause = _ENDED_BADLY[ended.status]
    return JobTrouble(what, ended.ended or ended.began, "", cause)
