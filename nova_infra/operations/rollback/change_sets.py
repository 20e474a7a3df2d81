"""Creates and executes a rollback's change sets in parallel, and leaves none behind; `aws/stacks` builds them."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait

from nova_infra.deployed.protocol import DeployedEnvironment
from nova_infra.deployed.stack import ChangeSet, Stack, Template
from nova_infra.errors import NovaError
from nova_infra.machine.parallel import side_by_side, threads
from nova_infra.operations.rollback.plan import CHANGE_SET_PREFIX, Move, RollbackPlan, change_set_prefix
from nova_infra.operations.rollback.template import at_once, by_itself, renewed, with_image

_MAX_NAME = 128
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html"""

_BACK = ("UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")


@contextlib.contextmanager
def change_sets(
    environment: DeployedEnvironment, plan: RollbackPlan, nonce: str, *, canary: bool
) -> Iterator[dict[str, ChangeSet]]:
    """The change sets of a plan, by stack. Those that :func:`execute` has not taken out are deleted in the end.

    They are deleted by their names, which are known before they are made: an interruption in the middle leaves none.

    Args:
        canary: Whether traffic goes through the rollout in the template, instead of moving at once.
    """
    prefix = change_set_prefix(plan.target, nonce)
    begun: list[ChangeSet] = []
    made: dict[str, ChangeSet] = {}
    ready: set[str] = set()

    def make(move: Move) -> None:
        stack = move.service.stack
        template = _template(move, prefix, canary=canary)
        name = f"{prefix}-{move.service.name}"[:_MAX_NAME]
        begun.append(ChangeSet(stack.name, name, ()))
        description = f"Back to release {plan.target.release}"
        made[stack.name] = environment.create_change_set(stack, template, name=name, description=description)
        ready.add(stack.name)

    def delete(change_set: ChangeSet) -> None:
        # One that stays behind changes nothing, and is no reason to fail.
        with contextlib.suppress(NovaError):
            environment.delete_change_set(made.get(change_set.stack, change_set))

    pool = threads()
    try:
        _wait([pool.submit(make, move) for move in plan.moves])
        yield made
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        last = threads()
        for change_set in [each for each in begun if each.stack in made or each.stack not in ready]:
            last.submit(delete, change_set)
        last.shutdown()  # A second interruption ends this wait; the threads go on while the program does.


def _template(move: Move, prefix: str, *, canary: bool) -> Template:
    """What a service's stack goes back to."""
    stack = move.service.stack.name
    template = with_image(move.service.template, move.image.tag, stack=stack)
    if move.repair:
        template = renewed(template, prefix, stack=stack)
    return by_itself(template) if canary else at_once(template)


def _wait(pending: Sequence[Future[None]]) -> None:
    """Wait for all, or for the first error, which is raised."""
    wait(pending, return_when=FIRST_EXCEPTION)
    for future in pending:
        if future.done() and (error := future.exception()) is not None:
            raise error


def execute(
    environment: DeployedEnvironment,
    changes: dict[str, ChangeSet],
    *,
    may_begin: Callable[[], None],
    notify: Callable[[str], None],
) -> list[str]:
    """Execute change sets in parallel and wait for all of them; return what failed, in sentences.

    Args:
        changes: The change sets, by stack; those that begin are taken out, those that change nothing are left alone.
        may_begin: Asked before each stack; raises NovaError where it must not be changed any more.

    Raises:
        AwsError: What became of the stacks is not known.
    """
    failures: list[str] = []
    begun: list[str] = []

    def begin(change_set: ChangeSet) -> bool:
        may_begin()
        return environment.execute_change_set(change_set)

    for change_set, result in side_by_side(begin, [each for each in changes.values() if each.changes]):
        if result is True:
            begun.append(change_set.stack)
            del changes[change_set.stack]
            notify(f"{change_set.stack}: rolling back")
        elif isinstance(result, NovaError):
            failures.append(f"{change_set.stack}: {result}")
        elif isinstance(result, BaseException):
            raise result
        else:
            failures.append(f"{change_set.stack}: somebody else changed it after the plan was made")
    for stack in environment.wait_for_stacks(begun):
        if stack.status in _BACK:
            notify(f"{stack.name}: done")
        else:
            failures.append(f"{stack.name}: did not roll back ({stack.status}): {_why(environment, stack)}")
    return failures


def remove_strays(
    environment: DeployedEnvironment, plan: RollbackPlan, own: str, notify: Callable[[str], None]
) -> None:
    """Delete change sets left by killed rollbacks: all but those of the lock's owner.

    One that somebody else is just being shown goes as well: what it was made from is no longer so.

    Args:
        own: What the names of the caller's change sets begin with.
    """

    def remove(stack: str) -> None:
        # Nothing depends on it: one that stays behind changes nothing.
        with contextlib.suppress(NovaError):
            for name in environment.change_set_names(stack):
                if name.startswith(f"{CHANGE_SET_PREFIX}-") and not name.startswith(f"{own}-"):
                    environment.delete_change_set(ChangeSet(stack, name, ()))
                    notify(f"{stack}: deleted the change set {name}, left by a rollback that was killed")

    with threads() as pool:
        list(pool.map(remove, [service.stack.name for service in plan.deployed]))


def _why(environment: DeployedEnvironment, stack: Stack) -> str:
    try:
        first = next(iter(environment.failures(stack.name)), None)
    except NovaError:
        first = None
    return f"{first.logical_id}: {first.reason}" if first else stack.reason or "see its events"
