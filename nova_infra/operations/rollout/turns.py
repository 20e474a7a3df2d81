"""Describes deployments in lines for a pipe: one for each change between two readings."""

from collections.abc import Iterator

from nova_infra.machine.terminal import clock
from nova_infra.operations.rollout.view import JobView, ReleaseView, RolloutView


def turns(before: ReleaseView | None, now: ReleaseView) -> Iterator[str]:
    """What changed, a line each; the first look gives all of it."""
    known = {rollout.service: rollout for rollout in before.rollouts} if before else {}
    for rollout in now.rollouts:
        yield from _turns(known.get(rollout.service), rollout)
    seen = {job.name: job for job in before.jobs} if before else {}
    for job in now.jobs:
        if seen.get(job.name) != job and (job.name in seen or job.running or not job.well):
            yield f"job {job.name}: {job_in_words(job)}"
    for line in now.unread:
        if before is None or line not in before.unread:
            yield f"not read: {line}"


def job_in_words(job: JobView) -> str:
    """What a job does now, how its last run ended, and when it runs next."""
    parts = [f"{job.running} running"] if job.running else []
    parts += [f"last run {job.last}" if job.last else "no run has ended"]
    parts += ["its schedule is disabled"] if job.disabled else []
    return ", ".join([*parts, f"next {job.next} UTC"] if job.next else parts)


def _turns(before: RolloutView | None, now: RolloutView) -> Iterator[str]:
    share = f"{now.percent:g} % of the traffic" if now.percent is not None else f"{now.new.running} new tasks"
    if before is None or (before.stage, before.state) != (now.stage, now.state) or before.percent != now.percent:
        left = ""
        if now.seconds_left is not None:
            left = f", {'at most ' if now.at_most else ''}{clock(now.seconds_left)} left"
        why = f": {now.why}" if now.why else ""
        yield f"{now.service}: {now.stage}{left}{why} ({share})"
        if now.state in ("waiting", "rolled back", "failed"):
            yield f"{now.service}: next: {' or '.join(now.next)}"
    for alarm in now.alarms:
        was = next((a for a in before.alarms if a.kind == alarm.kind), None) if before else None
        if alarm.red and not (was and was.red):
            value = "" if alarm.value is None else f": {alarm.value:.3g} of {alarm.threshold:g}"
            if alarm.requests is not None and alarm.needs:
                value += f", judged by {alarm.requests} requests/min"
            spared = "" if alarm.watched else ", which ECS does not watch now: it would have stopped it"
            yield f"{now.service}: ALARM {alarm.kind}{value}{spared}"
        elif was and was.red and not alarm.red:
            yield f"{now.service}: {alarm.kind} is no longer in ALARM"
