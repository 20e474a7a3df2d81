"""The ledger: what was released to an environment, when, by whom, and with what outcome.

It is the history of one parameter in Parameter Store, ``/<platform>/<environment>/release``: a version is an entry, the
current value is the latest one. Parameter Store keeps the latest 100 versions, unless the oldest has a label, in which
case it refuses the next one: nothing here sets labels. A value may have 4 KB, or 8 KB in the advanced tier, which
intelligent tiering chooses by itself, for five cents a month. An image takes its service's name and 93 characters: the
whole hash of what it was built from, its tag, and its digest, both as base64. 30 services fit into 4 KB, and 60 into
8 KB. https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from nova_infra.deployed.protocol import ObservedEnvironment, RecordedEnvironment
from nova_infra.operations.records import answers, scaling
from nova_infra.operations.records.answers import MeasuredLoad, RolloutAnswer
from nova_infra.operations.records.parameter import Fields, UnreadableError, encode, parameter_name
from nova_infra.operations.records.scaling import IncidentScaling

Outcome = Literal["deployed", "verified", "failed", "rolled-back"]

_MAX_REASON = 400

_SCHEMA = 3
"""Since 3, a tag that is a whole hash is written as ``=``, which begins no tag, and its base64."""


@dataclass(frozen=True)
class ReleasedImage:
    """A service's image in a release.

    Attributes:
        digest: ``sha256:`` and 64 hexadecimal digits.
    """

    tag: str
    digest: str


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes:
        outcome: ``verified``: it was delivered and runs as it should; ``failed``: it was delivered and does not;
            ``rolled-back``: the environment was brought back to it, and it runs as it should; ``deployed``: the
            environment was brought back to it, and does not run as it should yet.
        reason: Why; empty for a delivery by the pipeline.
        committed_at: When the commit was made, UTC, if that is known.
        assembly: What its assembly was known by when it was built, as 64 hexadecimal digits; empty where not known.
        nonce: What this entry is known by, so that one that was written twice counts once.
    """

    release: str
    images: Mapping[str, ReleasedImage]
    at: datetime
    outcome: Outcome
    by: str
    reason: str = ""
    committed_at: datetime | None = None
    assembly: str = ""
    nonce: str = field(default="", compare=False)

    @property
    def good(self) -> bool:
        """Whether it was verified, so that a rollback can return to it."""
        return self.outcome in ("verified", "rolled-back")


@dataclass(frozen=True)
class Ledger:
    """What the ledger holds.

    Attributes:
        entries: Newest first.
        version: Number of the latest version; 0 where there is none.
        unreadable: What was skipped because it is not an entry, a line for each.
        scalings: Services that were scaled for an incident, newest first.
        answers: Deployments that were promoted or aborted, newest first.
        loads: What new revisions got while a test suite was their load, newest first.
    """

    entries: tuple[Entry, ...]
    version: int
    unreadable: tuple[str, ...] = ()
    scalings: tuple[IncidentScaling, ...] = ()
    answers: tuple[RolloutAnswer, ...] = ()
    loads: tuple[MeasuredLoad, ...] = ()


def read_ledger(environment: ObservedEnvironment) -> Ledger:
    """Read the ledger, which is empty before the first release."""
    name = parameter_name(environment, "release")
    versions = environment.history(name)
    entries: list[Entry] = []
    scalings = []
    answered = []
    loads = []
    unreadable = []
    for version in reversed(versions):
        try:
            fields = Fields(version.value)
            kind = fields.text("kind", "")
            if kind == scaling.KIND:
                scalings.append(scaling.read_scaling(fields))
                continue
            if kind == answers.KIND:
                answered.append(answers.read_answer(fields))
                continue
            if kind == answers.LOAD_KIND:
                loads.append(answers.read_load(fields))
                continue
            entry = read_entry(fields)
        except UnreadableError as error:
            unreadable.append(
                f"{name}: version {version.version} is not a ledger entry, so it is skipped ({error}): find out "
                f"who wrote it, with `aws ssm get-parameter-history --name {name}`"
            )
            continue
        if not entry.nonce or all(entry.nonce != other.nonce for other in entries):
            entries.append(entry)
    return Ledger(
        tuple(entries),
        versions[-1].version if versions else 0,
        tuple(unreadable),
        tuple(scalings),
        tuple(answered),
        tuple(loads),
    )


def append(environment: RecordedEnvironment, entry: Entry) -> int:
    """Add an entry.

    Returns:
        Its version. More than one above the version that was read means that somebody else wrote meanwhile; both
        entries are kept.
    """
    return environment.put_parameter(parameter_name(environment, "release"), encode_entry(entry))


def encode_entry(entry: Entry) -> str:
    """The entry as compact JSON."""
    images = {
        service: f"{'' if image.tag == entry.release else _written(image.tag)}@{_short(image.digest)}"
        for service, image in entry.images.items()
    }
    value = {
        "v": _SCHEMA,
        "release": entry.release,
        "at": entry.at,
        "outcome": entry.outcome,
        "by": entry.by,
        "reason": entry.reason[:_MAX_REASON] or None,
        "committed": entry.committed_at,
        "assembly": _short(entry.assembly) or None,
        "images": images,
    }
    return encode({**value, "nonce": entry.nonce} if entry.nonce else value)


def read_entry(fields: Fields) -> Entry:
    """Read the fields of what :func:`encode_entry` wrote."""
    release = fields.text("release")
    images = {}
    for service, image in fields.mapping("images").items():
        tag, _, digest = image.rpartition("@")
        images[service] = ReleasedImage(_tag(tag) or release, _long(digest))
    return Entry(
        release=release,
        images=images,
        at=fields.time("at"),
        outcome=fields.one_of("outcome", get_args(Outcome)),
        by=fields.text("by"),
        reason=fields.text("reason", ""),
        committed_at=fields.time("committed") if "committed" in fields else None,
        assembly=_long(fields.text("assembly")).removeprefix("sha256:") if "assembly" in fields else "",
        nonce=fields.text("nonce", ""),
    )


def _written(tag: str) -> str:
    return f"={_short(tag)}" if re.fullmatch(r"[0-9a-f]{64}", tag) else tag


def _tag(written: str) -> str:
    return _long(written[1:]).removeprefix("sha256:") if written.startswith("=") else written


def _short(digest: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(digest.removeprefix("sha256:"))).rstrip(b"=").decode()


def _long(text: str) -> str:
    try:
        return "sha256:" + base64.urlsafe_b64decode(text + "==").hex()  # more of them than needed are ignored
    except ValueError as error:
        raise UnreadableError(f"images: {text!r} is not a digest: {error}") from None
