"""A rehearsal's verdict in words, ✓, ✗ or !, and where and why it was stopped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from nova_infra.documents.text import counted, listed, said_once
from nova_infra.rehearsal.advice import MESSAGES, REQUESTS, place_of, to_play, to_play_every_drill
from nova_infra.rehearsal.delivery.workflows.sure_failures import GO_ON
from nova_infra.rehearsal.drills.drill import DrillResult
from nova_infra.rehearsal.record import ActionRecord, DeploymentRecord, Record, Requests, StageRecord
from nova_infra.rehearsal.report.alarm_samples import silent, would_have_ended
from nova_infra.rehearsal.report.answers import breaks_since, untested, what_breaks, what_others_break
from nova_infra.rehearsal.report.users import handled_twice, what_users_meet


@dataclass(frozen=True)
class Verdict:
    """The outcome of a rehearsal, in words.

    Attributes:
        passed: Whether the release would go through and every drill ended as expected.
        warns: Whether the release would go through although something is wrong with it.
        tasks: How services ran and what that does not prove, a sentence.
    """

    passed: bool
    headline: str
    why: str
    next_step: str
    tasks: str = ""
    warns: bool = False

    @property
    def sign(self) -> str:
        """``✓``, ``✗``, or ``!`` for a release that goes through and should not."""
        return "!" if self.warns else "✓" if self.passed else "✗"


def verdict(record: Record, drills: Sequence[DrillResult] = ()) -> Verdict:
    """The verdict on a rehearsal that was played to its end."""
    said = _verdict(record, drills)
    unmeasured = " What they used could not be measured, so no alarm on CPU or memory could fire."
    unmeasured = "" if record.measured else unmeasured
    return replace(said, tasks=f"Services ran {record.tasks}.{unmeasured}") if record.tasks else said


def _verdict(record: Record, drills: Sequence[DrillResult]) -> Verdict:
    if (failed := _first_failed(record)) is not None:
        return _stopped(record, *failed)
    drills = [result for result in drills if result.counts]
    wrong = _wrong(record)
    if bad := [result for result in drills if not result.passed]:
        return _missed(record, bad, len(drills), wrong)
    headline, why = _went_through(record, drills)
    if wrong is not None:
        headline, why = f"{headline}, but {wrong.briefly}", f"{why}, but {wrong.clause}."
        return Verdict(passed=True, headline=headline, why=why, next_step=wrong.next_step, warns=True)
    if record.until is not None:
        why = f"{why}; those after {record.until} were not played."
        next_step = f"Play all of it: {to_play(record.app)}"
    elif drills:
        why, next_step = f"{why}.", "Push it; the report shows what a bad release would have done."
    else:
        why, next_step = f"{why}.", f"See what stops a bad release: {to_play_every_drill(record.app)}"
    return Verdict(passed=True, headline=headline, why=why, next_step=next_step)


def _of_each(record: Record, clause: Callable[[DeploymentRecord], str]) -> list[str]:
    """A clause about each deployment, said once if several environments have the same one."""
    found = ((each.environment, clause(each)) for each in record.deployments)
    return said_once((environment, said) for environment, said in found if said)


@dataclass(frozen=True)
class _Wrong:
    """What is wrong with a release that nothing stops: briefly, in a clause, and what to do."""

    briefly: str
    clause: str
    next_step: str


def _wrong(record: Record) -> _Wrong | None:
    besides = "".join(f". Besides, {clause}" for clause in record.granted)
    if unnoticed := what_users_meet(record):
        clause = f"nothing stops what is wrong: {', and '.join(unnoticed)}{besides}"
        return _Wrong("your users would notice its faults", clause, _fix(record))
    if record.lost:
        clause = f"{', and '.join(record.lost)}. Bakes were over by then; in AWS they last minutes{besides}"
        return _Wrong("its tasks do not stay up", clause, _to_last(record))
    if fired := _of_each(record, would_have_ended):
        return _Wrong("an alarm would have stopped it", f"{', and '.join(fired)}{besides}", _fix(record))
    unknown = _of_each(record, partial(untested, record))
    if not record.runs_tasks:
        unknown.append("nothing was played: it deploys no service, worker or job that the rehearsal knows")
    few = _of_each(record, silent)
    if gaps := [*unknown, *few, *_of_each(record, partial(_too_busy, record)), *record.granted]:
        return _Wrong("not all of it was tested", ", and ".join(gaps), _to_test(record, unknown, few))
    return None


def _missed(record: Record, bad: Sequence[DrillResult], count: int, wrong: _Wrong | None) -> Verdict:
    """The verdict if drills did not end as expected. What is wrong without a drill is said, too."""
    name = bad[0].drill
    misses = "; ".join(f"{result.drill}: {', '.join(result.misses)}" for result in bad)
    return Verdict(
        passed=False,
        headline=f"{_production(record)} would take this release, but might not stop a bad one",
        why=f"{len(bad)} of {counted(count, 'drill')} failed: {misses}."
        + (f" Besides, {wrong.clause}." if wrong else ""),
        next_step=f"Look at {name} in the report; play it alone with: {to_play(record.app, '--drill', name)}",
    )


def _went_through(record: Record, drills: Sequence[DrillResult]) -> tuple[str, str]:
    """Headline and reason of a release that nothing stops, without full stops."""
    if record.until is not None:
        headline, why = f"Nothing stops this release up to {record.until}", _played(len(record.stages))
    else:
        headline, why = f"{_production(record)} would take this release", _all_stages(len(record.stages))
    return headline, f"{why} succeeded" + (f", and {_all_drills(len(drills))} ended as expected" if drills else "")


def _to_test(record: Record, unknown: Sequence[str], few: Sequence[str]) -> str:
    """How to test what was left untested."""
    silent, again = [each for each in record.deployments if untested(record, each)], to_play(record.app)
    if asked := [each for each in silent if each.has_requests]:
        if any(each.answers and each.asked_from != "their paths" for each in asked):
            return f"Handle those requests, or correct what names them, and play it again: {again}"
        return f"Add requests to {place_of(REQUESTS, in_project=not record.app)}, and play it again: {again}"
    if any(each.service in queue.workers for each in silent for queue in record.queues.values()):
        place = place_of(MESSAGES, in_project=not record.app)
        return f"Add example messages to {place}, and play it again: {again}"
    if unknown:
        return "Test what it deploys in an environment before the last"
    if record.granted and record.granted == record.borrowed:
        return "Compare the templates with those that are deployed: npx cdk diff"
    if record.granted:
        return "Look for it in the account and region of its environment" + ("" if record.app else ": nova doctor")
    if few:
        fewer = "Let its alarms judge by fewer requests" if record.app else "Lower alarms.min_requests"
        return f"{fewer}, and play it again: {again}"
    return f"Play it again when this machine is quiet: {again}"


def _fix(record: Record) -> str:
    return f"Fix that and play it again: {to_play(record.app)}"


def _to_last(record: Record) -> str:
    again, in_real_time = to_play(record.app), to_play(record.app, "--real-time")
    return f"Read its log, fix it and play it again: {again}; in real time: {in_real_time}"


def _all_stages(count: int) -> str:
    return "Its one stage" if count == 1 else f"All {count} stages"


def _played(count: int) -> str:
    return "The one stage that was played" if count == 1 else f"All {count} stages that were played"


def _stopped(record: Record, stage: StageRecord, action: ActionRecord | None) -> Verdict:
    reason = action.note.rstrip(".") if action is not None and action.note else stage.note or f"it {stage.status}"
    others = sum(a.status == "failed" for a in stage.actions) - 1
    more = f" ({counted(others, 'more action')} failed)" if others > 0 else ""
    name = stage.name if action is None else short_name(action.name)
    taken_back = f" {stage.name}: {stage.note}." if action is not None and action.note and stage.note else ""
    # A deployment's note begins with its service's name, and so does its stack's in most cases.
    reason = reason.removeprefix(f"{name}: ")
    refused = action is not None and action.kind == "approval"
    filtered = record.refused.get(stage.name)
    denied = _denied(record) + (f" The firewall of {stage.name} refused {listed(filtered)}." if filtered else "")
    besides = f"{_cause(record, stage, action)}{denied}{taken_back}{_what_serves(record, stage)}"
    # It may be the cause, and then only here.
    besides += "".join(f" Besides, {clause}." for clause in [*_meanwhile(record, stage), *record.granted])
    return Verdict(
        passed=False,
        headline=f"This release would be stopped in {stage.name}",
        why=f"{name}: {reason}{more}.{besides}",
        next_step="Answer y to approve, or add --approve" if refused else _fix(record),
    )


def _cause(record: Record, stage: StageRecord, action: ActionRecord | None) -> str:
    """Which operations got worse in a stage that failed: its alarms and tests may show only a distant effect.

    If a revision never served, operations of other services that got worse are not the cause.
    """
    there = [each for each in record.deployments if each.environment == stage.name and not each.takes_back]
    own = {each.service for each in there if action is not None and each.service == short_name(action.name)}
    served = any(each.requests_to(each.new).served for each in there if each.service in own)
    for each in there:
        if clause := what_breaks(each):
            is_cause = not own or served or each.service in own
            return f" The cause: {clause}." if is_cause else f" Also: {clause}."
    return "".join(f" The cause: {clause}." for clause in what_others_break(record, stage.name)[:1])


def _meanwhile(record: Record, stage: StageRecord) -> list[str]:
    """What happened to users and messages in a stage that failed and what alarms do not say, a clause each."""
    there = {each.service for each in record.deployments if each.environment == stage.name}
    queues = [handled_twice(name, each) for name, each in record.queues.items() if there & {*each.workers}]
    return [clause for clause in [*queues, *record.waits.get(stage.name, [])] if clause]


def _too_busy(record: Record, deployment: DeploymentRecord) -> str:
    """Why a release's CPU time is unknown, a clause; empty if it is known or no alarm watches it."""
    minutes = record.unknown_cpu.get(deployment.service, 0)
    if deployment.baseline or not any("cpu" in name.lower() for name in deployment.watched):
        return ""
    if 2 * minutes < max(len(deployment.samples), 1):
        return ""
    return f"this machine was too busy to measure the CPU time of {deployment.service} in {minutes} of its minutes"


