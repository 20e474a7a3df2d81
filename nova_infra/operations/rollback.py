"""Rolling an environment back: read, plan, ask, change, verify, record."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nova_infra.errors import NovaError
from nova_infra.operations import claims
from nova_infra.operations.environment import DeployedEnvironment
from nova_infra.operations.errors import AwsError, CheckFailedError, RefusedError
from nova_infra.operations.holds import hold, read_holds
from nova_infra.operations.ledger import Entry, Ledger, append, read_ledger
from nova_infra.operations.model import ChangeSet, Image, Service, Stack
from nova_infra.operations.rollback_plan import (
    Deployed,
    Move,
    Plan,
    change_set_prefix,
    choose_target,
    make_plan,
    obstacles,
    wait_or_refuse,
)
from nova_infra.operations.rollback_template import at_once, image_of, other_changes, rollout_of, with_image
from nova_infra.operations.side_by_side import side_by_side, threads
from nova_infra.operations.targets import ago, short
from nova_infra.operations.verify import verify

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What the operator asked for.

    Attributes:
        to: The release to go back to; None for the last good one.
        services: Names of the services to touch; none for all.
        plan_only: Whether to show the plan and change nothing.
        canary: Whether to go through the rollout in the template, instead of at once.
        allow_other_changes: Whether a plan that changes more than task definitions and services may be carried out.
        reason: Why, for the ledger and the hold.
        patience: Seconds that alarms get to go back before the rollback counts as failed.
    """

    to: str | None = None
    services: tuple[str, ...] = ()
    plan_only: bool = False
    canary: bool = False
    allow_other_changes: bool = False
    reason: str = ""
    patience: float = 600


def rollback(environment: DeployedEnvironment, request: Request, *, confirm: Callable[[], bool], tell: Tell) -> None:
    """Bring an environment back to an earlier release.

    Running it again finishes one that was interrupted or failed half-way.

    Args:
        environment: The environment.
        request: What the operator asked for.
        confirm: Asked when the plan has been shown; what is planned is only done if it says yes.
        tell: Told a line about each step.

    Raises:
        RefusedError: It is not possible or not wise; nothing was changed.
        CheckFailedError: A service did not go back, or the environment does not run as it should afterwards.
        AwsError: AWS refused a call or could not be reached.
    """
    seen = _read(environment, request, tell)
    plan = make_plan(seen.ledger, seen.target, seen.deployed, request.services)
    if reasons := obstacles(plan, _look_up(environment, plan)):
        raise RefusedError("\n".join(reasons))
    if plan.recorded:
        raise RefusedError(
            f"release: {environment.name} runs the images of {short(seen.target.release)} already: name another "
            "release with --to"
        )
    with _ChangeSets(environment, plan, request) as changes:
        _show(environment, plan, changes, request, tell)
        _refuse_other_changes(plan, changes, request)
        if request.plan_only:
            tell("This is a plan: nothing was changed.")
            return
        if not confirm():
            raise RefusedError("rollback: not confirmed: nothing was changed")
        claims.take(environment, plan.target.release, after=seen.claim)
        try:
            _carry_out(environment, plan, changes, seen, request, tell)
        finally:
            claims.give_back(environment, plan.target.release)


@dataclass(frozen=True)
class _Seen:
    ledger: Ledger
    target: Entry
    deployed: tuple[Deployed, ...]
    claim: claims.Claim


def _read(environment: DeployedEnvironment, request: Request, tell: Tell) -> _Seen:
    """Read everything, after an interrupted run's updates have ended."""
    with threads() as pool:
        ledger = pool.submit(read_ledger, environment)
        holds = pool.submit(read_holds, environment)
        claim = pool.submit(claims.read_claim, environment)
        deployed = read_deployed(environment)
        if not deployed:
            raise RefusedError(f"environment: {environment.name!r} has no services: deploy it first")
        target = choose_target(ledger.result(), holds.result(), deployed, request.to)
    touched = [d for d in deployed if not request.services or d.name in request.services]
    if waited := wait_or_refuse(touched, target, claim.result(), now=datetime.now(UTC)):
        for stack in waited:
            tell(f"{stack}: an interrupted rollback is still being carried out: waiting for it")
            environment.wait_for_stack(stack)
        deployed = read_deployed(environment)
    return _Seen(ledger.result(), target, deployed, claim.result())


