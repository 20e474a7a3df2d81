"""Finds operations that answer worse than before the release."""

import math
from collections import Counter
from collections.abc import Callable

from nova_infra.documents.text import listed
from nova_infra.rehearsal.load_balancer.http2.grpc import status_in_words
from nova_infra.rehearsal.record import DeploymentRecord, Record
from nova_infra.rehearsal.rerouted import Answers, Elsewhere

_MOST_NAMED = 3
_SINCE = 0.05
"""Share of all answers of the previous revision, those from before the release included."""
_CHANCE = 3
"""Standard deviations by which a share may differ without anything having changed."""
_CHANCE_OF_FAULTS = 1.5
"""The same of 5xx and no answer: which item a request asks for does not decide them, so less is taken for chance."""
_NOTICED = 0.2
"""Share of requests that nothing handles, or that nobody may send any more, where none was refused so before."""

_REFUSED = 0.05
"""Share of requests that fail where none did: one of twenty in a file of requests."""


def broken_operations(deployment: DeploymentRecord) -> list[str]:
    """Operations that are worse now, a clause each: no answer or 5xx, then 404 or 403, then any other error."""
    if deployment.baseline:
        return []
    found = [
        f"{operation} {_answered(operation, after)}{_before(operation, deployment.answers_before.get(operation))}"
        for operation, after in deployment.answers.items()
        if _is_worse(deployment.answers_before.get(operation, {}), after)
    ]
    return [*found, *displaced_operations(deployment.elsewhere)]


def displaced_operations(elsewhere: Elsewhere) -> list[str]:
    """A service's operations that something else now answers, and answers worse, a clause each.

    Another service may have taken them over on purpose: then it answers as well as what ran before. An operation that
    is new in this release is its own service's: whoever else gets its requests should not.
    """
    found = []
    for operation, revisions in elsewhere.by_others.items():
        before, to = elsewhere.before.get(operation, {}), listed([each.rpartition(":")[0] for each in revisions])
        after = _together(revisions)
        if not before:
            found.append(f"{operation} is taken by the listener rule of {to}, which comes first")
        elif _is_worse(before, after):
            found.append(f"{operation} goes to {to} now, and {_answered(operation, after)}{_before(operation, before)}")
    for operation, answers in elsewhere.by_nobody.items():
        before = elsewhere.before.get(operation, {})
        own = {status: number for status, number in answers.items() if 0 < status < 500}
        if 404 in own:
            found.append(f"{operation} finds no listener rule, and the load balancer answers 404 itself")
        elif own and (
            ((most := max(own, key=own.__getitem__)) >= 400 and not before) or _share(before, _direct) >= _NOTICED
        ):
            meant = ": is that meant?" if not before and most in (401, 403) else ""
            found.append(f"{operation} reaches no service, and the load balancer answers {most} itself{meant}")
    return found


def what_breaks(deployment: DeploymentRecord) -> str:
    """The same in one clause; empty if nothing is worse."""
    return _of(deployment.service, broken_operations(deployment))


def what_others_break(record: Record, environment: str) -> list[str]:
    """What is worse of services that a release does not deploy: its listener rules may lead their users elsewhere."""
    unchanged = record.elsewhere.get(environment, {})
    return [clause for name, each in unchanged.items() if (clause := _of(name, displaced_operations(each)))]


def _of(service: str, broken: list[str]) -> str:
    more = f", and {len(broken) - _MOST_NAMED} more operations are worse" if len(broken) > _MOST_NAMED else ""
    return f"in {service}, {listed(broken[:_MOST_NAMED])}{more}" if broken else ""


def breaks_since(deployment: DeploymentRecord) -> str:
    """Which operations the previous revision fails now, as by a changed schema, in a clause; empty if none."""
    if deployment.old is None or deployment.takes_back:
        return ""
    samples = [each.requests[deployment.old] for each in deployment.samples[-2:] if deployment.old in each.requests]
    if not any(each.failed for each in samples):
        return ""
    found = [
        f"{operation} answers {status_in_words(operation, max(failed, key=answers.__getitem__))}"
        for operation, answers in deployment.answers_before.items()
        if (failed := [status for status in answers if status >= 500]) and _share(answers, _failed) >= _SINCE
    ]
    return listed(found[:_MOST_NAMED])


def untested(record: Record, deployment: DeploymentRecord) -> str:
    """Why nothing is known about a release's effect on users, a clause; empty if something is."""
    if deployment.baseline or deployment.outcome != "completed":
        return ""
    if not deployment.has_requests:
        return _unworked(record, deployment)
    if lost := _unknown_to(deployment.answers):
        return f"nothing in {deployment.service} handles what it was asked: {lost}"
    if deployment.answers or deployment.requests_to(deployment.new).served:
        return ""
    why = f" ({'; '.join(deployment.not_asked)})" if deployment.not_asked else ""
    return f"{deployment.service} got no requests{why}"


