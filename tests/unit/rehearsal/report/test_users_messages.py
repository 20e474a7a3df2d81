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
            "messages of mails come back after 30 s (VisibilityTimeout), and the slowest took its worker 31.4 s: they",
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


@pytest.mark.parametrize(("worker", "said"), [("service-1", True), ("service-9", False)])
def test_what_keeps_an_alarm_red_is_named_where_the_alarm_stops_the_release(
    rehearsed: Callable[..., Record], worker: str, *, said: bool
) -> None:
    record = rehearsed(bad=1)
    record.queues["mails"] = QueueRecord(hidden=2, sent=33, slowest=3.2, came_back=74, workers=[worker])
    found = verdict(record)
    cause = "Besides, messages of mails come back after 2 s (VisibilityTimeout), and the slowest took its worker 3.2 s"
    assert (found.sign, cause in found.why) == ("✗", said)


@pytest.mark.parametrize(("bad", "sign"), [(0, "!"), (1, "✗")])
def test_what_users_met_while_a_command_ran_is_said_whatever_became_of_the_release(
    rehearsed: Callable[..., Record], bad: int, sign: str
) -> None:
    record = rehearsed(bad=bad)
    record.waits["Prod"] = ["while before_deploy of tills ran, carts:7 took 8.0 s to answer GET /carts"]
    found = verdict(record)
    assert found.sign == sign
    assert record.waits["Prod"][0] in found.why


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