def read_deployed(environment: DeployedEnvironment) -> tuple[Deployed, ...]:
    """The services as they are deployed, with all questions asked side by side."""
    names = environment.service_names()
    with threads() as pool:
        described = pool.submit(environment.services)
        stacks = pool.submit(environment.stacks, [environment.stack_name(name) for name in names])
        templates = pool.map(lambda name: environment.template(environment.stack_name(name)), names)
        services = {service.name: service for service in described.result()}
        definitions = pool.map(lambda name: environment.task_definition(services[name].revision), names)
        by_name = dict(zip(names, zip(templates, definitions, strict=True), strict=True))
        found = {stack.name: stack for stack in stacks.result()}
    deployed = []
    for name, (template, definition) in by_name.items():
        stack = found.get(environment.stack_name(name))
        if stack is None:
            raise RefusedError(f"{environment.stack_name(name)}: is not a stack: Nova did not deploy that service")
        deployed.append(Deployed(name, stack, template, definition, image_of(template, stack=stack.name)))
    digests = environment.images([service.image for service in deployed])
    return tuple(
        replace(service, image=replace(service.image, digest=image.digest if image else _pulled(services, service)))
        for service, image in zip(deployed, digests, strict=True)
    )


def _pulled(services: Mapping[str, Service], deployed: Deployed) -> str | None:
    """The digest that a service's tasks were started with, where the registry has the image no more."""
    tasks = services[deployed.name].tasks
    return next((task.digest for task in tasks if task.revision == deployed.definition.revision and task.digest), None)


def _look_up(environment: DeployedEnvironment, plan: Plan) -> dict[str, tuple[Image | None, Image | None]]:
    """For each service that goes back, what the registry has under its digest and under its tag."""
    wanted = []
    for move in plan.moves:
        repository = move.service.image.repository
        wanted += [Image(repository, move.image.tag, move.image.digest), Image(repository, move.image.tag)]
    found = environment.images(wanted)
    return {move.service.name: (found[2 * n], found[2 * n + 1]) for n, move in enumerate(plan.moves)}


class _ChangeSets:
    """The change sets of a plan; those that were not executed are deleted in the end."""

    def __init__(self, environment: DeployedEnvironment, plan: Plan, request: Request) -> None:
        self._environment, self._plan, self._request = environment, plan, request
        self._made: list[ChangeSet] = []

    def __enter__(self) -> dict[str, ChangeSet]:
        with threads() as pool:
            pending = [pool.submit(self._make, move) for move in self._plan.moves]
        failure = None
        for future in pending:
            if (error := future.exception()) is None:
                self._made.append(future.result())
            else:
                failure = failure or error
        if failure is not None:
            self._delete()
            raise failure
        return {made.stack: made for made in self._made}

    def _make(self, move: Move) -> ChangeSet:
        stack = move.service.stack
        template = with_image(move.service.template, move.image.tag, stack=stack.name)
        if not self._request.canary:
            template = at_once(template)
        return self._environment.create_change_set(
            stack,
            template,
            name=f"{change_set_prefix(self._plan.target)}-{secrets.token_hex(4)}",
            description=f"Back to release {self._plan.target.release}",
        )

    def __exit__(self, *_: object) -> None:
        self._delete()

    def _delete(self) -> None:
        """Delete what was not executed. One that stays behind changes nothing, and is no reason to fail."""

        def delete(change_set: ChangeSet) -> None:
            with contextlib.suppress(NovaError):
                self._environment.delete_change_set(change_set)

        with threads() as pool:
            list(pool.map(delete, self._made))


def _show(
    environment: DeployedEnvironment, plan: Plan, changes: dict[str, ChangeSet], request: Request, tell: Tell
) -> None:
    target = plan.target
    tell(
        f"Roll {environment.name} back to {short(target.release)}, {target.outcome} "
        f"{ago(target.at, datetime.now(UTC))} ({target.at:%Y-%m-%d %H:%M} UTC, by {target.by})"
    )
    for move in plan.moves:
        service = move.service
        digest = service.image.digest or "unknown"
        tell(f"  {service.name}: {service.image.tag} ({digest[:19]}) -> {move.image.tag} ({move.image.digest[:19]})")
        rollout = rollout_of(service.template) if request.canary else "all at once, no bake, no alarms"
        tell(f"    image is in the registry; rollout: {rollout}")
        if not service.definition.active:
            tell(
                f"    if this fails, CloudFormation cannot go back: {service.definition.revision}, which runs now, is "
                "inactive"
            )
        for change in changes[service.stack.name].changes:
            replaced = {"True": ", replaced", "Conditional": ", may be replaced"}.get(change.replacement, "")
            tell(f"    {change.action} {change.type} {change.logical_id}{replaced}")
        if not changes[service.stack.name].changes:
            tell("    CloudFormation finds nothing to change")
    for name in plan.settled:
        tell(f"  {name}: runs its image of that release already")
    for note in plan.ignored:
        tell(f"  {note}")
    tell(f"Then release {short(plan.bad)} is put on hold.")


