"""Lists what a verdict rests on: played, projected, simulated, assumed about AWS, and not covered."""

import re
from collections import Counter
from collections.abc import Callable

from nova_infra.documents.text import counted, listed, said_once
from nova_infra.rehearsal.advice import REQUESTS, place_of
from nova_infra.rehearsal.record import DeploymentRecord, Record
from nova_infra.rehearsal.report.connections import counted_connections
from nova_infra.rehearsal.report.users import closes_after

_MOST_NAMED = 5
_DRILLS = re.compile("the drills? ")
_Assumption = tuple[Callable[[DeploymentRecord], bool], str]

_ASSUMPTIONS: tuple[_Assumption, ...] = (
    (
        lambda d: d.shifts_traffic and "circuit breaker opened" in d.reason,
        "the circuit breaker also works with canary and linear deployments (AWS's pages disagree)",
    ),
    (
        lambda d: "went to ALARM" in d.reason,
        "a minute's data reaches an alarm within the next minute (AWS gives no figure)",
    ),
    (
        lambda d: "-unanswered went to ALARM" in d.reason,
        "a target group's RequestCount includes requests that are never answered",
    ),
    (
        lambda d: d.shifts_traffic and d.outcome == "rolled back",
        "a stack ends as UPDATE_ROLLBACK_COMPLETE if its canary fails (AWS says so for rolling deployments)",
    ),
    (
        lambda d: d.shifts_traffic and d.from_alternate,
        "ECS starts from the target group that has the traffic",
    ),
    (
        lambda d: not d.shifts_traffic and bool(d.watched),
        "ECS watches a rolling deployment's alarms for its whole bake time",
    ),
    (
        lambda d: not d.shifts_traffic and not d.bake_is_given and bool(d.watched),
        "without BakeTimeInMinutes, a rolling deployment bakes for as long as its slowest alarm looks back",
    ),
    (
        lambda d: d.shifts_traffic and not d.bake_is_given,
        "without BakeTimeInMinutes, a deployment is over as soon as all traffic has moved (one AWS page says 36 hours)",
    ),
    (
        lambda d: d.strategy == "BLUE_GREEN" and bool(d.watched) and not d.bakes and d.bake_is_given,
        "a blue/green deployment without a bake time is over as soon as the traffic has moved",
    ),
    (
        lambda d: bool(d.losses) and d.outcome == "completed",
        "ECS replaces tasks lost during a bake and goes on, unless its circuit breaker opens",
    ),
)


def confidence(record: Record) -> list[str]:
    """What the verdict rests on, one line each."""
    released = [each for each in record.deployments if not each.baseline]
    said = [_played(record, released)]
    if not record.real_time:
        said.append(
            f"Projected: a minute took a second, and the release's tasks were up for at most {record.lived:.0f} s. "
            "CPU and latency are projected onto real minutes. Faults that need more uptime, such as an expiring "
            f"token, show only with --real-time.{_idle_for(released)}"
        )
    if counted := counted_connections(record):
        said.append(
            f"Projected: connections when a rollout runs its most tasks: {'; '.join(counted)}. They were counted "
            "under this traffic; a pool that grows with load opens more."
        )
    said.append(
        "Simulated, from AWS's documentation: CloudFormation, the ECS scheduler, the load balancer, CloudWatch and the "
        "pipeline."
    )
    sooner = {each.service: seconds for each in released if (seconds := closes_after(each)) is not None}
    if sooner:
        which = ", ".join(f"{service} closes them after {seconds:.2g} s" for service, seconds in sooner.items())
        said.append(
            f"Not played: idle connections. {which}, before the load balancer does. In AWS a request that arrives "
            "just then gets a 502: keep connections open longer than the load balancer's idle timeout."
        )
    if refused := _only_refused(released):
        said.append(
            f"Not covered: {refused}. Every request was refused, before and after: add requests that succeed to "
            f"{place_of(REQUESTS, in_project=not record.app)}."
        )
    clauses = (
        (each.environment, f"{each.service}: {why}") for each in released if each.answers for why in each.not_asked
    )
    if partly := said_once(clauses):
        said.append(f"Not covered, requests: {listed(partly, _MOST_NAMED)}.")
    said += _not_covered(record.not_rehearsed)
    if rests := [text for applies, text in _ASSUMPTIONS if any(applies(each) for each in released)]:
        said.append(f"Assumed about AWS, and not yet proven there: {'; '.join(rests)}. See docs/assumptions.md.")
    return said


def _idle_for(released: list[DeploymentRecord]) -> str:
    """For how long idle connections were watched, where that is shorter than the load balancer keeps them."""
    seen = [each.kept_open[each.new] for each in released if each.new in each.kept_open and each.new not in each.idle]
    longest = max((each.idle_timeout for each in released), default=0.0)
    if not seen or min(seen) >= longest:
        return ""
    after = f"after {min(seen):.0f} s or more, " if min(seen) >= 1 else ""
    return f" So do idle connections that a service closes {after}before the load balancer."


def _not_covered(gaps: list[str]) -> list[str]:
    """What was left out, grouped by reason: drills, what has a reason of its own, and parts of AWS, which have none."""
    drills = [gap for gap in gaps if _DRILLS.match(gap)]
    explained = [gap for gap in gaps if ": " in gap and gap not in drills]
    parts = [gap for gap in gaps if gap not in drills and gap not in explained]
    return [
        *(f"Not covered: {gap}." for gap in explained),
        *([f"Not covered, drills: {'; '.join(_DRILLS.sub('', gap) for gap in drills)}."] if drills else []),
        *([f"Not covered, parts of AWS: {'; '.join(parts)}."] if parts else []),
    ]


def _only_refused(released: list[DeploymentRecord]) -> str:
    """Operations that refused everything they were sent, such as made-up requests; empty if there are none."""
    found: dict[str, str] = {}
    for each in released:
        for operation, after in each.answers.items():
            known = {**each.answers_before.get(operation, {}), **after}
            if known and all(400 <= status < 500 for status in known):
                found[f"{each.service} {operation}"] = f"{operation} of {each.service} ({min(known)})"
            elif known:
                found.pop(f"{each.service} {operation}", None)
    return listed([*found.values()], _MOST_NAMED)


def _played(record: Record, released: list[DeploymentRecord]) -> str:
    operations = {(each.service, name) for each in released for name in each.answers}
    sources = Counter(each.asked_from for each in released if each.asked_from)
    came = ", ".join(f"{words} ({counted(number, 'deployment')})" for words, number in sources.most_common())
    services = f"services {record.tasks}" if record.tasks else "services"
    asked = f"; {len(operations)} operations were called, with requests from {came}" if operations and came else ""
    unasked = sorted({each.service for each in released if not each.answers and each.outcome == "completed"})
    silent = f"; {', '.join(unasked)} got no requests" if unasked else ""
    return f"Played: commands for real, {services}{asked}{silent}."
