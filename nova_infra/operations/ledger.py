"""The ledger: what was released to an environment, when, by whom, and what came of it.

It is the history of one parameter in Parameter Store, ``/<platform>/<environment>/release``: a version is an entry, the
current value is the latest one. Parameter Store keeps the latest 100 versions, unless the oldest has a label, in which
case it refuses the next one: nothing here sets labels. A value may have 4 KB, or 8 KB in the advanced tier, which
intelligent tiering chooses by itself; 45 services fit, with digests as base64 and without a tag that repeats the
release's name. https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from nova_infra.operations.environment import DeployedEnvironment
from nova_infra.operations.errors import AwsError

Outcome = Literal["deployed", "verified", "failed", "rolled-back"]

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
    """

    release: str
    images: Mapping[str, ReleasedImage]
    at: datetime
    outcome: Outcome
    by: str
    reason: str = ""
    committed_at: datetime | None = None

    @property
    def good(self) -> bool:
        """Whether it was seen to run as it should: what can be rolled back to."""
        return self.outcome in ("verified", "rolled-back")


@dataclass(frozen=True)
class Ledger:
    """What the ledger holds.

    Attributes:
        entries: Newest first.
        version: Number of the latest version; 0 where there is none.
    """

    entries: tuple[Entry, ...]
    version: int


def parameter_name(environment: DeployedEnvironment, *parts: str) -> str:
    """Name of one of the environment's parameters."""
    platform = environment.prefix.removesuffix(f"-{environment.name}")
    return "/" + "/".join((platform, environment.name, *parts))


def read_ledger(environment: DeployedEnvironment) -> Ledger:
    """Read the ledger; an environment that nothing was released to has an empty one.

    Raises:
        AwsError: It cannot be read, or holds something that is no entry.
    """
    name = parameter_name(environment, "release")
    versions = environment.history(name)
    try:
        entries = tuple(decode(version.value) for version in reversed(versions))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AwsError(
            f"{name}: holds a version that is no entry of a ledger ({error!r}): see who wrote it, with "
            f"`aws ssm get-parameter-history --name {name}`"
        ) from None
    return Ledger(entries, versions[-1].version if versions else 0)


def append(environment: DeployedEnvironment, entry: Entry) -> int:
    """Add an entry.

    Returns:
        Its version. More than one above the version that was read means that somebody else wrote meanwhile; both
        entries are kept.
    """
    return environment.put_parameter(parameter_name(environment, "release"), encode(entry))


def encode(entry: Entry) -> str:
    """The entry as compact JSON."""
    images = {
        service: f"{'' if image.tag == entry.release else image.tag}@{_short(image.digest)}"
        for service, image in entry.images.items()
    }
    value = {
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
    value = json.loads(text)
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
    )


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _short(digest: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(digest.removeprefix("sha256:"))).rstrip(b"=").decode()


def _long(text: str) -> str:
    return "sha256:" + base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()
