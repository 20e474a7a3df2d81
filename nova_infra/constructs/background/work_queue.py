"""A worker's SQS queue and dead-letter queue: visibility timeout, retention, how often a message is tried."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from nova_infra.checks.acknowledge import acknowledge_own_policy
from nova_infra.config import Queue
from nova_infra.constructs.statements import allow

KEPT = cdk.Duration.days(14)
"""The longest that SQS keeps a message: an outage should not lose any."""


class WorkQueue(Construct):
    """Two queues that take TLS only and outlive the stack, with SQS's own key, or two existing ones, by name."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str, queue: Queue, consumer: iam.IRole) -> None:
        """Create or import the queues.

        Args:
            name: Name of the worker's ECS service, which the queues' names begin with by default.
            consumer: The task role, which may take messages and delete them.
        """
        super().__init__(scope, construct_id)
        self.name, self.dead_name = queue.names(name)
        if queue.existing:
            dead, work = (self._imported(id_, each) for id_, each in (("Dead", self.dead_name), ("Queue", self.name)))
        else:
            dead = self._made("Dead", self.dead_name)
            work = self._made(
                "Queue",
                self.name,
                visibility_timeout=cdk.Duration.seconds(queue.visibility_seconds),
                dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=queue.tries, queue=dead),
            )
        self.url = work.queue_url
        work.grant_consume_messages(consumer)
        if queue.key is not None:
            # What was sent is decrypted with the permissions of whoever receives it:
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html.
            consumer.add_to_principal_policy(allow(["kms:Decrypt"], on=[queue.key]))
        acknowledge_own_policy(consumer)

    def _made(
        self,
        construct_id: str,
        name: str,
        *,
        visibility_timeout: cdk.Duration | None = None,
        dead_letter_queue: sqs.DeadLetterQueue | None = None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            queue_name=name,
            fifo=name.endswith(".fifo") or None,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=KEPT,
            receive_message_wait_time=cdk.Duration.seconds(20),
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
            visibility_timeout=visibility_timeout,
            dead_letter_queue=dead_letter_queue,
        )

    def _imported(self, construct_id: str, name: str) -> sqs.IQueue:
        stack = cdk.Stack.of(self)
        return sqs.Queue.from_queue_arn(self, construct_id, stack.format_arn(service="sqs", resource=name))
