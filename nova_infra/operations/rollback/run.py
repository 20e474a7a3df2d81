"""``nova rollback``: plans, asks, reads again, updates, verifies, records, and puts the bad release on hold."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from nova_infra.deployed.protocol import DeployedEnvironment
from nova_infra.deployed.stack import ChangeSet
from nova_infra.documents.model import Document
from nova_infra.documents.terminal import UNLIMITED, as_text
from nova_infra.errors import AwsError, CheckFailedError, RefusedError
from nova_infra.operations.gates.verify import verify
from nova_infra.operations.records.holds import Hold, hold, read_holds
from nova_infra.operations.records.ledger import Entry, append, read_ledger
from nova_infra.operations.records.lookup import short
from nova_infra.operations.rollback import lock as claims
from nova_infra.operations.rollback.cancel import cancel_updates
from nova_infra.operations.rollback.change_sets import change_sets, execute, remove_strays
from nova_infra.operations.rollback.lock import Claim, RollbackLock
from nova_infra.operations.rollback.plan import (
    RollbackPlan,
    blockers,
    busy_stacks,
    change_set_prefix,
    changed_since,
    choose_target,
    make_plan,
    new_holds,
    restored_release,
)
from nova_infra.operations.rollback.survey import Survey, images_of, survey
from nova_infra.operations.rollback.text import document, refused_changes
from nova_infra.operations.rollout.announce import announce

Tell = Callable[[str], None]

FRESH_SECONDS = 1.0
"""How long an answer about the claim and the holds is valid: forty-five stacks begin within seconds."""


@dataclass(frozen=True)
class Request:
    """What the operator asked for.

    Attributes:
        plan_only: Whether to show the plan and change nothing.
        canary: Whether to go through the rollout in the template, instead of at once.
        allow_other_changes: Whether a plan that changes more than task definitions and services may be carried out.
        reason: Why, for the ledger and the hold.
        patience: Seconds that alarms get to go back before the rollback counts as failed.
        cancel: Whether updates that are under way are stopped first.
    """

    to: str | None = None
    services: tuple[str, ...] = ()
    plan_only: bool = False
    canary: bool = False
    allow_other_changes: bool = False
    reason: str = ""
    patience: float = 600
    cancel: bool = False


def rollback(
    environment: DeployedEnvironment,
    request: Request,
    *,
    confirm: Callable[[], bool],
    notify: Tell,
    show: Callable[[Document], object] | None = None,
) -> None:
    """Roll an environment back to an earlier release.

    Running it again finishes one that was interrupted or failed half-way.

    Raises:
        RefusedError: It is not possible or not wise; nothing was changed.
        CheckFailedError: A service did not go back, or the environment does not run as it should afterwards.
        AwsError: AWS refused a call or could not be reached.
    """
    asked = None if request.plan_only else confirm
    stopped = cancel_updates(environment, request.services, asked, notify) if request.cancel else "idle"
    if stopped == "planned":
        return
    seen = _settled(environment, request, notify)
    if stopped == "stopped" and request.to is None and (restored := restored_release(seen.ledger, seen.deployed)):
        notify(f"{environment.name} runs {short(restored)}, as before the update: there is nothing else to do.")
        return
    plan = _plan(environment, seen, request)
    for note in seen.ledger.unreadable:
        notify(note)
    nonce = secrets.token_hex(8)
    with change_sets(environment, plan, nonce, canary=request.canary) as changes:
        _show(environment, plan, changes, request, show or partial(_as_lines, notify))
        if request.plan_only:
            return
        if not confirm():
            raise RefusedError("rollback: not confirmed: nothing was changed")
        with RollbackLock(environment, _claim(plan, nonce, seen), notify) as lock:
            holds = _refuse_changes(environment, plan, seen.holds, request)
            _carry_out(environment, plan, changes, holds, request, lock, notify)
            lock.done = True


def _show(
    environment: DeployedEnvironment,
    plan: RollbackPlan,
    changes: Mapping[str, ChangeSet],
    request: Request,
    show: Callable[[Document], object],
) -> None:
    """Show the plan with its change sets, and refuse one that would change more than it may."""
    now, canary, plan_only = environment.now(), request.canary, request.plan_only
    show(document(environment.name, plan, changes, canary=canary, now=now, plan_only=plan_only))
    if not request.allow_other_changes:
        refused_changes(plan, changes)


def _as_lines(notify: Tell, shown: Document) -> None:
    for line in as_text(shown, width=UNLIMITED).splitlines():
        notify(line)


def _settled(environment: DeployedEnvironment, request: Request, notify: Tell) -> Survey:
    """Read everything once the updates of an interrupted rollback have ended."""
    seen = survey(environment)
    claims.check(environment, seen.claim)
    touched = [d for d in seen.deployed if not request.services or d.name in request.services]
    if busy := [stack.name for stack in busy_stacks(touched, seen.claim)]:
        for stack in busy:
            notify(f"{stack}: an interrupted rollback is still running: waiting for it")
        for _ in environment.wait_for_stacks(busy):
            pass
        seen = survey(environment)
    return seen


def _plan(environment: DeployedEnvironment, seen: Survey, request: Request) -> RollbackPlan:
    """The plan for what was seen."""
    if not seen.deployed:
        why = "; ".join(seen.strangers.values()) or "deploy it first"
        raise RefusedError(f"environment: {environment.name!r} has no services that Nova deployed: {why}")
    target = choose_target(seen.ledger, seen.holds, seen.deployed, request.to, seen.claim)
    plan = make_plan(seen.ledger, target, seen.deployed, request.services, strangers=seen.strangers, claim=seen.claim)
    if reasons := blockers(plan, images_of(environment, plan)):
        raise RefusedError("\n".join(reasons))
    if plan.recorded:
        raise RefusedError(
            f"release: {environment.name} already runs the images of {short(target.release)}: name another release "
            "with --to"
        )
    return plan


def _claim(plan: RollbackPlan, nonce: str, seen: Survey) -> Claim:
    return Claim(
        nonce=nonce,
        release=plan.target.release,
        left=plan.bad,
        change_set=change_set_prefix(plan.target, nonce),
        services=tuple(move.service.name for move in plan.moves),
        ledger=seen.ledger.version,
    )


def _refuse_changes(
    environment: DeployedEnvironment, plan: RollbackPlan, holds: tuple[Hold, ...], request: Request
) -> tuple[Hold, ...]:
    """Read everything again, so that exactly what was confirmed is done.

    Returns:
        The holds.

    Raises:
        RefusedError: Something is not as it was when the plan was shown.
    """
    seen = survey(environment)
    busy_stacks(seen.deployed, Claim())
    target = choose_target(seen.ledger, seen.holds, seen.deployed, request.to or plan.target.release, Claim())
    now = make_plan(seen.ledger, target, seen.deployed, request.services, strangers=seen.strangers, claim=seen.claim)
    if reasons := [*changed_since(plan, now), *new_holds(holds, seen.holds, target.release)]:
        raise RefusedError("\n".join([*reasons, "rollback: nothing was changed: check again with --plan"]))
    return seen.holds


def _carry_out(
    environment: DeployedEnvironment,
    plan: RollbackPlan,
    changes: dict[str, ChangeSet],
    holds: tuple[Hold, ...],
    request: Request,
    lock: RollbackLock,
    notify: Tell,
) -> None:
    reason = request.reason or f"rolled back to {short(plan.target.release)}"
    _tell_all(environment, plan, "is being rolled back", reason, "nova watch", notify)
    guard = Guard(environment, lock, plan.target.release, holds)
    _hold(environment, plan, holds, reason)
    try:
        failures = execute(environment, changes, may_begin=guard, notify=notify)
        remove_strays(environment, plan, lock.change_set, notify)
        if failures:
            # The ledger still names what was to be left: the environment runs parts of both.
            raise CheckFailedError("\n".join([*failures, "rollback: not complete: run the same command again"]))
        found = verify(environment, plan.images, patience=request.patience, notify=notify)
        look_again(environment, plan, lock)
        append(environment, _entry(environment, plan, f"{reason}; {found[0].text}" if found else reason, bool(found)))
    except RefusedError as error:
        # From here on something was changed, so this is no longer a refusal.
        raise AwsError(f"{error}; the rollback is not complete: run the same command again") from None
    if found:
        faults = [problem.text for problem in found]
        raise CheckFailedError(
            "\n".join([*faults, f"rollback: {environment.name} was rolled back, but is not healthy yet"])
        )
    _tell_all(environment, plan, "was rolled back", reason, "nova verify", notify)
    left = f"; release {short(plan.bad)} is on hold" if plan.bad else ""
    notify(f"{environment.name} runs {short(plan.result)}{left}.")


def _entry(environment: DeployedEnvironment, plan: RollbackPlan, reason: str, is_unhealthy: bool) -> Entry:
    return Entry(
        release=plan.result,
        images=plan.images,
        at=environment.now().replace(microsecond=0),
        outcome="deployed" if is_unhealthy else "rolled-back",
        by=environment.caller(),
        reason=reason,
        committed_at=plan.target.committed_at if plan.result == plan.target.release else None,
    )


def _tell_all(
    environment: DeployedEnvironment, plan: RollbackPlan, what: str, reason: str, then: str, notify: Tell
) -> None:
    to = f"to release {short(plan.result)} by {environment.caller()}: {reason}"
    if untold := announce(environment, f"{environment.name} {what} {to}. Next: {then} {environment.name}"):
        notify(untold)


def _hold(environment: DeployedEnvironment, plan: RollbackPlan, holds: tuple[Hold, ...], reason: str) -> None:
    """Hold the bad release, with the images that are replaced; a hold of an interrupted run stays."""
    if plan.bad:
        before = {held.release: held.images for held in holds}
        images = {move.service.name: move.service.image.digest or "" for move in plan.moves if not move.repair}
        hold(environment, plan.bad, why=reason, images={**before.get(plan.bad, {}), **images})


class Guard:
    """Asks before each stack whether the claim still stands, and whether somebody has put the target on hold."""

    def __init__(
        self, environment: DeployedEnvironment, lock: RollbackLock, target: str, holds: tuple[Hold, ...]
    ) -> None:
        self._environment, self._lock, self._target = environment, lock, target
        self._holds = holds
        self._asked = time.monotonic()  # both were read just now

    def __call__(self) -> None:
        """Ask again, unless both answers are fresh.

        Raises:
            CheckFailedError: The claim is another's, or somebody has held the target.
        """
        if time.monotonic() - self._asked < FRESH_SECONDS:
            return
        self._lock.check()
        if reasons := new_holds(self._holds, read_holds(self._environment), self._target):
            raise CheckFailedError("\n".join(reasons))
        self._asked = time.monotonic()


def look_again(environment: DeployedEnvironment, plan: RollbackPlan, lock: RollbackLock) -> None:
    """Before the ledger is written: does the claim stand, and does the environment run the restored release?"""
    lock.check()
    ledger = read_ledger(environment)
    if ledger.version == plan.ledger:
        return
    runs = {service.name: service.image.digest for service in survey(environment).deployed}
    if others := sorted(name for name, image in plan.images.items() if runs.get(name) != image.digest):
        latest = short(ledger.entries[0].release) if ledger.entries else "another one"
        raise CheckFailedError(
            f"{', '.join(others)}: got another image during the rollback: release {latest} landed\n"
            "rollback: nothing was written to the ledger: see `nova status`, and run it again"
        )
