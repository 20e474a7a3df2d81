"""What is wrong with a running environment: stacks, failed deployments, wrong tasks or versions, alarms."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nova_infra.deployed.model import Alarm, Answer, Image, RunningService, short_digest
from nova_infra.deployed.stack import Stack
from nova_infra.names import JOB_ALARMS, WEB_ALARMS, alarm_name, platform_stack_name
from nova_infra.operations.records.ledger import ReleasedImage


@dataclass(frozen=True)
class Problem:
    """Something that is wrong.

    Attributes:
        text: What, in a line that names the service and the remedy where there is one.
        subject: The alarm that it is about and its state, as a person accepts them; empty where it is about none.
    """

    text: str
    may_pass: bool = False
    subject: str = ""


@dataclass(frozen=True)
class Seen:
    """An environment at one moment.

    Attributes:
        versions: Service to what its ``/version`` answered through the load balancer; services that no rule leads to
            from outside the VPC under that path are left out.
        jobs: Service that is a job, which ECS does not keep running, to its stack and the tag that its template names.
        unasked: Why no service was asked for its ``/version``; empty where they were asked.
    """

    services: tuple[RunningService, ...]
    stacks: tuple[Stack, ...]
    alarms: tuple[Alarm, ...]
    versions: Mapping[str, Answer]
    jobs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    unasked: str = ""


def faults(release: Mapping[str, ReleasedImage], seen: Seen) -> list[Problem]:
    """What keeps an environment from running a release as it should; empty if nothing does."""
    services = {service.name: service for service in seen.services}
    stacks = {stack.name: stack for stack in seen.stacks}
    found: list[Problem] = []
    for name, image in sorted(release.items()):
        service = services.get(name)
        if name in seen.jobs:
            found += _job_faults(name, image, seen, stacks)
            continue
        if service is None:
            found.append(Problem(f"{name}: is part of the release but not deployed"))
            continue
        found += _stack_faults(service, stacks.get(service.stack))
        found += _deployment_faults(service)
        found += _task_faults(service, image, stacks.get(service.stack))
        if name in seen.versions:
            found += _version_faults(service, image, seen.versions[name])
    found += _alarm_faults(seen, release)
    return found


def under_way(services: Iterable[RunningService], stacks: Iterable[Stack]) -> list[str]:
    """The deployments that are under way, in sentences."""
    return [
        *(f"{stack.name}: an update is under way ({stack.status})" for stack in stacks if stack.busy),
        *(
            f"{service.name}: a deployment is under way ({latest.rollout_state or 'not complete'})"
            for service in services
            for latest in service.deployments[:1]
            if len(service.deployments) > 1 or latest.rollout_state == "IN_PROGRESS"
        ),
    ]


def way_out(stack: Stack) -> str:
    """What to do about a stack that cannot be updated (CloudFormation: continueupdaterollback)."""
    command = f"`aws cloudformation {{}} --stack-name {stack.name}`"
    said = f" ({stack.reason})" if stack.reason else ""
    match stack.status:
        case "UPDATE_IN_PROGRESS":
            cancel = command.format("cancel-update-stack")
            return f"wait for it, or cancel it, which restores what ran before, with {cancel}"
        case "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" | "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS":
            return "wait for it: it is only removing what is no longer used, and cannot be stopped"
        case "UPDATE_ROLLBACK_IN_PROGRESS":
            return "wait for it: it is rolling back to what ran before, and cannot be stopped"
        case "CREATE_IN_PROGRESS" | "ROLLBACK_IN_PROGRESS":
            return "wait for it: this is its first deployment; if that fails, it can only be deleted"
        case "DELETE_IN_PROGRESS":
            return "wait for it: it is being deleted; then deploy again"
        case status if stack.busy:
            return f"wait until {status} has ended"
        case "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED":
            return f"its first deployment failed, so it can only be deleted: {removal(stack)}, and deploy again{said}"
        case "DELETE_FAILED":
            return f"delete what still blocks it{said}, then run {removal(stack)} again, and deploy again"
        case "REVIEW_IN_PROGRESS":
            return f"it was never deployed: {removal(stack)}, and deploy"
        case "UPDATE_ROLLBACK_FAILED":
            return f"finish its rollback first, with {command.format('continue-update-rollback')}{said}"
        case "UPDATE_FAILED":
            return f"roll it back first, with {command.format('rollback-stack')}{said}"
        case _:
            return stack.reason or f"see {command.format('describe-stack-events')}"


def removal(stack: Stack, region: str = "") -> str:
    """How to delete a stack, with what refuses it taken off first: its own protection, and that of load balancers.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-protect-stacks.html and
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#deletion-protection
    """
    command = f"aws cloudformation {{}}{f' --region {region}' if region else ''} --stack-name {stack.name}"
    steps = [command.format("delete-stack")]
    if stack.protected:
        steps.insert(0, command.format("update-termination-protection --no-enable-termination-protection"))
    told = ", then ".join(f"`{step}`" for step in steps)
    if stack.name.endswith(platform_stack_name("")) and stack.status != "REVIEW_IN_PROGRESS":
        # Whether they are protected is not in the stack: an environment with an approval protects them.
        return f"turn off deletion protection of its load balancers, if it is on (see docs/operations.md), then {told}"
    return told


def alarms_of(service: RunningService, alarms: Iterable[Alarm], services: Sequence[RunningService]) -> list[Alarm]:
    """A service's alarms: those under its name, and not under the longer name of another service."""
    longer = [s.stack for s in services if s.stack != service.stack and s.stack.startswith(f"{service.stack}-")]
    return [
        alarm
        for alarm in alarms
        if alarm.name.startswith(f"{service.stack}-")
        and not any(alarm.name.startswith(f"{other}-") for other in longer)
    ]


