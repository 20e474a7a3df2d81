"""States what a drill expects, each expectation in words and with its check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nova_infra.documents.text import counted
from nova_infra.rehearsal.record import NO_TARGET, DeploymentRecord, Record
from nova_infra.rehearsal.slowness import SLOWER_TIMES, times_slower

# An environment whose suite is the gate may stop a release before any alarm: its own action fails with the deployment.
_RED_SUITE = "suite was red"

Look = Callable[[Record, str], list[str]]
"""Takes what happened and the faulty service's name; returns what did not follow, in clauses."""


@dataclass(frozen=True)
class Expectation:
    """One thing that must follow."""

    words: str
    look: Look


def missing(expectations: Sequence[Expectation], record: Record, service: str) -> list[str]:
    """What did not follow, in clauses."""
    return [clause for expectation in expectations for clause in expectation.look(record, service)]


def in_words(expectations: Sequence[Expectation]) -> str:
    """All expectations in a sentence, without the full stop."""
    return ", ".join(expectation.words for expectation in expectations)


def deployment_of(record: Record, service: str) -> DeploymentRecord | None:
    """The candidate's first deployment of a service; None if there was none."""
    return next((d for d in record.deployments if not d.baseline and d.service.endswith(service)), None)


def rolls_back(words: str, *, because: str = "", or_before: str = "") -> Expectation:
    """The faulty service rolls back to what ran before, for a reason that contains a text.

    Args:
        or_before: What stops it as well, before ECS is asked for anything: a text in the reason.
    """

    def look(record: Record, service: str) -> list[str]:
        deployment = deployment_of(record, service)
        if deployment is None and or_before and _stopped_because(record, or_before):
            return []
        if deployment is None:
            return [f"{service} was not deployed"]
        if deployment.outcome != "rolled back":
            return [f"{deployment.service} {deployment.outcome} instead of rolling back"]
        if because not in deployment.reason and not ("ALARM" in because and _RED_SUITE in deployment.reason):
            return [f"{deployment.service} rolled back for another reason: {deployment.reason}"]
        return []

    return Expectation(words, look)


def stops_at(words: str, *kinds: str) -> Expectation:
    """The first stage stops at actions of these kinds, and later stages are not reached."""

    def look(record: Record, service: str) -> list[str]:
        first, *later = record.stages
        failed = {action.kind for action in first.actions if action.status == "failed"}
        if "deploy" in kinds and _suite_was_red(record, service):
            failed -= {"build"} - set(kinds)
        what = " and its ".join(kinds)
        clauses = [] if failed == set(kinds) else [f"{first.name} {first.status}, and its {what} did not stop it"]
        return clauses + [f"{stage.name} was reached" for stage in later if stage.status != "not reached"]

    return Expectation(words, look)


def stops_because(words: str, text: str) -> Expectation:
    """The first stage stops, and an action's reason contains a text."""

    def look(record: Record, _: str) -> list[str]:
        return (
            []
            if _stopped_because(record, text)
            else [f"{record.stages[0].name} {record.stages[0].status}, but not because of {text}"]
        )

    return Expectation(words, look)


def _stopped_because(record: Record, text: str) -> bool:
    return any(action.status == "failed" and text in action.note for action in record.stages[0].actions)


def told(words: str, text: str) -> Expectation:
    """A topic gets a message that contains a text."""

    def look(record: Record, service: str) -> list[str]:
        found = any(text in notification.message for notification in record.notifications)
        return (
            [] if found or ("ALARM" in text and _suite_was_red(record, service)) else [f"nobody was notified ({text})"]
        )

    return Expectation(words, look)


def _holds(words: str, holds: Callable[[DeploymentRecord], bool], otherwise: str) -> Expectation:
    """Something holds of the faulty service's deployment."""

    def look(record: Record, service: str) -> list[str]:
        deployment = deployment_of(record, service)
        return [] if deployment is not None and holds(deployment) else [otherwise]

    return Expectation(words, look)


def _suite_was_red(record: Record, service: str) -> bool:
    deployment = deployment_of(record, service)
    return deployment is not None and _RED_SUITE in deployment.reason


def _new_served(record: Record, service: str) -> list[str]:
    deployment = deployment_of(record, service)
    served = deployment.requests_to(deployment.new).served if deployment else 0
    return [f"it got {counted(served, 'request')}"] if served else []


def _old_failed(record: Record, service: str) -> list[str]:
    deployment = deployment_of(record, service)
    if deployment is None or deployment.old is None:
        return []
    failed = deployment.requests_to(deployment.old).failed
    unserved = deployment.requests_to(NO_TARGET).failed
    clauses = [f"the old revision failed {counted(failed, 'request')} meanwhile"] if failed else []
    return clauses + ([f"{counted(unserved, 'request')} found no target meanwhile"] if unserved else [])


def _had_all_traffic(record: Record, service: str) -> list[str]:
    deployment = deployment_of(record, service)
    shares = [step.percent for step in deployment.traffic] if deployment else []
    if deployment is None or not shares or shares[0] >= 100 or max(shares) < 100:
        return []
    return [f"{deployment.service} had all traffic before it rolled back"]


def _deployed(record: Record, service: str) -> list[str]:
    deployment = deployment_of(record, service)
    return [f"{deployment.service} was deployed and ended {deployment.outcome}"] if deployment else []


