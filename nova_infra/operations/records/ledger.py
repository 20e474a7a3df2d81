"""The ledger: what was released to an environment, when, by whom, and with what outcome.

It is the history of one parameter in Parameter Store, ``/<platform>/<environment>/release``: a version is an entry, the
current value is the latest one. Parameter Store keeps the latest 100 versions, unless the oldest has a label, in which
case it refuses the next one: nothing here sets labels. A value may have 4 KB, or 8 KB in the advanced tier, which
intelligent tiering chooses by itself; 45 services fit, with digests as base64 and without a tag that repeats the
release's name. https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from nova_infra.deployed.protocol import ObservedEnvironment, RecordedEnvironment
from nova_infra.names import parameter_path
from nova_infra.operations.records.answers import RolloutAnswer, decode_answer

Outcome = Literal["deployed", "verified", "failed", "rolled-back"]

SCHEMA = 2
"""Of what is written here. Readers skip, and name, what a later schema wrote."""

_MAX_REASON = 400


@dataclass(frozen=True)
class ReleasedImage:
    """A service's image in a release.

    Attributes:
        tag: Its tag.
        digest: ``sha256:`` and 64 hexadecimal digits.
    """

    tag: str
    digest: str


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes:
        release: The commit.
        images: Service to its image.
        at: When it was written, UTC.
        outcome: ``verified``: it was delivered and runs as it should; ``failed``: it was delivered and does not;
            ``rolled-back``: the environment was brought back to it, and it runs as it should; ``deployed``: the
            environment was brought back to it, and does not run as it should yet.
        by: Who or what did it.
        reason: Why; empty for a delivery by the pipeline.
        committed_at: When the commit was made, UTC, if that is known.
        nonce: What this entry is known by, so that one that was written twice counts once.
    """

    release: str
    images: Mapping[str, ReleasedImage]
    at: datetime
    outcome: Outcome
    by: str
    reason: str = ""
    committed_at: datetime | None = None
    nonce: str = field(default="", compare=False)

    @property
    def good(self) -> bool:
        """Whether it was seen to run as it should: what can be rolled back to."""
        return self.outcome in ("verified", "rolled-back")


@dataclass(frozen=True)
class Scaling:
    """A service that was scaled for an incident.

    Attributes:
        service: Its name.
        least: The least tasks.
        most: The most tasks.
        until: When AWS restores what is usual, UTC; when it was ended, that moment.
        at: When it was done, UTC.
        by: Who did it.
        why: The reason.
    """

    service: str
    least: int
    most: int
    until: datetime
    at: datetime
    by: str
    why: str


@dataclass(frozen=True)
class Ledger:
    """What the ledger holds.

    Attributes:
        entries: Newest first.
        version: Number of the latest version; 0 where there is none.
        unreadable: What was skipped because it is no entry, a line for each.
        scalings: Services that were scaled for an incident, newest first.
        answers: Deployments that were promoted or aborted, newest first.
    """

    entries: tuple[Entry, ...]
    version: int
    unreadable: tuple[str, ...] = ()
    scalings: tuple[Scaling, ...] = ()
    answers: tuple[RolloutAnswer, ...] = ()


def parameter_name(environment: ObservedEnvironment, *parts: str) -> str:
    """Name of one of the environment's parameters."""
    platform = environment.prefix.removesuffix(f"-{environment.name}")
    return "/".join((parameter_path(platform, environment.name), *parts))


