"""What becomes of the messages that a task had in its hands as it ended."""

import asyncio
from typing import Any

import pytest

from nova_infra.deployed.aws.client.receipts import Receipts
from nova_infra.deployed.aws.client.stand_in import StandInAws
from nova_infra.rehearsal.clock import COMPRESSED, REAL_TIME, Pace
from nova_infra.rehearsal.environment.background.stand_ins import StandIns

SERVER = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("pace", "address", "alone", "calls"),
    [
        (COMPRESSED, "10.97.7.2", True, 2),
        (COMPRESSED, "10.97.7.2", False, 2),
        (COMPRESSED, "127.0.0.1", True, 0),
        (REAL_TIME, "10.97.7.2", True, 0),
    ],
)
def test_they_come_back_within_a_compressed_minute(
    monkeypatch: pytest.MonkeyPatch, pace: Pace, address: str, alone: bool, calls: int
) -> None:
    """Processes of this machine share an address, and in real time messages come back by themselves."""
    asked: list[dict[str, Any]] = []

    def attempt(_: StandInAws, service: str, operation: str, **parameters: Any) -> bool:
        asked.append({"service": service, "operation": operation, **parameters})
        return bool(parameters["ReceiptHandle"] != "b1")

    async def play() -> StandIns:
        stand_ins = StandIns(pace, None)
        await stand_ins.expect([], SERVER, SERVER)
        await stand_ins.give_back(address, alone=alone)
        return stand_ins

    held = {"a": ("mail", "a1"), "b": ("mail", "b1")}
    monkeypatch.setattr(StandInAws, "attempt", attempt)
    monkeypatch.setattr(Receipts, "let_go", lambda _, holder: held if holder == address else {})
    stand_ins = asyncio.run(play())
    assert len(asked) == calls
    assert all(each["VisibilityTimeout"] == 1 and each["QueueUrl"].endswith("/mail") for each in asked)
    assert stand_ins.abandoned == ({"a"} if calls else set())
    assert stand_ins.ended["mail"] == (1 if calls and alone else 0)


def test_a_server_that_has_ended_first_keeps_no_task_from_ending() -> None:
    """Ctrl-C ends both, in any order."""
    asked = StandInAws(SERVER).attempt(
        "sqs", "change_message_visibility", QueueUrl=f"{SERVER}/1/mail", ReceiptHandle="a1", VisibilityTimeout=1
    )
    assert asked is False