def _completed(record: Record, service: str) -> list[str]:
    deployment = deployment_of(record, service)
    outcome = deployment.outcome if deployment else "not deployed"
    return [] if outcome == "completed" else [f"{service} ended {outcome}"]


def _others_completed(record: Record, service: str) -> list[str]:
    return [
        f"{deployment.service} ended {deployment.outcome}"
        for deployment in record.deployments
        if not deployment.baseline and not deployment.service.endswith(service) and deployment.outcome != "completed"
    ]


def _others_went_back(record: Record, service: str) -> list[str]:
    others = [
        each
        for each in record.deployments
        if not each.baseline and not each.service.endswith(service) and each.strategy != "ROLLING"
    ]
    clauses = [f"{each.service} ended {each.outcome}" for each in others if each.outcome != "rolled back"]
    met = [each.service for each in others if any(sample.reached for sample in each.samples)]
    return clauses + [f"users reached {each}" for each in met] + ([] if others else ["no other service was deployed"])


def _lost_request(record: Record, _: str) -> list[str]:
    failed = sum(requests.failed for requests in record.load.values())
    return [f"{counted(failed, 'request')} failed"] if failed else []


def _back_or_harmless(record: Record, service: str) -> list[str]:
    deployment = deployment_of(record, service)
    outcome = deployment.outcome if deployment else "not deployed"
    if outcome == "completed":
        return _lost_request(record, service)
    return [] if outcome == "rolled back" else [f"{service} ended {outcome}"]


def _stopped_or_harmless(record: Record, service: str) -> list[str]:
    first, *later = record.stages
    if first.status == "failed":
        return [f"{stage.name} was reached" for stage in later if stage.status != "not reached"]
    return _lost_request(record, service)


def _seen_slower(record: Record, service: str) -> list[str]:
    deployment = deployment_of(record, service)
    times = times_slower(deployment) if deployment else 0.0
    measured = f"it should have been measured as ten times as slow, but was {times:.1f} times as slow"
    return [] if times >= SLOWER_TIMES else [measured]


def _one_at_once(record: Record, service: str) -> list[str]:
    counts = [count for stack, count in record.at_once.items() if stack.endswith(service)]
    if not counts:
        return [f"no second run of {service} was due while the first was running"]
    return [f"{max(counts)} runs of {service} overlapped"] if max(counts) > 1 else []


def _met_a_user(record: Record, service: str) -> list[str]:
    deployment = deployment_of(record, service)
    met = {user for sample in deployment.samples for user in sample.reached} if deployment else set()
    return [f"{counted(len(met), 'user')} reached it"] if met else []


def _waited_once(record: Record, service: str) -> list[str]:
    deployment = deployment_of(record, service)
    if deployment is None:
        return [f"{service} was not deployed"]
    if deployment.strategy == "ROLLING":
        return []  # It has no gate.
    places = deployment.gates
    if not places:
        return [f"{deployment.service} waited nowhere"]
    return [f"{deployment.service} waited twice at the same place"] if len(set(places)) < len(places) else []


ONE_AT_ONCE = Expectation("the second run is skipped", _one_at_once)
NO_USER = Expectation("before any user reaches it", _met_a_user)
NO_TRAFFIC = Expectation("before it gets any traffic", _new_served)
IN_CANARY = Expectation("before it gets all traffic", _had_all_traffic)
OLD_SERVES = Expectation("the old revision answers every request meanwhile", _old_failed)
NOT_DEPLOYED = Expectation("before anything is deployed", _deployed)
GOES_THROUGH = Expectation("the release goes through", _completed)
OTHERS_GO_THROUGH = Expectation("the others go through", _others_completed)
OTHERS_GO_BACK = Expectation("the others roll back before any user reaches them", _others_went_back)
NO_LOST_REQUEST = Expectation("no request is lost", _lost_request)
WAITED_ONCE = Expectation("it waits once at each place", _waited_once)
UNWATCHED = _holds("ECS watches no alarm", lambda d: bool(d.unwatched), "ECS watched its alarms anyway")
KILLED_FOR_MEMORY = _holds(
    "its tasks are killed when they exceed their memory",
    lambda d: any("OutOfMemoryError" in loss for loss in d.losses),
    "no task was killed for its memory",
)
KILLED_AT_STOP = _holds(
    "its tasks are killed after their stop timeout",
    lambda d: bool(d.killed_at_stop),
    "every task stopped on SIGTERM, so none was killed",
)
BACK_OR_HARMLESS = Expectation(
    "it rolls back if the service writes there, and otherwise goes through without a failed request", _back_or_harmless
)
STOPPED_OR_HARMLESS = Expectation(
    "the tests stop it in the first environment if the service needs it, and otherwise no request fails",
    _stopped_or_harmless,
)
SEEN_SLOWER = Expectation("the rehearsal measures that it is slower", _seen_slower)
STAGE_STOPS = stops_at("the stage fails", "deploy")
PIPELINE_TELLS = told("the pipeline's topic is notified", "failed in")
ALARM_RINGS = told("an alarm is red before the deployment", "is in ALARM")
ALARM_TELLS = told("the alarm's topic is notified, too", "is in ALARM")