def _denied(record: Record) -> str:
    """Calls to AWS that the release's tasks may not make, which explains their answers and exits."""
    found = [f"AWS denies {revision} {clause}" for revision, clauses in record.denied.items() for clause in clauses]
    return "".join(f" {each}." for each in found[:3])


def _what_serves(record: Record, stage: StageRecord) -> str:
    """What serves in a stage that failed, service by service; services stuck in between come first."""
    last = {d.service: d for d in record.deployments if d.environment == stage.name and not d.baseline}
    if not last:
        goes_on = any(each.status == "failed" and GO_ON in each.note for each in stage.actions)
        return "" if goes_on else _nothing_deployed(stage)
    if stage.status != "failed":
        return ""
    stuck = {name: percent for name, d in last.items() if (percent := _share_of_failed(d))}
    gone = [name for name, d in last.items() if d.old is None and d.outcome != "completed"]
    new = [name for name, d in last.items() if name not in stuck and (d.outcome == "completed") is not d.takes_back]
    old = [name for name in last if name not in (*stuck, *gone, *new)]
    until = "until CloudFormation rolls back (not played)"
    said = [
        f"{name} gets {percent:g} % of its requests answered by the release {until}" for name, percent in stuck.items()
    ]
    said += [f"nothing serves {listed(gone)}, which {'is' if len(gone) == 1 else 'are'} new"] if gone else []
    said += [f"the release serves {listed(new)}"] if new else []
    said += [f"the previous release serves {listed(old)}"] if old else []
    failing = [f"{name} fails, too: {clause}" for name in old if (clause := breaks_since(last[name]))]
    return f" In {stage.name} now: {'; '.join([*said, *failing])}."


