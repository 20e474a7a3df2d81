"""Says what a verdict rests on: played, projected, simulated, not covered, and open assumptions about AWS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from nova_infra.rehearsal.advice import REQUESTS, place_of
from nova_infra.rehearsal.record import DeploymentRecord, Record
from nova_infra.rehearsal.report.connections import counted_connections
from nova_infra.rehearsal.report.users import closes_after

_MOST_NAMED = 5
_Assumption = tuple[Callable[[DeploymentRecord], bool], str]

_ASSUMPTIONS: tuple[_Assumption, ...] = (
    (
        lambda d: d.shifts_traffic and "circuit breaker opened" in d.reason,
        "that the circuit breaker also works with canary and linear deployments (AWS's pages disagree)",
    ),
    (
        lambda d: "went to ALARM" in d.reason,
        "that the data of a minute reach an alarm within the next one (AWS gives no figure)",
    ),
    (
        lambda d: "-unanswered went to ALARM" in d.reason,
        "that RequestCount of a target group counts requests that are never answered",
    ),
    (
        lambda d: d.shifts_traffic and d.outcome == "rolled back",
        "that a stack whose canary fails ends as UPDATE_ROLLBACK_COMPLETE (AWS says so for rolling deployments)",
    ),
    (
        lambda d: d.shifts_traffic and d.from_alternate,
        "that ECS starts from the target group that has the traffic",
    ),
    (
        lambda d: not d.shifts_traffic and bool(d.watched),
        "that ECS watches the alarms of a rolling deployment for as long as its bake says",
    ),
    (
        lambda d: not d.shifts_traffic and not d.bake_is_given and bool(d.watched),
        "that without BakeTimeInMinutes a rolling deployment bakes for as long as its slowest alarm looks back",
    ),
    (
        lambda d: d.shifts_traffic and not d.bake_is_given,
        "that without BakeTimeInMinutes a deployment is over as soon as all traffic has moved (one of AWS's pages says "
        "36 hours)",
    ),
    (
        lambda d: d.strategy == "BLUE_GREEN" and bool(d.watched) and not d.bakes and d.bake_is_given,
        "that a blue/green deployment without a bake time is over as soon as the traffic has moved",
    ),
    (
        lambda d: bool(d.losses) and d.outcome == "completed",
        "that ECS replaces tasks that it loses in a bake and goes on, unless its circuit breaker opens",
    ),
)


def confidence(record: Record) -> list[str]:
    """What the verdict rests on, a sentence each."""
    released = [each for each in record.deployments if not each.baseline]
    said = [_played(record, released)]
    if not record.real_time:
        said.append(
            f"Projected: a minute lasted a second, and the release's tasks were up for {record.lived:.0f} s at most. "
            "CPU and latency are those of a minute's requests in a minute; what takes more uptime, such as a token "
            "that expires, needs --real-time."
        )
    if counted := counted_connections(record):
        said.append(
            f"Projected: connections at a rollout's maximum of tasks, {'; '.join(counted)}. They were counted at this "
            "traffic: a pool that grows with its load opens more."
        )
    said.append(
        "Simulated, from AWS's documentation: CloudFormation, the ECS scheduler, the load balancer, CloudWatch and the "
        "pipeline."
    )
    sooner = {each.service: seconds for each in released if (seconds := closes_after(each)) is not None}
    if sooner:
        which = ", ".join(f"{service} after {seconds:.2g} s" for service, seconds in sooner.items())
        said.append(
            f"Not played: idle connections that {which} closed, before the load balancer does: in AWS a request that "
            "arrives as it closes one gets a 502. Keep them longer than its idle timeout."
        )
    if refused := _only_refused(released):
        said.append(
            f"Not covered: what {refused} do: every request was refused, before and after. Write requests that "
            f"succeed in {place_of(REQUESTS, in_project=not record.app)}."
        )
    if record.not_rehearsed:
        said.append(f"Not covered: {'; '.join(record.not_rehearsed)}.")
    if rests := [text for applies, text in _ASSUMPTIONS if any(applies(each) for each in released)]:
        said.append(f"Unproven, and this result rests on it: {'; '.join(rests)}. See docs/assumptions.md.")
    return said


def _only_refused(released: list[DeploymentRecord]) -> str:
    """Operations that only ever refused what they were sent, such as a request that was made up; empty without any."""
    found: dict[str, str] = {}
    for each in released:
        for operation, after in each.answers.items():
            known = {**each.answers_before.get(operation, {}), **after}
            if known and all(400 <= status < 500 for status in known):
                found[f"{each.service} {operation}"] = f"{operation} of {each.service} ({min(known)})"
            elif known:
                found.pop(f"{each.service} {operation}", None)
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(list(found.values())[:_MOST_NAMED]) + more


def _played(record: Record, released: list[DeploymentRecord]) -> str:
    operations = {(each.service, name) for each in released for name in each.answers}
    sources = Counter(each.asked_from for each in released if each.asked_from)
    came = ", ".join(f"{words} of {number}" for words, number in sources.most_common())
    services = f"services {record.tasks}" if record.tasks else "services"
    asked = f"; {len(operations)} operations were requested, from {came} deployments" if operations and came else ""
    unasked = sorted({each.service for each in released if not each.answers and each.outcome == "completed"})
    silent = f"; nobody sent {', '.join(unasked)} a request" if unasked else ""
    return f"Played: commands for real, {services}{asked}{silent}."
