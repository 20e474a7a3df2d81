"""Removes everything that experiments made in an account: after each run, and for ``nova prove --clean``."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nova_infra.assumptions.sandbox.stacks import GROUND, PREFIX, TAG, LeftoversError, SandboxAccount
from nova_infra.errors import NovaError, PassingError

_BETWEEN_LOOKS = 10.0
_MINUTES = 30
_TRIES = 2


def leftovers(account: SandboxAccount) -> list[dict[str, Any]]:
    """The stacks that experiments left behind, by their tag."""
    return [stack for stack in account.pages("cloudformation", "describe_stacks", "Stacks") if _is_ours(stack)]


def clean(account: SandboxAccount, *, pause: Callable[[float], object] = time.sleep) -> list[str]:
    """Remove every stack of the experiments, the shared one last.

    Returns:
        Names of the stacks that were removed.

    Raises:
        LeftoversError: Some could not be removed; each is a line with what to do.
    """
    try:
        names = sorted(str(stack["StackName"]) for stack in leftovers(account))
    except NovaError as error:
        raise LeftoversError(_remedy(f"{PREFIX}-*", str(error))) from None
    ground = [name for name in names if name == f"{PREFIX}-{GROUND}"]
    faults = _remove([name for name in names if name not in ground], account, pause)
    if ground and not faults:
        try:
            _stop_tasks(account)
        except NovaError as error:
            faults.append(_remedy(ground[0], str(error)))
        else:
            faults += _remove(ground, account, pause)
    elif ground:
        faults.append(f"{ground[0]}: stays as long as the others do, which use its network")
    if faults:
        raise LeftoversError("\n".join(faults))
    return names


def _remove(names: Sequence[str], account: SandboxAccount, pause: Callable[[float], object]) -> list[str]:
    """Remove stacks side by side; a line for each that is still there."""
    tries, faults = dict.fromkeys(names, 0), dict[str, str]()
    for _ in range(int(_MINUTES * 60 / _BETWEEN_LOOKS)):
        for name in [each for each in tries if each not in faults]:
            try:
                if _step(name, account, tries):
                    del tries[name]
                elif tries[name] > _TRIES:
                    faults[name] = _remedy(name, "CloudFormation could not delete it")
            except PassingError:
                continue  # asked again in a moment
            except NovaError as error:
                faults[name] = _remedy(name, str(error))
        if tries.keys() <= faults.keys():
            return list(faults.values())
        pause(_BETWEEN_LOOKS)
    return [faults.get(name, _remedy(name, f"is not gone after {_MINUTES} minutes")) for name in tries]


def _step(name: str, account: SandboxAccount, tries: dict[str, int]) -> bool:
    """Bring a stack closer to its removal; whether it has gone."""
    stack = _described(name, account)
    if stack is None:
        return True
    status = str(stack["StackStatus"])
    tries[name] += status == "DELETE_FAILED"
    try:
        if status == "UPDATE_IN_PROGRESS":
            # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CancelUpdateStack.html
            account.call("cloudformation", "cancel_update_stack", StackName=name)
        elif (status == "CREATE_IN_PROGRESS" or not status.endswith("_IN_PROGRESS")) and tries[name] <= _TRIES:
            account.call("cloudformation", "delete_stack", StackName=name)
    except NovaError as error:
        if error.code != "ValidationError":  # it has gone on since it was looked at: look again
            raise
    return False


def _described(name: str, account: SandboxAccount) -> Mapping[str, Any] | None:
    try:
        stacks = account.call("cloudformation", "describe_stacks", StackName=name)["Stacks"]
    except NovaError as error:
        if error.code == "ValidationError":  # no stack has that name
            return None
        raise
    return next((stack for stack in stacks if _is_ours(stack)), None)


def _stop_tasks(account: SandboxAccount) -> None:
    """Stop the tasks that no service has: they would keep the cluster."""
    cluster = f"{PREFIX}-{GROUND}"
    try:
        tasks = account.call("ecs", "list_tasks", cluster=cluster)["taskArns"]
    except NovaError as error:
        if error.code == "ClusterNotFoundException":
            return
        raise
    for task in tasks:
        account.call("ecs", "stop_task", cluster=cluster, task=task, reason="The experiment is over")


def _is_ours(stack: Mapping[str, Any]) -> bool:
    tagged = any(tag["Key"] == TAG for tag in stack.get("Tags", ()))
    return tagged and stack["StackStatus"] != "DELETE_COMPLETE"


def _remedy(name: str, fault: str) -> str:
    return f"{name}: {fault}: sign in to the account and run `nova prove --clean --account …` again"
