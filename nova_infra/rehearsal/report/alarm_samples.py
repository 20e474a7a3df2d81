"""Counts the requests that each alarm judged a deployment by; names alarms that would have ended it."""

from itertools import pairwise

from nova_infra.rehearsal.record import NO_TARGET, DeploymentRecord, MinuteRecord, Requests

_WHOLE = 0.9
"""Of a minute: samples are taken some milliseconds after its end, never at the same distance."""


def judged_by(deployment: DeploymentRecord) -> list[str]:
    """By how many requests its alarms judged, a clause for each that counts requests."""
    rates = _per_minute(deployment)
    return [_clause(deployment, name, needed, rates) for name, needed in deployment.needs.items()] if rates else []


def silent(deployment: DeploymentRecord) -> str:
    """Which of its alarms had too few requests most of the time, a clause; empty where none had."""
    rates = _per_minute(deployment)
    few = {n: needed for n, needed in deployment.needs.items() if 2 * sum(r < needed for r in rates) > len(rates)}
    if deployment.baseline or not few:
        return ""
    needs = ", ".join(f"{_kind(deployment, name)} needs {needed}" for name, needed in few.items())
    return f"{deployment.service} had {_span(rates)} requests a minute, too few for its alarms to judge ({needs})"


def spared(deployment: DeploymentRecord) -> list[str]:
    """The alarms that could not end it, because ECS did not watch them or its list lacks them."""
    return [*deployment.unwatched, *deployment.unlisted]


def would_have_ended(deployment: DeploymentRecord) -> str:
    """Which alarms fired that could not end it, a clause; empty where none did."""
    # One that was red all along says nothing of the release.
    reds = [deployment.red_before, *(sample.red for sample in deployment.samples)]
    fired = {name for was, now in pairwise(reds) for name in now if name not in was and name in spared(deployment)}
    if deployment.baseline or not fired:
        return ""
    names = ", ".join(sorted(fired))
    why = "they are not among its deployment alarms" if fired <= set(deployment.unlisted) else "ECS did not watch them"
    return f"{names} fired and would have ended the deployment of {deployment.service}, but {why}"


def _clause(deployment: DeploymentRecord, name: str, needed: int, rates: list[int]) -> str:
    enough = [rate for rate in rates if rate >= needed]
    kind = _kind(deployment, name)
    minutes = f"in {len(enough)} of {len(rates)} minutes"
    if not enough:
        return f"{kind} said nothing: {_span(rates)} of {needed} requests a minute"
    left_out = _left_out(deployment, deployment.needs_of_each.get(name, 0))
    return f"{kind} judged by {_span(enough)} requests a minute {minutes}, and needs {needed}{left_out}"


def _left_out(deployment: DeploymentRecord, needed: int) -> str:
    """In how many minutes an alarm left out the new revision: it had users, but too few requests for a percentile."""
    got = (sample.requests.get(deployment.new, Requests()).served for sample in _whole(deployment))
    rates = [rate for rate in got if rate]
    few = [rate for rate in rates if rate < needed]
    if not few:
        return ""
    return (
        f"; it left out the new revision in {len(few)} of {len(rates)} minutes: a p95 of {_span(few)} requests means "
        "nothing"
    )


def _kind(deployment: DeploymentRecord, name: str) -> str:
    return name.removeprefix(f"{deployment.service}-")


def _span(rates: list[int]) -> str:
    return f"{min(rates)}" if min(rates) == max(rates) else f"{min(rates)} to {max(rates)}"


def _per_minute(deployment: DeploymentRecord) -> list[int]:
    """Requests for which a target was chosen, of each whole minute: the first and the last one may be a part."""
    return [sum(r.served for of, r in each.requests.items() if of != NO_TARGET) for each in _whole(deployment)]


def _whole(deployment: DeploymentRecord) -> list[MinuteRecord]:
    return [sample for before, sample in pairwise(deployment.samples) if sample.minute - before.minute > _WHOLE]
