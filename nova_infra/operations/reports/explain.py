"""``nova explain``: why a release failed: stopped tasks' reasons and events, what they mean, what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nova_infra.deployed.aws.toolchain import ToolchainAccount
from nova_infra.deployed.model import Alarm, PastDeployment, RunningService, StoppedTask
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.stack import StackEvent
from nova_infra.documents.model import Cell, Document, Foreign, Line, Prose, Section, Table
from nova_infra.documents.text import shortened
from nova_infra.errors import NovaError
from nova_infra.machine.parallel import PartialAnswers, threads
from nova_infra.operations.gates.problems import alarms_of
from nova_infra.operations.records.ledger import Entry, read_ledger
from nova_infra.operations.records.lookup import short
from nova_infra.operations.records.metrics import duration
from nova_infra.operations.reports.background import cause_of_queue
from nova_infra.operations.reports.causes import Cause, cause_of
from nova_infra.operations.reports.failed_jobs import JobFacts, job_trouble, seen_of_jobs

_LOG_LINES = 8
# What ECS calls a deployment that did not end well, or will not.
_ENDED_BADLY = {"ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_REQUESTED", "STOPPED"}
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class ServiceFacts:
    """What was seen of one service.

    Attributes:
        failures: What failed in its stack's latest operation, the first failure first.
    """

    service: RunningService
    stopped: tuple[StoppedTask, ...] = ()
    past: tuple[PastDeployment, ...] = ()
    failures: tuple[StackEvent, ...] = ()
    alarms: tuple[Alarm, ...] = ()


@dataclass(frozen=True)
class FailedAction:
    """What stopped the pipeline.

    Attributes:
        summary: What CodePipeline says about it.
    """

    name: str
    summary: str
    tests: tuple[str, ...]
    commit: str


@dataclass(frozen=True)
class Facts:
    """What was seen of an environment.

    Attributes:
        unseen: What could not be looked at, and why.
        others: Alarms in ALARM that belong to no service, such as the platform's.
    """

    environment: str
    services: tuple[ServiceFacts, ...] = ()
    entries: tuple[Entry, ...] = ()
    action: FailedAction | None = None
    unseen: tuple[str, ...] = ()
    others: tuple[Alarm, ...] = ()
    jobs: tuple[JobFacts, ...] = ()


@dataclass(frozen=True)
class Trouble:
    """What went wrong with one service.

    Attributes:
        words: AWS's own words.
    """

    service: str
    what: str
    cause: Cause
    words: str
    task: StoppedTask | None
    alarms: tuple[Alarm, ...]
    since: datetime | None


def troubles(facts: Facts) -> list[Trouble]:
    """What went wrong, the earliest first."""
    found = [trouble for seen in facts.services if (trouble := _trouble(seen)) is not None]
    found += [trouble for each in facts.jobs if (trouble := _trouble_of_job(each)) is not None]
    return sorted(found, key=lambda trouble: trouble.since or datetime.now(UTC))


def _trouble(seen: ServiceFacts) -> Trouble | None:
    latest = seen.past[0] if seen.past else None
    what, since = _what(seen, latest)
    task = _first_failed_task(seen.stopped, latest.started_at if latest else None)
    if not what and not task and not seen.alarms:
        return None
    if not what and task is not None:
        what, since = "its tasks keep ending" if len(seen.stopped) > 1 else "one of its tasks ended", task.at
    if not what:
        what, since = "one of its alarms is red", seen.alarms[0].since
    words = _words(seen, latest, task)
    cause = cause_of(words, task.exit_code if task else None)
    if task is None and (seen.alarms or (latest and latest.alarms)) and not seen.failures:
        cause = cause_of("alarm")
        if what == "one of its alarms is red":
            queued = cause_of_queue(seen.service.stack, [alarm.name for alarm in seen.alarms])
            cause = queued or Cause(
                "No deployment failed: something else turned the alarm red.",
                "look at its metric on the dashboard; roll back if it started with the latest release",
                cause.source,
            )
    return Trouble(seen.service.name, what, cause, words, task, seen.alarms, since)


def _trouble_of_job(seen: JobFacts) -> Trouble | None:
    found = job_trouble(seen)
    if found is None:
        return None
    return Trouble(seen.job.name, found.what, found.cause, found.words, seen.task, seen.alarms, found.since)


def _what(seen: ServiceFacts, latest: PastDeployment | None) -> tuple[str, datetime | None]:
    if seen.failures:
        return "its stack could not be deployed", seen.failures[0].at
    if latest is not None and latest.status in _ENDED_BADLY:
        words = {"STOPPED": "stopped", "ROLLBACK_FAILED": "rolled back, and the rollback failed too"}
        ended = words.get(latest.status, "rolled back")
        return f"its latest deployment was {ended}", latest.started_at
    for deployment in seen.service.deployments:
        if deployment.rollout_state == "FAILED":
            return "its latest deployment failed", deployment.created_at
        if deployment.rollout_state == "IN_PROGRESS" and deployment.failed:
            return f"{deployment.failed} tasks of its current deployment failed", deployment.created_at
    if seen.service.running < seen.service.desired:
        return f"only {seen.service.running} of its {seen.service.desired} tasks run", None
    return "", None


def _first_failed_task(stopped: Sequence[StoppedTask], since: datetime | None) -> StoppedTask | None:
    """The first task that ended for a reason other than being no longer wanted."""
    bad = [task for task in stopped if not cause_of(task.words, task.exit_code).harmless]
    recent = [task for task in bad if since is None or task.at is None or task.at >= since]
    return min(recent, key=lambda task: task.at or _EARLIEST, default=None)


def _words(seen: ServiceFacts, latest: PastDeployment | None, task: StoppedTask | None) -> str:
    """The most telling of AWS's own words: about a task, else why none was started, else about the deployment."""
    if task is not None:
        return task.words
    if latest is not None and latest.alarms:
        return latest.reason
    refused = [event for event in seen.service.events if "unable to place" in event or "unhealthy in" in event]
    if refused:
        return refused[0]
    if seen.failures:
        return f"{seen.failures[0].logical_id}: {seen.failures[0].reason}"
    reasons = [latest.reason if latest else "", *(deployment.reason for deployment in seen.service.deployments)]
    return next((reason for reason in reasons if reason), "")


