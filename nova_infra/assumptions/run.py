"""``nova prove``: runs experiments side by side in a sandbox account, and removes everything afterwards."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed, wait
from threading import Event

from nova_infra.assumptions.sandbox.clean import clean, leftovers
from nova_infra.assumptions.sandbox.experiment import Experiment, Reading
from nova_infra.assumptions.sandbox.stacks import (
    GROUND,
    PREFIX,
    LeftoversError,
    Sandbox,
    SandboxAccount,
    StoppedError,
    UndecidedError,
)
from nova_infra.assumptions.sandbox.templates import ground as ground_template
from nova_infra.errors import NovaError, RefusedError
from nova_infra.machine.parallel import threads

Notify = Callable[[str], object]


class InterruptedCleaningError(LeftoversError):
    """The run was interrupted a second time, while it removed what it had made."""

    exit_code = 130


def refuse_account(account: str | None, named: Collection[str], *, signed_in: str | None = None) -> None:
    """Refuse an account that is not a sandbox.

    Raises:
        RefusedError: None was given, the installation uses it, or the credentials are of another one.
    """
    if not account:
        raise RefusedError("--account: not given: name a sandbox account, such as --account 555555555555")
    if account in named:
        raise RefusedError(
            f"--account: nova.toml delivers to {account}, and experiments belong in a sandbox: use another account"
        )
    if signed_in not in (None, account):
        raise RefusedError(f"--account: the credentials are of {signed_in}, not of {account}: sign in to {account}")


def prove(
    account: SandboxAccount,
    chosen: Sequence[Experiment],
    *,
    notify: Notify,
    pause: Callable[[float], object] | None = None,
) -> list[Reading]:
    """Run experiments, and remove everything that they made.

    Args:
        notify: Called with each reading as soon as it is known.

    Raises:
        KeyboardInterrupt: The run was interrupted; everything is removed.
    """
    if left := leftovers(account):
        names = ", ".join(str(stack["StackName"]) for stack in left)
        raise RefusedError(f"{names}: another run made this, and may still be under way: remove it with --clean first")
    stopped = Event()
    try:
        return _run(account, chosen, notify=notify, stopped=stopped, pause=pause)
    finally:
        stopped.set()
        notify("removing everything that was made")
        _clean(account, pause)


def _run(
    account: SandboxAccount,
    chosen: Sequence[Experiment],
    *,
    notify: Notify,
    stopped: Event,
    pause: Callable[[float], object] | None,
) -> list[Reading]:
    ground: Mapping[str, str] = {}
    if any(each.ground for each in chosen):
        notify("making the network and the load balancer that experiments share")
        try:
            ground = Sandbox(account, GROUND, ground={}, stopped=stopped, pause=pause).deploy(ground_template()).outputs
        except (UndecidedError, NovaError) as error:
            said = f"the network and load balancer that experiments share could not be created: {error}"
            return [_told(Reading(row, "undecided", said), notify) for each in chosen for row in each.rows]

    def one(experiment: Experiment) -> list[Reading]:
        named, limit = experiment.name, experiment.minutes
        sandbox = Sandbox(account, named, ground=ground, stopped=stopped, minutes=limit, pause=pause)
        return list(read(experiment, sandbox))

    found: list[Reading] = []
    with threads(max(1, len(chosen))) as workers:
        running: list[Future[list[Reading]]] = [workers.submit(one, each) for each in chosen]
        try:
            for future in as_completed(running):
                found += [_told(reading, notify) for reading in future.result()]
        finally:
            stopped.set()  # whatever waits ends at once
            wait(running)  # so that nothing is made while everything is removed
    return found


def read(experiment: Experiment, sandbox: Sandbox) -> Iterator[Reading]:
    """The readings of an experiment: one for each of its rows, whatever happens."""
    missing = dict.fromkeys(experiment.rows)
    why = "the experiment said nothing about it"
    try:
        for reading in experiment.read(sandbox):
            missing.pop(reading.row)
            yield reading
    except StoppedError:
        why = "the run was interrupted"
    except (UndecidedError, NovaError) as error:
        why = str(error)
    except (KeyError, ValueError, IndexError) as error:
        why = f"AWS answered in an unexpected form ({type(error).__name__}: {error})"
    for row in missing:
        yield Reading(row, "undecided", why)


def _told(reading: Reading, notify: Notify) -> Reading:
    notify(reading.line)
    return reading


def _clean(account: SandboxAccount, pause: Callable[[float], object] | None) -> None:
    try:
        clean(account, **({"pause": pause} if pause else {}))
    except KeyboardInterrupt:
        raise InterruptedCleaningError(
            f"{PREFIX}-*: interrupted before everything was removed: run `nova prove --clean --account …`"
        ) from None