def _nothing_deployed(stage: StageRecord) -> str:
    """What serves where a release was stopped before it deployed anything, or by CloudFormation itself."""
    deploying = [action for action in stage.actions if action.kind == "deploy"]
    if any(action.status == "succeeded" for action in deploying):
        return ""
    if refused := [short_name(action.name) for action in deploying if action.status == "failed"]:
        return f" {listed(refused)} {'keeps' if len(refused) == 1 else 'keep'} what ran there before."
    where = f"in {stage.name} or after it" if deploying else f"after {stage.name}"
    return f" Nothing was deployed {where}: what ran there before serves."


def _share_of_failed(deployment: DeploymentRecord) -> float:
    """Percent of the traffic that a failed revision keeps; 0 if it did not fail, or was rolled back."""
    if deployment.outcome not in ("failed", "in progress") or deployment.takes_back or deployment.old is None:
        return 0
    if deployment.traffic:
        return deployment.traffic[-1].percent
    # No traffic is moved where tasks are replaced one by one: the load balancer asks whoever is there.
    last = deployment.samples[-1].requests if deployment.samples else {}
    everything = sum(each.served for each in last.values())
    return round(100 * last.get(deployment.new, Requests()).served / everything) if everything else 0


def _first_failed(record: Record) -> tuple[StageRecord, ActionRecord | None] | None:
    # What AWS would refuse is found before anything is played, so earlier stages are not reached either.
    stopped = [stage for stage in record.stages if stage.status != "succeeded"]
    stopped.sort(key=lambda stage: stage.status == "not reached")
    for stage in stopped:
        return stage, next((action for action in stage.actions if action.status == "failed"), None)
    return None


def _production(record: Record) -> str:
    """The last stage that deploys."""
    deploying = [stage.name for stage in record.stages if any(action.kind == "deploy" for action in stage.actions)]
    return deploying[-1] if deploying else record.pipeline


def _all_drills(count: int) -> str:
    return f"all {count} drills" if count != 1 else "the drill"


def short_name(action: str) -> str:
    """An action's name as people say it: CDK Pipelines calls a stack's deployment ``<stack>.Deploy``."""
    return action.removesuffix(".Deploy")
