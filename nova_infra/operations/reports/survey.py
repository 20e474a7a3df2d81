"""Collects the facts for a brief, and records what could not be read."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from nova_infra.assembly import digest_of
from nova_infra.deployed.aws.toolchain import Execution, PipelineAction, ToolchainAccount
from nova_infra.deployed.model import Alarm, RunningService
from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.deployed.rollouts import RequestRate
from nova_infra.deployed.stack import Stack, Template
from nova_infra.errors import NotDeployedError, NovaError
from nova_infra.machine.parallel import PartialAnswers, threads
from nova_infra.operations.changes.cost import difference
from nova_infra.operations.changes.differences import differences
from nova_infra.operations.gates.problems import under_way
from nova_infra.operations.gates.traffic import suite_loads, too_thin
from nova_infra.operations.records.holds import Hold, read_holds, refusals
from nova_infra.operations.records.ledger import Ledger, read_ledger
from nova_infra.operations.records.lookup import short
from nova_infra.operations.records.waivers import Waiver, read_waivers, waived
from nova_infra.operations.release.candidate import Candidate
from nova_infra.operations.reports.brief import Brief, StackChanges, image_tags
from nova_infra.operations.reports.commits import commits_between

_Result = TypeVar("_Result")
_Other = TypeVar("_Other")
_UNDER_WAY = "InProgress"
"""Such as the step that writes the brief."""


def survey(
    environment: ObservedEnvironment,
    toolchain: ToolchainAccount | None,
    candidate: Candidate,
    *,
    root: Path,
    loaded: Collection[str] = (),
) -> Brief:
    """Look at everything that a brief reports, side by side.

    Args:
        root: A clone of the sources, if it is one.
        loaded: Names of the services that a test suite is the load of.

    Raises:
        NovaError: The environment cannot be looked at, for another reason than that it does not exist yet.
    """
    answers = PartialAnswers()
    found = _ask(environment, toolchain, candidate, answers)
    release, templates, entries = candidate.release, candidate.templates, found.ledger.entries
    return Brief(
        environment=environment.prefix,
        name=environment.name,
        candidate=release,
        digest=digest_of(templates),
        running=entries[0] if entries else None,
        last_good=next((entry for entry in entries if entry.good), None),
        commits=commits_between(root, entries[0].release if entries else None, release),
        images=_images(found.deployed or {}, templates, prefix=environment.prefix),
        stacks=_changes(found.deployed, templates) if found.deployed is not None else (),
        tests=found.tests,
        alarms=found.alarms,
        warnings=tuple(_warnings(environment.name, candidate, found, suite_loads(loaded, found.ledger))),
        unseen=answers.unread,
        cost=difference(found.deployed.values(), templates.values()) if found.deployed is not None else "",
    )


@dataclass(frozen=True)
class _Answers:
    """What the environment, the registry and the pipeline answered; None and nothing where they could not."""

    deployed: Mapping[str, Template] | None
    ledger: Ledger
    alarms: tuple[Alarm, ...]
    services: tuple[RunningService, ...]
    stacks: tuple[Stack, ...]
    rates: Mapping[str, RequestRate]
    holds: tuple[Hold, ...]
    waivers: tuple[Waiver, ...]
    built: Mapping[str, str]
    tests: tuple[PipelineAction, ...] | None
    newer: Execution | None


def _ask(
    environment: ObservedEnvironment, toolchain: ToolchainAccount | None, candidate: Candidate, answers: PartialAnswers
) -> _Answers:
    there = _exists(environment)
    names = list(candidate.templates) if there else []
    with threads() as pool:

        def ask(what: str, question: Callable[[], _Result], otherwise: _Other) -> Future[_Result | _Other]:
            # What does not exist yet has nothing to be asked about.
            asked: Callable[[], _Result | _Other] = question if there else lambda: otherwise
            return pool.submit(answers.ask, what, asked, otherwise)

        deployed = ask("the deployed templates", lambda: _deployed(environment, names), None)
        ledger = ask("the ledger", lambda: read_ledger(environment), Ledger((), 0))
        alarms = ask("the alarms", environment.alarms, ())
        services = ask("the services", environment.services, ())
        stacks = ask("the stacks", lambda: environment.stacks(names), ())
        rates: Future[Mapping[str, RequestRate]] = ask("the requests", environment.request_rates, {})
        holds = ask("the holds", lambda: read_holds(environment), ())
        waivers = ask("what is accepted", lambda: read_waivers(environment), ())
        built: Future[Mapping[str, str]] = pool.submit(answers.ask, "the images", candidate.digests, {})
        delivery = pool.submit(answers.ask, "the pipeline", lambda: _delivery(toolchain, candidate.release), None)
        tests, newer = delivery.result() or (None, None)
        return _Answers(
            deployed=deployed.result() if there else {},
            ledger=ledger.result(),
            alarms=alarms.result(),
            services=services.result(),
            stacks=stacks.result(),
            rates=rates.result(),
            holds=holds.result(),
            waivers=waivers.result(),
            built=built.result(),
            tests=tests,
            newer=newer,
        )


def _warnings(
    environment: str, candidate: Candidate, found: _Answers, loads: Mapping[str, int | None]
) -> Iterator[str]:
    release = candidate.release
    yield from refusals(found.holds, release, found.built)
    for subject, waiver in waived(found.waivers, release, now=datetime.now(UTC)).items():
        yield f"{subject}: for this release {waiver}"
    yield from under_way(found.services, found.stacks)
    yield from too_thin(environment, found.rates, loads)
    if found.newer is not None:
        yield _newer(found.newer)
    for service in found.services:
        if service.stack not in candidate.templates:
            yield f"{service.name} runs there but is not in this release: nothing removes it"


def _exists(environment: ObservedEnvironment) -> bool:
    try:
        environment.service_names()
    except NotDeployedError:
        return False
    return True


def _deployed(environment: ObservedEnvironment, names: Sequence[str]) -> dict[str, Template]:
    there = [stack.name for stack in environment.stacks(names) if stack.status != "REVIEW_IN_PROGRESS"]
    with threads() as pool:
        return dict(zip(there, pool.map(environment.template, there), strict=True))


def _changes(before: Mapping[str, Template], after: Mapping[str, Template]) -> tuple[StackChanges, ...]:
    found = (
        StackChanges(stack, tuple(differences(before.get(stack), template)), stack not in before)
        for stack, template in after.items()
    )
    return tuple(changes for changes in found if changes.differences)


def _images(
    before: Mapping[str, Template], after: Mapping[str, Template], *, prefix: str
) -> dict[str, tuple[str | None, str]]:
    found: dict[str, tuple[str | None, str]] = {}
    for stack, template in after.items():
        old = image_tags(before.get(stack))
        for container, tag in image_tags(template).items():
            found[stack.removeprefix(f"{prefix}-")] = (old.get(container), tag)
    return found


def _delivery(
    toolchain: ToolchainAccount | None, candidate: str
) -> tuple[tuple[PipelineAction, ...], Execution | None]:
    """The builds and tests of the candidate's execution, and a later execution of another commit."""
    if toolchain is None:
        raise NovaError("it is in a different account from these credentials")
    executions = toolchain.executions()
    mine = next((index for index, execution in enumerate(executions) if execution.commit == candidate), None)
    if mine is None:
        return (), None
    later = [e for e in executions[:mine] if e.commit and e.commit != candidate]
    actions = [
        action for action in toolchain.actions(executions[mine].id) if action.build and action.status != _UNDER_WAY
    ]
    return tuple(actions), later[0] if later else None


def _newer(execution: Execution) -> str:
    subject = execution.message.splitlines()[0] if execution.message else ""
    return f"a newer commit is on its way: {short(execution.commit)} {subject}".rstrip()