def read_ledger(environment: ObservedEnvironment) -> Ledger:
    """Read the ledger; an environment that nothing was released to has an empty one.

    Raises:
        AwsError: It cannot be read.
    """
    name = parameter_name(environment, "release")
    versions = environment.history(name)
    entries: list[Entry] = []
    scalings = []
    answers = []
    unreadable = []
    for version in reversed(versions):
        try:
            if (scaling := decode_scaling(version.value)) is not None:
                scalings.append(scaling)
                continue
            if (answer := decode_answer(version.value)) is not None:
                answers.append(answer)
                continue
            entry = decode(version.value)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            unreadable.append(
                f"{name}: version {version.version} is not a ledger entry, so it is skipped ({_why(error)}): find out "
                f"who wrote it, with `aws ssm get-parameter-history --name {name}`"
            )
            continue
        if not entry.nonce or all(entry.nonce != other.nonce for other in entries):
            entries.append(entry)
    return Ledger(
        tuple(entries), versions[-1].version if versions else 0, tuple(unreadable), tuple(scalings), tuple(answers)
    )


def _why(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error) or repr(error)


def append(environment: RecordedEnvironment, entry: Entry) -> int:
    """Add an entry.

    Returns:
        Its version. More than one above the version that was read means that somebody else wrote meanwhile; both
        entries are kept.
    """
    return environment.put_parameter(parameter_name(environment, "release"), encode(entry))


def append_scaling(environment: RecordedEnvironment, scaling: Scaling) -> None:
    """Write down that a service was scaled."""
    value = {
        "v": SCHEMA,
        "kind": "scaling",
        "nonce": secrets.token_hex(4),
        "service": scaling.service,
        "least": scaling.least,
        "most": scaling.most,
        "until": _timestamp(scaling.until),
        "at": _timestamp(scaling.at),
        "by": scaling.by,
        "why": scaling.why[:_MAX_REASON],
    }
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    environment.put_parameter(parameter_name(environment, "release"), text)


def decode_scaling(text: str) -> Scaling | None:
    """Read what :func:`append_scaling` wrote; None where it is something else.

    Raises:
        ValueError: It is broken; as may be KeyError and TypeError.
    """
    value: Any = json.loads(text)
    if not isinstance(value, dict) or value.get("kind") != "scaling":
        return None
    return Scaling(
        service=value["service"],
        least=int(value["least"]),
        most=int(value["most"]),
        until=datetime.fromisoformat(value["until"]),
        at=datetime.fromisoformat(value["at"]),
        by=value["by"],
        why=value["why"],
    )


def encode(entry: Entry) -> str:
    """The entry as compact JSON."""
    images = {
        service: f"{'' if image.tag == entry.release else image.tag}@{_short(image.digest)}"
        for service, image in entry.images.items()
    }
    value = {
        "v": SCHEMA,
        "nonce": entry.nonce or secrets.token_hex(4),
        "release": entry.release,
        "at": _timestamp(entry.at),
        "outcome": entry.outcome,
        "by": entry.by,
        **({"reason": entry.reason[:_MAX_REASON]} if entry.reason else {}),
        **({"committed": _timestamp(entry.committed_at)} if entry.committed_at else {}),
        "images": images,
    }
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def decode(text: str) -> Entry:
    """Read what :func:`encode` wrote.

    Raises:
        ValueError: It is something else; as may be KeyError, TypeError and AttributeError.
    """
    value: dict[str, Any] = json.loads(text)
    if value.get("v", 1) > SCHEMA:
        raise ValueError(f"its schema {value['v']} is newer than this Nova, which knows {SCHEMA}")
    if value["outcome"] not in get_args(Outcome):
        raise ValueError(f"outcome {value['outcome']!r}")
    images = {}
    for service, image in value["images"].items():
        tag, _, digest = image.rpartition("@")
        images[service] = ReleasedImage(tag or value["release"], _long(digest))
    committed = value.get("committed")
    return Entry(
        release=value["release"],
        images=images,
        at=datetime.fromisoformat(value["at"]),
        outcome=value["outcome"],
        by=value["by"],
        reason=value.get("reason", ""),
        committed_at=datetime.fromisoformat(committed) if committed else None,
        nonce=str(value.get("nonce", "")),
    )


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _short(digest: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(digest.removeprefix("sha256:"))).rstrip(b"=").decode()


def _long(text: str) -> str:
    return "sha256:" + base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()