def _refuse_other_changes(plan: Plan, changes: dict[str, ChangeSet], request: Request) -> None:
    others = [
        f"{move.service.stack.name}: {other}"
        for move in plan.moves
        for other in other_changes(changes[move.service.stack.name].changes, move.service.template)
    ]
    if others and not request.allow_other_changes:
        raise RefusedError(
            "\n".join(f"plan: {other}: more than a task definition and a service would change" for other in others)
            + "\nplan: nothing was changed: find out why, or add --allow-other-changes"
        )


def _carry_out(
    environment: DeployedEnvironment,
    plan: Plan,
    changes: dict[str, ChangeSet],
    seen: _Seen,
    request: Request,
    tell: Tell,
) -> None:
    reason = request.reason or f"rolled back to {short(plan.target.release)}"
    _hold(environment, plan, reason)
    try:
        if failures := _execute(environment, [changes[move.service.stack.name] for move in plan.moves], tell):
            # The ledger still names what was to be left: the environment runs parts of both.
            raise CheckFailedError("\n".join([*failures, "rollback: not complete: run the same command again"]))
        found = verify(environment, plan.images, patience=request.patience, tell=tell)
        entry = Entry(
            release=plan.result,
            images=plan.images,
            at=datetime.now(UTC).replace(microsecond=0),
            outcome="deployed" if found else "rolled-back",
            by=environment.caller(),
            reason=f"{reason}; {found[0].text}" if found else reason,
            committed_at=plan.target.committed_at if plan.result == plan.target.release else None,
        )
        version = append(environment, entry)
    except RefusedError as error:
        # From here on something was changed, so that this is no refusal any more.
        raise AwsError(f"{error}; the rollback is not complete: run the same command again") from None
    if version != seen.ledger.version + 1:
        tell("the ledger got another entry meanwhile: see `nova releases` for what was released beside this rollback")
    if found:
        faults = [finding.text for finding in found]
        raise CheckFailedError("\n".join([*faults, f"rollback: {environment.name} went back, and is not well yet"]))
    tell(f"{environment.name} runs {short(plan.result)}; release {short(plan.bad)} is on hold.")


def _hold(environment: DeployedEnvironment, plan: Plan, reason: str) -> None:
    """Hold what is left, with the images that are replaced; what an interrupted run held already stays held."""
    before = {held.release: held.images for held in read_holds(environment)}
    images = {move.service.name: move.service.image.digest or "" for move in plan.moves}
    hold(environment, plan.bad, why=reason, images={**before.get(plan.bad, {}), **images})


def _execute(environment: DeployedEnvironment, changes: Sequence[ChangeSet], tell: Tell) -> list[str]:
    """Execute change sets side by side and wait for all: as long as the slowest takes. What failed, in sentences."""
    failures = []

    def change(change_set: ChangeSet) -> Stack | None:
        if not environment.execute_change_set(change_set):
            return None
        return environment.wait_for_stack(change_set.stack)

    effective = [change_set for change_set in changes if change_set.changes]
    for change_set in effective:
        tell(f"{change_set.stack}: going back")
    for change_set, result in side_by_side(change, effective):
        name = change_set.stack
        if isinstance(result, NovaError):
            failures.append(f"{name}: {result}")
        elif isinstance(result, BaseException):
            raise result
        elif result is None:
            failures.append(f"{name}: was changed by somebody else since the plan was made")
        elif result.status not in ("UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"):
            first = next(iter(environment.failures(name)), None)
            why = f"{first.logical_id}: {first.reason}" if first else result.reason or "see its events"
            failures.append(f"{name}: did not go back ({result.status}): {why}")
        else:
            tell(f"{name}: done")
    return failures
