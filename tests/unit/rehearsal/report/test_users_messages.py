from __future__ import annotations

from collections.abc import Callable

import pytest

from nova_infra.rehearsal.record import QueueRecord, Record
from nova_infra.rehearsal.report.users import what_users_meet
from nova_infra.rehearsal.report.verdict import verdict


@pytest.mark.parametrize(
    ("queue", "said"),
    [
        (QueueRecord(hidden=30, sent=90, slowest=29), ""),
        (
            QueueRecord(hidden=30, sent=90, slowest=31.4),
            "mails takes its worker 31 s, and after 30 s the queue hands it",
        ),
        (QueueRecord(hidden=30, sent=90, came_back=1), "of mails, a message was received and not deleted"),
        (QueueRecord(hidden=30, sent=90, came_back=7), "of mails, 7 messages were received and not deleted"),
        (QueueRecord(hidden=30, sent=90, dead=4), "4 of 90 messages of mails ended in its dead-letter queue"),
    ],
)
def test_what_becomes_of_messages_is_what_users_meet(
    rehearsed: Callable[..., Record], queue: QueueRecord, said: str
) -> None:
    record = rehearsed()
    record.queues["mails"] = queue
    assert bool(what_users_meet(record)) is bool(said)
    assert said in " ".join(what_users_meet(record))
    assert verdict(record).warns is bool(said)