def _unknown_to(answers: dict[str, dict[int, int]]) -> str:
    """An operation, and what it answers, where no operation that was asked exists; empty where one does."""
    if not answers or any(not _gone(status) for each in answers.values() for status in each):
        return ""
    operation, statuses = next(iter(answers.items()))
    return f"{operation} answers {status_in_words(operation, max(statuses, key=statuses.__getitem__))}"


def _unworked(record: Record, deployment: DeploymentRecord) -> str:
    """Why a service that no request reaches had nothing to do, a clause; empty where it had."""
    queues = {name: queue for name, queue in record.queues.items() if deployment.service in queue.workers}
    for name, queue in queues.items():
        if queue.unfinished:
            count = "the only message" if queue.unfinished == 1 else f"none of {queue.unfinished} messages"
            verb = "did not finish" if queue.unfinished == 1 else "finished"
            return f"{deployment.service} {verb} {count} of {name} that it was sent"
    if any(queue.sent for queue in queues.values()) or record.called.get(deployment.service):
        return ""
    if queues:
        return f"{deployment.service} got no messages: only that its tasks stay up was played, not its work"
    return f"nothing here gives {deployment.service} work: only that its tasks stay up was played"


def _is_worse(before: dict[int, int], after: dict[int, int]) -> bool:
    # Where more than half failed, all that can still be told is that the rest does, too.
    if _rises(before, after, _failed, least=min(2 * _share(before, _failed), 1), chance=_CHANCE_OF_FAULTS):
        return True
    # What handles a made-up request may refuse it; where nothing does any more, it is gone or closed.
    if before and _rises(before, after, _unhandled, least=0.5 if _share(before, _unhandled) else _NOTICED):
        return True
    # Who asks for data gets none from an address, and a redirect may lead back to where it came from.
    if _share(before, _direct) >= 0.5 and _rises(before, after, _redirected, least=0.5):
        return True
    good, refused = _share(before, _good), _share(after, _bad)
    # Where each request was good, one of several that is refused now shows as a share, and not by chance.
    if good == 1 and refused >= _REFUSED and _beyond_chance(before, after, 0, refused, _CHANCE):
        return True
    return good >= 0.5 and _rises(before, after, _bad, least=1 - good / 2)


def _rises(
    before: dict[int, int],
    after: dict[int, int],
    counts: Callable[[int], bool],
    *,
    least: float,
    chance: float = _CHANCE,
) -> bool:
    """Whether a share of the answers has risen to a least one, and by more than chance.

    An operation has several requests, such as one for an item that exists and one for an item that does not. Users
    choose among them, so that half of an unchanged operation's answers may be 404 here and a few more there.
    """
    was, now = _share(before, counts), _share(after, counts)
    if now < least or now <= was:
        return False
    return not was or _beyond_chance(before, after, was, now, chance)


def _beyond_chance(before: dict[int, int], after: dict[int, int], was: float, now: float, chance: float) -> bool:
    numbers = [sum(each.values()) for each in (before, after)]
    both = (was * numbers[0] + now * numbers[1]) / sum(numbers)
    return now - was > chance * math.sqrt(both * (1 - both) * sum(1 / number for number in numbers))


def _failed(status: int) -> bool:
    return status >= 500 or not status


def _good(status: int) -> bool:
    return 0 < status < 400


def _bad(status: int) -> bool:
    return not _good(status)


def _direct(status: int) -> bool:
    return 200 <= status < 300


def _redirected(status: int) -> bool:
    return 300 <= status < 400 and status != 304


def _unhandled(status: int) -> bool:
    return _gone(status) or status in (401, 403)


def _gone(status: int) -> bool:
    return status in (404, 405, 410)


def _together(revisions: Answers) -> dict[int, int]:
    """The answers of several revisions, by status."""
    return dict(sum((Counter(each) for each in revisions.values()), Counter()))


def _share(answers: dict[int, int], counts: Callable[[int], bool]) -> float:
    total = sum(answers.values())
    return sum(number for status, number in answers.items() if counts(status)) / total if total else 0.0


def _answered(operation: str, after: dict[int, int]) -> str:
    status, number = max(
        ((s, n) for s, n in after.items() if not _good(s) or _redirected(s)), key=lambda entry: entry[1]
    )
    total = sum(after.values())
    what = f"answers {status_in_words(operation, status)}" if status else "gets no answer"
    return f"{what} to {number} of {total} requests" if status else f"{what} {number} of {total} times"


def _before(operation: str, answers: dict[int, int] | None) -> str:
    if not answers:
        return ""
    status = max(answers, key=lambda each: answers[each])
    return f" ({status_in_words(operation, status)} before)" if status else " (none before either)"
