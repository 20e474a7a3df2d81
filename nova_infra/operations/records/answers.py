"""What was done to deployments: promoted, aborted, and a suite's measured load, as the ledger stores them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from nova_infra.operations.records.parameter import Fields, UnreadableError, encode

Action = Literal["promoted", "aborted"]

KIND = "answer"
LOAD_KIND = "load"
_MAX_WHY = 400


@dataclass(frozen=True)
class RolloutAnswer:
    """An answer to one or more deployments.

    Attributes:
        services: Service to where its deployment stood, in words.
    """

    action: Action
    services: dict[str, str]
    at: datetime
    by: str
    why: str


def encode_answer(answer: RolloutAnswer) -> str:
    """The answer as compact JSON, which no other answer equals."""
    return encode({"kind": KIND, **vars(answer), "why": answer.why[:_MAX_WHY]})


def read_answer(fields: Fields) -> RolloutAnswer:
    """Read what :func:`encode_answer` wrote."""
    return RolloutAnswer(
        fields.one_of("action", get_args(Action)),
        fields.mapping("services"),
        fields.time("at"),
        fields.text("by"),
        fields.text("why"),
    )


@dataclass(frozen=True)
class MeasuredLoad:
    """The load that a test suite put on new revisions.

    Attributes:
        per_minute: Service to requests a minute.
    """

    per_minute: dict[str, int]
    at: datetime


def encode_load(load: MeasuredLoad) -> str:
    """The measured load as compact JSON, which no other one equals."""
    return encode({"kind": LOAD_KIND, "services": {n: str(v) for n, v in load.per_minute.items()}, "at": load.at})


def read_load(fields: Fields) -> MeasuredLoad:
    """Read what :func:`encode_load` wrote."""
    said = fields.mapping("services")
    if not all(value.isdecimal() for value in said.values()):
        raise UnreadableError(f"services are {said!r}, which are not numbers of requests")
    return MeasuredLoad({name: int(value) for name, value in said.items()}, fields.time("at"))
