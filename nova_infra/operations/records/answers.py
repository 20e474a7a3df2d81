"""Answers to deployments under way, as the ledger keeps them: who promoted or aborted what, when and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from nova_infra.operations.records.parameter import Fields, encode

Action = Literal["promoted", "aborted"]

KIND = "answer"
_MAX_WHY = 400


@dataclass(frozen=True)
class RolloutAnswer:
    """An answer to one or more deployments.

    Attributes:
        action: What was done.
        services: Service to where its deployment stood, in words.
        at: When it was done, UTC.
        by: Who did it.
        why: The reason.
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
    """Read what :func:`encode_answer` wrote.

    Raises:
        UnreadableError: It is broken.
    """
    return RolloutAnswer(
        fields.one_of("action", get_args(Action)),
        fields.mapping("services"),
        fields.time("at"),
        fields.text("by"),
        fields.text("why"),
    )
