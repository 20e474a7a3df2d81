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
            "mails was deleted 31 s after it was received, and after 30 s the queue hands it",
        ),
        (QueueRecord(hidden=30, sent=90, came_back=1), "a message was received from mails but not deleted"),
        (QueueRecord(hidden=30, sent=90, came_back=7), "7 messages were received from mails but not deleted"),
        (QueueRecord(hidden=30, sent=90, left=14, rate=7), ""),
        (QueueRecord(hidden=30, sent=90, left=15, rate=7), "15 of 90 messages of mails were still waiting at the end"),
        (QueueRecord(hidden=30, left=109), "109 messages of mails were still waiting at the end"),
        (QueueRecord(hidden=30, sent=2, dead=3), "3 messages of mails ended in its dead-letter queue"),
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


@pytest.mark.parametrize(
    ("queue", "sign", "said", "remedy"),
    [
        (QueueRecord(hidden=30, sent=70, workers=["service-2"]), "✓", "All 3 stages succeeded", "make drills"),
        (QueueRecord(hidden=30, workers=["service-2"]), "!", "service-2 got no messages", "services/<name>/messages"),
        (
            QueueRecord(hidden=30, sent=5, workers=["service-2"], unfinished=3),
            "!",
            "service-2 finished none of 3 messages of mails",
            "",
        ),
        (
            QueueRecord(hidden=30, sent=70, workers=["other"]),
            "!",
            "nothing here gives service-2 work",
            "before the last",
        ),
    ],
    ids=[
        "a worker with messages",
        "a worker without",
        "a worker that finishes none",
        "neither a worker nor behind a load balancer",
    ],
)
def test_what_had_nothing_to_do_was_not_tested(
    rehearsed: Callable[..., Record], queue: QueueRecord, sign: str, said: str, remedy: str
) -> None:
    record = rehearsed()
    record.queues["mails"] = queue
    for deployment in record.deployments:
        if deployment.service == "service-2":
            deployment.has_requests, deployment.samples = False, []
    found = verdict(record)
    assert found.sign == sign
    assert said in found.why
    assert remedy in found.next_step
