"""Plans a rollback: to which release, of which services, what runs then, and what blocks it (an image is gone)."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from nova_infra.deployed.model import Image, TaskRevision, short_digest
from nova_infra.deployed.stack import Stack, Template
from nova_infra.errors import RefusedError
from nova_infra.operations.gates.problems import way_out
from nova_infra.operations.records.holds import Hold
from nova_infra.operations.records.ledger import Entry, Ledger, ReleasedImage
from nova_infra.operations.records.lookup import current, find, last_good, names, short
from nova_infra.operations.rollback.lock import Claim

CHANGE_SET_PREFIX = "nova-rollback"
NO_CLAIM = Claim()
NONE: Mapping[str, str] = {}
_MIXED = "+"
"""Joins the names of a mixture, where only some services rolled back. No commit and no hold contains it."""


@dataclass(frozen=True)
class Deployed:
    """A service, as it is deployed.

    Attributes:
        image: The image that the template names, with its digest if that is known.

    A service whose task definition in ECS has another image than its template was changed past CloudFormation.
    """

    name: str
    stack: Stack
    template: Template
    definition: TaskRevision
    image: Image

    @property
    def drifted(self) -> bool:
        """Whether the service runs a different image from the one that the template names."""
        there = Image.parse(self.definition.image)
        same = there.tag == self.image.tag and not (there.digest and self.image.digest != there.digest)
        return bool(self.definition.image) and not self.stack.busy and not same


@dataclass(frozen=True)
class Move:
    """A service that rolls back.

    Attributes:
        repair: Whether its template has that image already, and ECS runs another one.
    """

    service: Deployed
    image: ReleasedImage
    repair: bool = False


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback would do.

    Attributes:
        bad: Name of the release that it leaves; empty where only services are repaired.
        images: Service to the image that the environment runs afterwards.
        result: Name of what the environment runs afterwards: the target's, or a mixture's.
        recorded: Whether there is nothing to do: the ledger names what runs, and says how it ended.
        deployed: The services as they were when the plan was made.
        ledger: Version of the ledger then.
    """

    target: Entry
    bad: str
    moves: tuple[Move, ...]
    settled: tuple[str, ...]
    ignored: tuple[str, ...]
    images: Mapping[str, ReleasedImage]
    result: str
    recorded: bool
    deployed: tuple[Deployed, ...] = ()
    ledger: int = 0


def choose_target(
    ledger: Ledger, holds: Sequence[Hold], deployed: Sequence[Deployed], release: str | None, claim: Claim
) -> Entry:
    """The release to return to: the one named, that of an unfinished rollback, or the last good one.

    Raises:
        RefusedError: There is none, or it was never verified.
    """
    if release is not None:
        return find(ledger, release)
    if claim.unfinished(ledger.version):
        for entry in ledger.entries:
            if entry.good and entry.release == claim.release:
                return entry
    held = {entry.release for entry in ledger.entries for hold in holds if names(hold.release, entry.release)}
    return last_good(ledger, held, {d.name: d.image.digest for d in deployed})


def restored_release(ledger: Ledger, deployed: Sequence[Deployed]) -> str:
    """The release that runs again after an update was stopped; empty unless it was verified."""
    latest = current(ledger, {service.name: service.image.digest for service in deployed})
    well = all(service.stack.updatable and not service.drifted for service in deployed)
    return latest.release if latest is not None and latest.good and well else ""


def make_plan(
    ledger: Ledger,
    target: Entry,
    deployed: Sequence[Deployed],
    only: Sequence[str],
    *,
    strangers: Mapping[str, str] = NONE,
    claim: Claim = NO_CLAIM,
) -> RollbackPlan:
    """Decide which services roll back.

    Args:
        strangers: Services that Nova did not deploy, and how that is known.

    Raises:
        RefusedError: A named service is not deployed, or is not in the release.
    """
    by_name = {service.name: service for service in deployed}
    _require_known(only, by_name, target, strangers)
    touched = [by_name[name] for name in sorted(only or by_name.keys() & target.images)]
    moves = tuple(
        Move(service, target.images[service.name], repair=same)
        for service in touched
        if not (same := service.image.digest == target.images[service.name].digest) or service.drifted
    )
    moving = {move.service.name for move in moves}
    bad = _left_release(ledger, target, moves, claim)
    images = _images_afterwards(by_name, {service.name for service in touched}, target)
    latest = current(ledger, {service.name: service.image.digest for service in deployed})
    return RollbackPlan(
        target=target,
        bad=bad,
        moves=moves,
        settled=tuple(service.name for service in touched if service.name not in moving),
        ignored=_ignored(by_name, target, strangers),
        images=images,
        result=_result(by_name, images, target, bad, only),
        recorded=latest is not None and latest.outcome != "deployed" and not moves,
        deployed=tuple(deployed),
        ledger=ledger.version,
    )


def _result(
    by_name: Mapping[str, Deployed], images: Mapping[str, ReleasedImage], target: Entry, bad: str, only: Sequence[str]
) -> str:
    """Name of what runs afterwards: the release, or a mixture where some services stay."""
    partly = any(images[name].digest != target.images[name].digest for name in by_name.keys() & target.images.keys())
    return f"{short(bad)}{_MIXED}{_MIXED.join(sorted(only))}@{short(target.release)}" if partly else target.release


def _require_known(
    only: Sequence[str], by_name: Mapping[str, Deployed], target: Entry, strangers: Mapping[str, str]
) -> None:
    """Refuse a named service that is not deployed here, or that the release does not have."""
    for name in only:
        if name in strangers:
            raise RefusedError(f"service: {strangers[name]}")
        if name not in by_name:
            raise RefusedError(f"service: {name!r} is not one of {', '.join(sorted(by_name))}: choose one of them")
        if name not in target.images:
            raise RefusedError(f"service: {name!r} was not part of release {short(target.release)}: leave it out")


