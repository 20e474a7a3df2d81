"""Answers to deployments under way, as the ledger keeps them: who promoted or aborted what, when and why."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

Action = Literal["promoted", "aborted"]

_SCHEMA = 2
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
    value = {
        "v": _SCHEMA,
        "kind": "answer",
        "nonce": secrets.token_hex(4),
        "action": answer.action,
        "services": answer.services,
        "at": answer.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "by": answer.by,
        "why": answer.why[:_MAX_WHY],
    }
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def decode_answer(text: str) -> RolloutAnswer | None:
    """Read what :func:`encode_answer` wrote; None where it is something else.

    Raises:
        ValueError: It is broken; as may be KeyError and TypeError.
    """
    value: Any = json.loads(text)
    if not isinstance(value, dict) or value.get("kind") != "answer":
        return None
    if value["action"] not in get_args(Action):
        raise ValueError(f"action {value['action']!r}")
    return RolloutAnswer(
        value["action"], dict(value["services"]), datetime.fromisoformat(value["at"]), value["by"], value["why"]
    )
