"""Ledger, holds, waivers and locks in Parameter Store: compact JSON, tolerant of others' and newer entries."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from nova_infra.deployed.protocol import ObservedEnvironment
from nova_infra.names import parameter_path

SCHEMA = 3
"""The latest known schema. Readers skip and report what a later one wrote."""

NEVER = datetime.min.replace(tzinfo=UTC)
"""Stands for a time that cannot be read."""


class UnreadableError(ValueError):
    """A parameter's value is not what Nova writes there. The message says why."""


def parameter_name(environment: ObservedEnvironment, *parts: str) -> str:
    """Name of one of the environment's parameters."""
    platform = environment.prefix.removesuffix(f"-{environment.name}")
    return "/".join((parameter_path(platform, environment.name), *parts))


class Dated(Protocol):
    """A record that says when it was written."""

    @property
    def at(self) -> datetime:
        """When it was written, UTC."""


RecordT = TypeVar("RecordT", bound=Dated)


def read_records(
    environment: ObservedEnvironment,
    kind: str,
    read: Callable[[str, Fields], RecordT | None],
    unreadable: Callable[[str, str], RecordT],
    *,
    written_by: str,
) -> tuple[RecordT, ...]:
    """All records of a kind, which are named after releases, newest first.

    Args:
        kind: The last part of the path that they are below.
        read: Reads the one for a release; None for one that does not count any more.
        unreadable: What stands for the one for a release that cannot be read, and why it cannot.
    """
    found = []
    for name, text in environment.parameters(parameter_name(environment, kind)).items():
        release = name.rpartition("/")[2]
        try:
            record = read(release, Fields(text))
        except UnreadableError as error:
            why = f"{name} was not written by `{written_by}` ({error}): find out who wrote it, and delete it"
            record = unreadable(release, why)
        if record is not None:
            found.append(record)
    return tuple(sorted(found, key=lambda record: record.at, reverse=True))


def encode(value: Mapping[str, object]) -> str:
    """A value as compact JSON, unique, so that a write whose answer is lost can be recognized.

    Args:
        value: What to write, times included; what is None is left out. ``v``, its schema, is 2 unless it says so.
    """
    kept = {
        key: _timestamp(each) if isinstance(each, datetime) else each for key, each in value.items() if each is not None
    }
    unique = {"v": 2, "nonce": secrets.token_hex(4), **kept}
    return json.dumps(unique, separators=(",", ":"), ensure_ascii=False)


class Fields:
    """The fields of a value. Each method raises :class:`UnreadableError` if a field is not of its type."""

    def __init__(self, text: str) -> None:
        """Parse a value.

        Raises:
            UnreadableError: It is no JSON object, or a newer Nova wrote it.
        """
        try:
            self._value: Any = json.loads(text)
        except ValueError as error:
            raise UnreadableError(f"it is not JSON: {error}") from None
        if not isinstance(self._value, dict):
            raise UnreadableError("it is not a JSON object")
        if self.number("v", 1) > SCHEMA:
            raise UnreadableError(f"its schema {self._value['v']} is newer than this Nova, which knows {SCHEMA}")

    def __contains__(self, key: str) -> bool:
        return key in self._value

    def text(self, key: str, default: str | None = None) -> str:
        """A text."""
        found = self._get(key, default)
        if not isinstance(found, str):
            raise UnreadableError(f"{key} is {found!r}, which is not text")
        return found

    def one_of(self, key: str, known: tuple[str, ...]) -> Any:
        """One of some texts."""
        found = self._get(key, None)
        if found not in known:
            raise UnreadableError(f"{key} {found!r} is not one of {', '.join(known)}")
        return found

    def number(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        found = self._get(key, default)
        if not isinstance(found, int):
            raise UnreadableError(f"{key} is {found!r}, which is not a whole number")
        return found

    def time(self, key: str) -> datetime:
        """A time, UTC."""
        try:
            found = datetime.fromisoformat(self.text(key))
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise UnreadableError(f"{key}: {error}") from None

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of texts."""
        found = self._get(key, default)
        if not isinstance(found, list | tuple):
            raise UnreadableError(f"{key} is {found!r}, which is not a list")
        return tuple(map(str, found))

    def mapping(self, key: str) -> dict[str, str]:
        """Texts by name."""
        found = self._get(key, None)
        if not isinstance(found, dict):
            raise UnreadableError(f"{key} is {found!r}, which is not an object")
        return {str(name): str(each) for name, each in found.items()}

    def _get(self, key: str, default: Any) -> Any:
        found = self._value.get(key, default)
        if found is None:
            raise UnreadableError(f"{key} is missing")
        return found


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