def observe(environment: ObservedEnvironment, toolchain: ToolchainAccount | None) -> Facts:
    """Look at an environment, and at the pipeline where that is possible."""
    services = environment.services()
    answers = PartialAnswers()
    red = [a for a in answers.ask("the alarms", environment.alarms, ()) if a.state == "ALARM" and not a.composite]

    def facts(service: RunningService) -> ServiceFacts:
        name, stack = service.name, service.stack
        return ServiceFacts(
            service=service,
            stopped=answers.ask("stopped tasks", lambda: environment.stopped_tasks(name), ()),
            past=answers.ask("past deployments", lambda: environment.past_deployments(name), ()),
            failures=answers.ask("CloudFormation's events", lambda: environment.failures(stack), ()),
            alarms=tuple(alarms_of(service, red, services)),
        )

    with threads() as pool:
        # What cannot be asked of the first is not asked of the others.
        seen = (*map(facts, services[:1]), *pool.map(facts, services[1:]))
    entries = answers.ask("the ledger", lambda: read_ledger(environment).entries, ())
    action = answers.ask("the pipeline", lambda: failed_action(toolchain), None)
    jobs = seen_of_jobs(environment, red, answers)
    own = {alarm.name for alarms in (*(s.alarms for s in seen), *(j.alarms for j in jobs)) for alarm in alarms}
    others = tuple(alarm for alarm in red if alarm.name not in own)
    return Facts(environment.name, seen, entries, action, answers.unread, others, jobs)


def failed_action(toolchain: ToolchainAccount | None) -> FailedAction | None:
    """What stopped the latest execution of the pipeline that ended, if something did."""
    if toolchain is None:
        raise NovaError("it is in a different account from these credentials")
    ended = next((e for e in toolchain.executions() if e.status in ("Succeeded", "Failed", "Stopped")), None)
    if ended is None or ended.status != "Failed":
        return None
    failed = next((action for action in toolchain.actions(ended.id) if action.status == "Failed"), None)
    if failed is None:
        return None
    tests = toolchain.failed_tests(failed.build) if failed.build else ()
    return FailedAction(failed.full_name, failed.summary, tests, ended.commit)


def last_log(environment: ObservedEnvironment, facts: Facts) -> tuple[str, ...]:
    """The last log lines of the first failed task, or a line that says why they cannot be read."""
    found = troubles(facts)
    if not found or found[0].task is None or not found[0].task.log_stream:
        return ()
    try:
        return environment.log_lines(found[0].service, found[0].task.log_stream, _LOG_LINES)
    except NovaError as error:
        return (f"not readable: {error}",)