def _ignored(by_name: Mapping[str, Deployed], target: Entry, strangers: Mapping[str, str]) -> tuple[str, ...]:
    added = sorted(by_name.keys() - target.images)
    removed = sorted(target.images.keys() - by_name - strangers.keys())
    return (
        *(f"{name}: was added after that release, and stays as it is" for name in added),
        *(f"{name}: was part of that release, but is no longer deployed" for name in removed),
        *(f"{name}: is left alone: {why}" for name, why in sorted(strangers.items())),
    )


def _images_afterwards(
    by_name: Mapping[str, Deployed], touched: Container[str], target: Entry
) -> dict[str, ReleasedImage]:
    """Service to its image once the plan is carried out."""
    return {
        name: target.images[name] if name in touched else ReleasedImage(service.image.tag, service.image.digest or "")
        for name, service in by_name.items()
    }


def _left_release(ledger: Ledger, target: Entry, moves: Sequence[Move], claim: Claim) -> str:
    """Name of the release that is rolled back from; empty if services are only repaired."""
    if claim.unfinished(ledger.version) and claim.release == target.release:
        return claim.left  # the services that went back already tell no more what they left
    if moves and all(move.repair for move in moves):
        return ""
    return _left(ledger, target, [move for move in moves if not move.repair])


def _left(ledger: Ledger, target: Entry, moves: Sequence[Move]) -> str:
    """Name of the release that is rolled back from: the latest with the replaced images. A mixture is no release."""
    for entry in (entry for entry in ledger.entries if _MIXED not in entry.release):
        own = all(
            entry.images[move.service.name].digest == move.service.image.digest
            for move in moves
            if move.service.name in entry.images
        )
        if own and entry.release != target.release:
            return entry.release
    return f"unrecorded-{moves[0].service.image.tag}" if moves else "unrecorded"


def blockers(plan: RollbackPlan, found: Mapping[str, tuple[Image | None, Image | None]]) -> list[str]:
    """Why a plan cannot be carried out, in sentences; empty if it can."""
    reasons = []
    for move in plan.moves:
        name, (by_digest, by_tag) = move.service.name, found[move.service.name]
        if by_digest is None:
            reasons.append(
                f"{name}: its image {move.image.tag} ({short_digest(move.image.digest)}) is no longer in the registry: "
                "choose another release with --to, or roll back only other services with --service"
            )
        elif by_tag is None or by_tag.digest != move.image.digest:
            reasons.append(
                f"{name}: the tag {move.image.tag} no longer names that release's image "
                f"({short_digest(move.image.digest)}): move the tag back to that image, or choose another release "
                "with --to"
            )
        if not move.service.stack.updatable and not move.service.stack.busy:
            reasons.append(
                f"{move.service.stack.name}: is {move.service.stack.status} and cannot be updated: "
                f"{way_out(move.service.stack)}"
            )
    return reasons


def change_set_prefix(target: Entry, nonce: str) -> str:
    """Prefix of the names of a rollback's change sets; the service's name follows."""
    safe = "".join(c if c.isalnum() else "-" for c in short(target.release))
    return f"{CHANGE_SET_PREFIX}-{safe}-{nonce}"


def busy_stacks(deployed: Sequence[Deployed], claim: Claim) -> list[Stack]:
    """The stacks to wait for: those that an interrupted rollback, by its journal, is still updating.

    Raises:
        RefusedError: Something else is updating stacks; each is named.
    """
    busy = [service.stack for service in deployed if service.stack.busy]
    foreign = [stack for stack in busy if not claim.owns(stack.change_set)]
    if foreign:
        lines = [f"{stack.name}: an operation is under way ({stack.status}): {way_out(stack)}" for stack in foreign]
        if any(stack.status == "UPDATE_IN_PROGRESS" for stack in foreign):
            lines.append("rollback: nothing was changed: `nova rollback --cancel` cancels the updates first and waits")
        raise RefusedError("\n".join(lines))
    return busy


def changed_since(before: RollbackPlan, now: RollbackPlan) -> list[str]:
    """What changed since a plan was shown, in sentences; empty if the plan would still do the same."""
    reasons = []
    if now.ledger != before.ledger:
        reasons.append("the ledger has a new entry since the plan was shown: see `nova releases`")
    was = {service.name: service for service in before.deployed}
    for service in now.deployed:
        old = was.pop(service.name, None)
        if old is None:
            reasons.append(f"{service.name}: was deployed since the plan was shown")
        elif old.image != service.image:
            reasons.append(
                f"{service.name}: its image was {old.image.tag} when the plan was shown, and is {service.image.tag} now"
            )
        elif (old.stack, old.template, old.definition) != (service.stack, service.template, service.definition):
            reasons.append(f"{service.name}: was changed since the plan was shown (it is {service.stack.status})")
    reasons += [f"{name}: is no longer deployed" for name in was]
    if not reasons and (now.target, now.bad, now.moves) != (before.target, before.bad, before.moves):
        reasons.append("the plan is out of date: holds or images have changed")
    return reasons


def new_holds(before: Sequence[Hold], now: Sequence[Hold], release: str) -> list[str]:
    """Who has put the release on hold since, in sentences."""
    known = {held.release for held in before}
    return [
        f"release {short(release)} was meanwhile put on hold by {held.by}: {held.why}"
        for held in now
        if held.release not in known and names(held.release, release)
    ]
