"""``nova rollback --cancel``: cancels updates in progress, which restores what ran before."""

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from typing import Literal

from nova_infra.deployed.protocol import DeployedEnvironment
from nova_infra.deployed.stack import Stack
from nova_infra.errors import RefusedError
from nova_infra.machine.parallel import threads
from nova_infra.operations.gates.problems import way_out
from nova_infra.operations.records.ledger import read_ledger
from nova_infra.operations.rollback import lock as claims
from nova_infra.operations.rollback.lock import Claim, RollbackLock

Outcome = Literal["idle", "planned", "stopped"]


def cancel_updates(
    environment: DeployedEnvironment,
    only: Sequence[str],
    confirm: Callable[[], bool] | None,
    notify: Callable[[str], None],
) -> Outcome:
    """Stop the services' updates that can be stopped, and wait until none is under way.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CancelUpdateStack.html

    Args:
        confirm: Asked before anything is stopped; None to show what would be, and stop nothing.

    Returns:
        ``idle`` where nothing was under way, ``planned`` where it was only shown, ``stopped`` otherwise.

    Raises:
        RefusedError: It was not confirmed, or a rollback is under way; nothing was changed.
    """
    names = [environment.stack_name(name) for name in only or environment.service_names()]
    busy = [stack for stack in environment.stacks(names) if stack.busy]
    if not busy:
        notify("No update is under way: there is nothing to cancel.")
        return "idle"
    claims.check(environment, claims.read_claim(environment))
    stoppable = [stack.name for stack in busy if stack.status == "UPDATE_IN_PROGRESS"]
    for stack in busy:
        notify(f"{stack.name}: {stack.status}: {_what(stack)}")
    if confirm is None:
        notify("This is a plan: nothing was changed.")
        return "planned"
    if not confirm():
        raise RefusedError("rollback: not confirmed: nothing was changed")
    _stop(environment, busy, stoppable, notify)
    return "stopped"


def _stop(
    environment: DeployedEnvironment, busy: Sequence[Stack], stoppable: Sequence[str], notify: Callable[[str], None]
) -> None:
    """Stop what can be stopped, and wait for all that is busy."""
    claim = Claim(secrets.token_hex(8), release="what ran before", ledger=read_ledger(environment).version)
    with RollbackLock(environment, claim, notify) as lock:
        with threads() as pool:
            cancelled = [pool.submit(environment.cancel_update, name) for name in stoppable]
            wait(cancelled)  # one that is refused does not keep the others from being asked for
        for each in cancelled:
            each.result()
        for stack in environment.wait_for_stacks([stack.name for stack in busy]):
            notify(f"{stack.name}: {stack.status}" + ("" if stack.updatable else f": {way_out(stack)}"))
        lock.done = True


def _what(stack: Stack) -> str:
    return "is cancelled: what ran before is restored" if stack.status == "UPDATE_IN_PROGRESS" else way_out(stack)