def document(facts: Facts, logs: Sequence[str] = (), *, now: datetime) -> Document:
    """The explanation, as rows with a label each.

    Args:
        logs: The last log lines of the first failed task.
    """
    found = troubles(facts)
    lines = _about(facts, found[0], logs, now) if found else _about_nothing(facts)
    rows = Table((*lines, *_about_all(facts, found, now)))
    return Document(_headline(facts, found, now), sections=(Section("", (rows,)),))


def _headline(facts: Facts, found: Sequence[Trouble], now: datetime) -> str:
    if found:
        first = found[0]
        ago = f", {duration(now - first.since)} ago" if first.since else ""
        return f"{facts.environment}: {first.service}: {first.what}{ago}."
    if facts.others:
        return f"{facts.environment}: its services run as they should; {facts.others[0].name} is red."
    if facts.action is not None:
        return f"{facts.environment}: its services run as they should; {facts.action.name} stopped the pipeline."
    return f"{facts.environment}: no failure is visible."


def _about(facts: Facts, trouble: Trouble, logs: Sequence[str], now: datetime) -> Iterator[tuple[Cell, Cell]]:
    yield "Why", Prose(trouble.cause.sentence)
    if trouble.words:
        yield "AWS says", Line.of(Foreign(shortened(trouble.words, 400)))
    if trouble.task is not None and trouble.task.exit_code is not None:
        yield "Exit code", str(trouble.task.exit_code)
    for number, line in enumerate(logs):
        yield "Last log" if number == 0 else "", Line.of(Foreign(shortened(line, 300)))
    yield from _red(trouble.alarms, now)
    yield "Next", Prose(trouble.cause.next_step.format(service=trouble.service, environment=facts.environment))


def _red(alarms: Sequence[Alarm], now: datetime) -> Iterator[tuple[Cell, Cell]]:
    for alarm in alarms:
        since = f" for {duration(now - alarm.since)}" if alarm.since else ""
        yield "Alarm", Line.of(f"{alarm.name} is red{since}: ", Foreign(shortened(alarm.reason, 300)), tone="bad")


def _about_nothing(facts: Facts) -> Iterator[tuple[Cell, Cell]]:
    if facts.others:
        where = f"`nova status {facts.environment}` shows its jobs and queues"
        yield "Next", Prose(f"{where}; `nova logs JOB {facts.environment}` shows what a job's runs printed")
    elif facts.action is None:
        yield "Next", Prose(f"`nova status {facts.environment}`, and `nova verify {facts.environment}`")


def _about_all(facts: Facts, found: Sequence[Trouble], now: datetime) -> Iterator[tuple[Cell, Cell]]:
    yield from _red(facts.others, now)
    for other in found[1:]:
        yield "Also", f"{other.service}: {other.what}. {other.cause.sentence}"
    if facts.action is not None:
        failed = f"{facts.action.name} failed for {short(facts.action.commit) or 'an unknown commit'}"
        summary = shortened(facts.action.summary, 200)
        yield "Pipeline", Line.of(f"{failed}: ", Foreign(summary)) if summary else failed
        for number, test in enumerate(facts.action.tests[:3]):
            yield "Failed test" if number == 0 else "", Line.of(Foreign(shortened(test, 300)))
        if facts.action.name.endswith(".Preflight"):
            yield "Refused by", Prose(f"`nova preflight {facts.environment}` says what blocks a deployment now")
        elif not found:
            yield (
                "Next",
                "fix what the test reports, or retry the stage if the test was at fault; nothing is broken here",
            )
    latest = facts.entries[0] if facts.entries else None
    good = next((entry for entry in facts.entries if entry.good), None)
    if latest is not None:
        ago = f"{duration(now - latest.at)} ago"
        yield "Released last", Line.of(f"{short(latest.release)}: {latest.outcome} {ago} by ", Foreign(latest.by))
    if good is not None and good is not latest:
        yield "Last good", f"{short(good.release)}: {good.outcome} {duration(now - good.at)} ago"
        if good.release != (latest.release if latest else ""):
            yield "Way back", Line.of(Foreign(f"nova rollback {facts.environment} --to {short(good.release)} --plan"))
    if found:
        yield "Read", found[0].cause.source
    for line in facts.unseen:
        yield "Not seen", Line.of(Foreign(line), tone="warn")