def would_roll_back(service: RunningService) -> frozenset[str]:
    """Names of alarms that should roll back a web service's deployments but are missing from ECS's list."""
    meant = {alarm_name(service.stack, kind) for kind in WEB_ALARMS} if service.balanced else set()
    return frozenset(meant - set(service.deployment_alarms)) if service.deployment_alarms else frozenset()


def _stack_faults(service: RunningService, stack: Stack | None) -> list[Problem]:
    if stack is None:
        return [Problem(f"{service.name}: has no stack {service.stack}: it was not deployed by Nova")]
    if stack.busy:
        return [Problem(f"{service.name}: its stack is being updated ({stack.status})", may_pass=True)]
    if not stack.updatable:
        return [Problem(f"{service.name}: its stack is {stack.status}: {way_out(stack)}")]
    return []


def _job_faults(name: str, image: ReleasedImage, seen: Seen, stacks: Mapping[str, Stack]) -> Iterator[Problem]:
    """What is wrong with a job, whose next run uses what its stack names now."""
    stack_name, tag = seen.jobs[name]
    stack = stacks.get(stack_name)
    if stack is None:
        yield Problem(f"{name}: has no stack {stack_name}: it was not deployed by Nova")
    elif stack.busy:
        yield Problem(f"{name}: its stack is being updated ({stack.status})", may_pass=True)
    elif not stack.updatable:
        yield Problem(f"{name}: its stack is {stack.status}: {way_out(stack)}")
    if tag not in (image.tag, image.digest):
        hint = _rolled_back(stack)
        yield Problem(f"{name}: its next run uses {tag} instead of {_told(image.tag, image.digest)}{hint}")
    for alarm in seen.alarms:
        if alarm.state == "ALARM" and alarm.name in {alarm_name(stack_name, kind) for kind in JOB_ALARMS}:
            yield Problem(f"{alarm.name}: is in ALARM: {alarm.reason}", may_pass=True, subject=alarm.condition)


def _deployment_faults(service: RunningService) -> list[Problem]:
    if not service.deployments:
        return [Problem(f"{service.name}: ECS has no deployment of it")]
    latest = service.deployments[0]
    if latest.rollout_state == "FAILED":
        return [Problem(f"{service.name}: its deployment failed: {latest.reason or 'ECS gives no reason'}")]
    if len(service.deployments) > 1 or latest.rollout_state == "IN_PROGRESS":
        return [Problem(f"{service.name}: its deployment is not complete", may_pass=True)]
    return []


def _task_faults(service: RunningService, image: ReleasedImage, stack: Stack | None) -> list[Problem]:
    if service.desired == 0:
        return [Problem(f"{service.name}: is scaled to zero: no tasks are meant to run")]
    running = [task for task in service.tasks if task.status == "RUNNING"]
    found = []
    if len(running) < service.desired:
        found.append(Problem(f"{service.name}: {len(running)} of {service.desired} tasks run", may_pass=True))
    if unhealthy := sum(task.healthy is False for task in running):
        found.append(
            Problem(f"{service.name}: {unhealthy} of {len(running)} tasks fail their health check", may_pass=True)
        )
    others = [task for task in running if task.digest != image.digest]
    if others:
        what = sorted({_told(task.image, task.digest) for task in others})
        found.append(
            Problem(
                f"{service.name}: {len(others)} of {len(running)} tasks run {', '.join(what)} instead of "
                f"{_told(image.tag, image.digest)}{_rolled_back(stack)}",
                # While a deployment is under way, tasks of two revisions run.
                may_pass=len(service.deployments) > 1 or all(task.digest is None for task in others),
            )
        )
    return found


def _rolled_back(stack: Stack | None) -> str:
    if stack is None or "ROLLBACK" not in stack.status:
        return ""
    return f": its last update was rolled back{f' ({stack.reason})' if stack.reason else ''}"


def _told(reference: str, digest: str | None) -> str:
    tag = Image.parse(reference).tag or reference
    return f"{tag} ({short_digest(digest) if digest else 'not pulled yet'})"


def _version_faults(service: RunningService, image: ReleasedImage, answer: Answer) -> list[Problem]:
    # A release can be deployed under another tag than its content's, such as the commit: what counts is the digest.
    tags = {Image.parse(task.image).tag for task in service.tasks if task.digest == image.digest} or {image.tag}
    expected = " or ".join(sorted(tags))
    if answer.status != 200:
        said = f"{answer.status} {answer.body}".strip() if answer.status else answer.body
        return [
            Problem(f"{service.name}: /version does not answer through the load balancer: {said[:200]}", may_pass=True)
        ]
    release = answered_release(answer)
    if release not in tags:
        return [
            Problem(f"{service.name}: /version answers {release or 'something else'}, not {expected}", may_pass=True)
        ]
    return []


def answered_release(answer: Answer) -> str | None:
    """The release that a service's ``/version`` names; None if it names none."""
    try:
        release = json.loads(answer.body)["release"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(release)


def _alarm_faults(seen: Seen, release: Mapping[str, ReleasedImage]) -> list[Problem]:
    found = []
    for service in seen.services:
        if service.name not in release:
            continue
        for alarm in alarms_of(service, seen.alarms, seen.services):
            if alarm.state == "ALARM":
                text = f"{alarm.name}: is in ALARM: {alarm.reason}"
                if alarm.name in would_roll_back(service):
                    text += "; it would have stopped the deployment if it were a deployment alarm"
            elif alarm.state == "INSUFFICIENT_DATA" and alarm.name in service.deployment_alarms:
                text = f"{alarm.name}: has no data yet: {alarm.reason}"
            else:
                continue
            found.append(Problem(text, may_pass=True, subject=alarm.condition))
    return found
