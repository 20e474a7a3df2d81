"""Queues, tables, buckets, parameters and secrets that templates declare, stood in for by moto's server."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nova_infra.deployed.aws.client.stand_in import KEY, REGION, StandInAws
from nova_infra.machine.processes import Process, start_process
from nova_infra.rehearsal.clock import Pace
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.tasks.task import SECRET, free_port

QUEUE = "AWS::SQS::Queue"
_ACCOUNT = "123456789012"
_TRIES = 150
_EVERY_SECONDS = 0.2


class StandIns:
    """The server, and what has been made in it. It is started for the first resource that needs it."""

    def __init__(self, pace: Pace, gateway: str | None) -> None:
        """Prepare.

        Args:
            pace: How fast time passes: a message is hidden for as many simulated seconds as its queue says.
            gateway: A further address of this machine that tasks reach it by.
        """
        self._pace = pace
        self._gateway = gateway
        self._process: Process | None = None
        self._reader: asyncio.Task[bytes] | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._aws: StandInAws | None = None
        self._port = 0
        self._made: set[tuple[str, str]] = set()
        self.queues: dict[str, str] = {}

    async def apply(self, stack: PlayedStack) -> None:
        """Make what a stack declares and is not there yet. What a stack no longer has is kept, as in AWS.

        Raises:
            UnresolvableError: The server cannot be started, or refuses a resource.
        """
        made = [
            (logical_id, make)
            for kind, (name, make) in _MAKERS.items()
            for logical_id in stack.resources(kind)
            if isinstance(stack.template["Resources"][logical_id].get("Properties", {}).get(name), str)
            and (stack.name, logical_id) not in self._made
        ]
        queues = stack.resources(QUEUE)
        if not made and not queues:
            return
        await self._start()
        assert self._aws is not None, "started"
        names = {f"{stack.ref(each)}.Arn": stack.properties(each).get("QueueName", each) for each in queues}
        # The dead-letter queue first: the other one names it.
        for logical_id in sorted(queues, key=lambda each: "RedrivePolicy" in stack.properties(each)):
            properties = stack.properties(logical_id)
            await self._try(stack, logical_id, self._queue, properties, properties.get("QueueName", logical_id), names)
        for logical_id, make in made:
            await self._try(stack, logical_id, make, self._aws, stack.properties(logical_id))
            self._made.add((stack.name, logical_id))

    async def _try(self, stack: PlayedStack, logical_id: str, make: Callable[..., None], *arguments: Any) -> None:
        try:
            await asyncio.to_thread(make, *arguments)
        except Exception as error:  # botocore and the template each have their own, without a common base class
            what = " ".join(str(error).split())
            raise UnresolvableError(f"{stack.name}.{logical_id}: cannot be stood in for: {what}") from None

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """A container's variables, with the server's address for AWS's; as they are while no server runs."""
        if self._aws is None:
            return dict(variables)
        local = {name: self._local(value) for name, value in variables.items()}
        return {
            **local,
            "AWS_ENDPOINT_URL": self._url(),
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    async def send(self, queue: str, bodies: list[str]) -> None:
        """Put messages into a queue, by its name."""
        assert self._aws is not None, "it has a queue"
        for body in bodies:
            await asyncio.to_thread(
                self._aws.call, "sqs", "send_message", QueueUrl=self.queues[queue], MessageBody=body
            )

    async def hide(self, queue: str, seconds: float) -> None:
        """Hide a queue's messages for at least so long once they have been received, in seconds of this machine."""
        assert self._aws is not None, "it has a queue"
        attributes = {"VisibilityTimeout": str(max(1, math.ceil(seconds)))}
        await asyncio.to_thread(
            self._aws.call, "sqs", "set_queue_attributes", QueueUrl=self.queues[queue], Attributes=attributes
        )

    async def waiting(self, queue: str) -> tuple[int, int]:
        """How many messages of a queue, by its name, wait, and how many have been received and not deleted."""
        assert self._aws is not None, "it has a queue"
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await asyncio.to_thread(
            self._aws.call, "sqs", "get_queue_attributes", QueueUrl=self.queues[queue], AttributeNames=names
        )
        return int(answer["Attributes"][names[0]]), int(answer["Attributes"][names[1]])

    async def stop(self) -> None:
        """Stop the server. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            await process.stop(1.0)
        if self._reader is not None:
            self._reader.cancel()
        if self._scratch is not None:
            self._scratch.cleanup()

    def _queue(self, properties: Mapping[str, Any], name: str, names: Mapping[str, str]) -> None:
        assert self._aws is not None, "started"
        if name in self.queues:
            return
        hidden = float(properties.get("VisibilityTimeout", 30)) * self._pace.seconds_per_minute / 60
        attributes = {"VisibilityTimeout": str(max(1, round(hidden)))}
        if "RedrivePolicy" in properties:
            policy = properties["RedrivePolicy"]
            dead = names.get(policy["deadLetterTargetArn"], "")
            attributes["RedrivePolicy"] = (
                f'{{"deadLetterTargetArn": "arn:aws:sqs:{REGION}:{_ACCOUNT}:{dead}", '
                f'"maxReceiveCount": {int(policy["maxReceiveCount"])}}}'
            )
        answer = self._aws.call("sqs", "create_queue", QueueName=name, Attributes=attributes)
        self.queues[name] = str(answer["QueueUrl"])

    def _url(self) -> str:
        return f"http://{self._gateway or '127.0.0.1'}:{self._port}"

    def _local(self, value: str) -> str:
        """The address of a queue that is stood in for, as tasks reach it."""
        name = value.rpartition("/")[2]
        return f"{self._url()}/{_ACCOUNT}/{name}" if "://sqs." in value and name in self.queues else value

    async def _start(self) -> None:
        if self._process is not None:
            return
        self._port = free_port()
        self._scratch = tempfile.TemporaryDirectory(prefix="nova-stand-ins-", ignore_cleanup_errors=True)
        host = "0.0.0.0" if self._gateway else "127.0.0.1"  # noqa: S104 - containers reach it by the gateway
        words = [sys.executable, "-m", "moto.server", "--host", host, "--port", str(self._port)]
        environment = {"PATH": os.environ.get("PATH", ""), "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
        self._process = await start_process(words, directory=Path(self._scratch.name), environment=environment)
        self._reader = asyncio.create_task(self._process.output.read())
        for _ in range(_TRIES):
            if self._process.exit_code is not None:
                raise UnresolvableError(
                    "queues, tables and buckets are stood in for by moto's server, which does not start: "
                    "pip install 'nova-infra[stand-ins]'"
                )
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(_EVERY_SECONDS)
                continue
            writer.close()
            break
        self._aws = StandInAws(f"http://127.0.0.1:{self._port}")


def _table(aws: StandInAws, properties: Mapping[str, Any]) -> None:
    taken = ("TableName", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    wanted = {key: properties[key] for key in taken if key in properties}
    aws.call("dynamodb", "create_table", **wanted, BillingMode="PAY_PER_REQUEST")


def _bucket(aws: StandInAws, properties: Mapping[str, Any]) -> None:
    aws.call("s3", "create_bucket", Bucket=properties["BucketName"])


def _parameter(aws: StandInAws, properties: Mapping[str, Any]) -> None:
    value, kind = str(properties["Value"]), str(properties.get("Type", "String"))
    aws.call("ssm", "put_parameter", Name=properties["Name"], Value=value, Type=kind, Overwrite=True)


def _secret(aws: StandInAws, properties: Mapping[str, Any]) -> None:
    aws.call("secretsmanager", "create_secret", Name=properties["Name"], SecretString=SECRET)


_Make = Callable[[StandInAws, Mapping[str, Any]], None]

_MAKERS: dict[str, tuple[str, _Make]] = {
    "AWS::DynamoDB::Table": ("TableName", _table),
    "AWS::S3::Bucket": ("BucketName", _bucket),
    "AWS::SSM::Parameter": ("Name", _parameter),
    "AWS::SecretsManager::Secret": ("Name", _secret),
}
"""Types that one call makes, with the property that names them: what CloudFormation would name has no name here."""
