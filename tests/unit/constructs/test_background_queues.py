"""The queues that a worker's stack makes."""

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from nova_infra.config import Queue
from nova_infra.constructs.background.work_queue import WorkQueue


@pytest.mark.parametrize(
    ("queue", "names"),
    [
        (Queue(), {"shop-dev-mailer": None, "shop-dev-mailer-dead": None}),
        (Queue(fifo=True), {"shop-dev-mailer.fifo": True, "shop-dev-mailer-dead.fifo": True}),
        (Queue(fifo=True, name="mails", dead="lost"), {"mails.fifo": True, "lost.fifo": True}),
    ],
)
def test_both_queues_are_fifo_or_none_is_and_their_names_say_so(queue: Queue, names: dict[str, bool | None]) -> None:
    stack = cdk.Stack(cdk.App(), "shop-dev-mailer")
    consumer = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
    work = WorkQueue(stack, "Work", name="shop-dev-mailer", queue=queue, consumer=consumer)
    made = [each["Properties"] for each in Template.from_stack(stack).find_resources("AWS::SQS::Queue").values()]
    assert {each["QueueName"]: each.get("FifoQueue") for each in made} == names
    assert [work.name, work.dead_name] == [*names]
