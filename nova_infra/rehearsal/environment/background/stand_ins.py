"""Starts the servers that stand in for AWS, the proxy with the tasks' roles, and fills in tasks' secrets."""

import asyncio
import hashlib
import json
import math
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from nova_infra.assembly import Template, resources_of_type
from nova_infra.deployed.aws.client.receipts import Receipts
from nova_infra.deployed.aws.client.stand_in import KEY, REGION, StandInAws
from nova_infra.rehearsal.clock import Pace
from nova_infra.rehearsal.cloudformation import physical
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.physical import QUEUE, Home
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.environment.background.aws_proxy import AwsProxy
from nova_infra.rehearsal.environment.background.callers import Caller, access_key, callers_of, keys_of
from nova_infra.rehearsal.environment.background.metadata import Metadata
from nova_infra.rehearsal.environment.background.moto_server import MotoServer
from nova_infra.rehearsal.environment.background.resources import Resource, in_order, make, secret_value
from nova_infra.rehearsal.tasks.definition import TaskDefinition

HOME = Home("000000000000", REGION)
_NOT_BY_PROXY = ["NO_PROXY", "no_proxy"]


class StandIns:
    """The server, and what has been made in it. It starts for the first stack that declares something, or call.

    Attributes:
        abandoned: The messages that a task had in its hands as it ended.
        ended: Queue to how many tasks have ended by themselves with messages of it in their hands.
    """

    def __init__(
        self,
        pace: Pace,
        gateway: str | None,
        home: Home = HOME,
        *,
        on_this_machine: Callable[[str], str] = str,
        denied: dict[str, list[str]] | None = None,
        gaps: list[str] | None = None,
    ) -> None:
        """Prepare.

        Args:
            pace: How fast time passes: a message is hidden for as many simulated seconds as its queue says.
            gateway: A further address of this machine that tasks reach it by.
            on_this_machine: What tasks call an address of this machine's loopback interface.
            denied: What the tasks of a revision of the release were denied is written here, a clause each.
            gaps: What the release asks for and no stack makes here is added to these sentences.
        """
        self._on_this_machine = on_this_machine
        self._pace = pace
        self._gateway = gateway
        self._home = home
        self._denied = denied if denied is not None else {}
        self._gaps = gaps if gaps is not None else []
        self._callers: dict[str, Caller] = {}
        self._keys: dict[str, str] = {}
        self._moto = MotoServer(home.account)
        self._metadata = Metadata(home)
        about = self._metadata.answer
        self._receipts = Receipts()
        self._proxy = AwsProxy(
            home.account, self._callers.get, self._behind, self._note, self._gap, about, self._polls, self._receipts
        )
        self._aws: StandInAws | None = None
        self._url = self._reached = self._opened = ""
        self._account = home.account
        self._resources: dict[tuple[str, str], Resource] = {}
        self._starting = asyncio.Lock()
        self.abandoned: set[str] = set()
        self.ended: Counter[str] = Counter()

    async def expect(self, templates: Iterable[Template], endpoint: str = "", reached: str = "") -> None:
        """Start before the first task does, if any of these templates will need it.

        Args:
            endpoint: A server that stands in for AWS already, as this machine reaches it; empty for none.
            reached: The same as tasks reach it.
        """
        templates = list(templates)
        if endpoint:
            self._url, self._reached = endpoint, reached
            self._aws = StandInAws(endpoint, self._home.region)
            self._gap("the permissions of tasks: a dependency stands for AWS, and allows everything")
        if any(resources_of_type(each, "AWS::ECS::TaskDefinition") for each in templates):
            await self._open()
        if not endpoint and any(map(needs_stand_ins, templates)):
            await self._start()

    def admit(self, stack: PlayedStack, *, judged: bool) -> None:
        """Let a stack's task definitions call AWS from now on, as their roles allow.

        Args:
            judged: Whether it is the release's: what the baseline is denied is not its fault.
        """
        self._keys |= keys_of(stack)
        for revision, caller in callers_of(stack, judged=judged, keys=self._keys).items():
            self._callers[access_key(revision)] = caller

    async def apply(self, stack: PlayedStack) -> None:
        """Create or update what a stack declares. What a stack no longer has is kept, as in AWS."""
        if not needs_stand_ins(stack.template):
            return
        await self._start()
        assert self._aws is not None, "started"
        found = {
            Resource(kind, stack.physical_name(logical_id), stack.properties(logical_id)).name: (logical_id, kind)
            for kind in physical.STOOD_IN_FOR
            for logical_id in stack.resources(kind)
        }
        wanted = [Resource(kind, name, stack.properties(each)) for name, (each, kind) in found.items()]
        for resource in in_order(wanted):
            key = (resource.kind, resource.name)
            before = self._resources.get(key)
            if before == resource:
                continue
            try:
                await asyncio.to_thread(make, self._aws, resource, before, seconds=self._pace.seconds_per_minute / 60)
            except Exception as error:  # botocore and the template have their own, without a common base class
                what = " ".join(str(error).split())
                where = f"{stack.name}.{found[resource.name][0]}"
                raise UnresolvableError(f"{where}: has no stand-in: {what}") from None
            self._resources[key] = resource
            if resource.kind == QUEUE:  # Another server than moto's may have an account of its own.
                answer = await asyncio.to_thread(self._aws.call, "sqs", "get_queue_url", QueueName=resource.name)
                self._account = str(answer["QueueUrl"]).split("/")[-2]

    async def apply_neighbours(self, templates: Mapping[str, Template]) -> None:
        """Create what existing stacks declare that are not deployed here, by name: tasks use it all the same."""
        for name, template in templates.items():
            revisions = dict.fromkeys(resources_of_type(template, "AWS::ECS::TaskDefinition"), name)
            await self.apply(PlayedStack(name, template, exports=_Anything(), revisions=revisions, home=self._home))

    def lead(self, definition: TaskDefinition) -> TaskDefinition:
        """The definition with the server's address for AWS's, and known secret values; else unchanged."""
        if not self._reached:
            return definition
        environment = {name: self._local(value) for name, value in definition.environment.items()}
        known = {name: self._secret(origin) for name, origin in definition.secrets.items()}
        values = {name: value for name, value in known.items() if value is not None}
        # Fargate sets the region, where it runs, and where to ask about itself. Harmless credentials take the place of
        # the task role's.
        aws = {
            "AWS_ENDPOINT_URL": self._reached,
            "AWS_ACCESS_KEY_ID": access_key(definition.revision),
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_REGION": self._home.region,
            "AWS_DEFAULT_REGION": self._home.region,
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            **(self._metadata.variables(definition, self._opened) if self._opened else {}),
        }
        return replace(
            definition,
            environment=_past_proxies({**environment, **values, **aws}, self._reached),
            secrets={name: origin for name, origin in definition.secrets.items() if name not in values},
        )

    async def send(self, queue: str, bodies: list[str]) -> list[str]:
        """Put messages into a queue, by its name; return their ids."""
        sent = []
        for body in bodies:
            group = {}
            if queue.endswith(".fifo"):
                # A group for each text: senders have many, and one message that nobody handles holds up its own alone.
                own = hashlib.sha256(body.encode()).hexdigest()
                group = {"MessageGroupId": own, "MessageDeduplicationId": uuid.uuid4().hex}
            sent.append(str((await self._ask("send_message", queue, MessageBody=body, **group))["MessageId"]))
        return sent

    def kept(self, queue: str) -> dict[str, int]:
        """Message to how often it was received, of those of a queue that went through the proxy and are not deleted."""
        return self._receipts.kept(queue)

    async def give_back(self, address: str, *, alone: bool) -> None:
        """Hide the messages in the hands of a task that has ended no longer than a compressed minute would.

        In AWS they come back as late as those that somebody works on. Here only work takes real time.

        Args:
            address: The task's own; processes of this machine share one, so nobody knows which of them has what.
            alone: Whether it has ended by itself; a deployment stops many, and nobody waits for them.
        """
        if self._pace.is_real or self._aws is None or address.startswith("127."):
            return
        held = self._receipts.let_go(address)
        for message, (queue, handle) in held.items():
            resource = self._resources.get((QUEUE, queue))
            hidden = float(resource.properties.get("VisibilityTimeout", 30)) if resource is not None else 30.0
            seconds = math.ceil(hidden * self._pace.seconds_per_minute / 60)
            where = {"QueueUrl": self._queue_url(queue), "ReceiptHandle": handle}
            change = "change_message_visibility"  # refused for one that has come back meanwhile
            if await asyncio.to_thread(self._aws.attempt, "sqs", change, **where, VisibilityTimeout=seconds):
                self.abandoned.add(message)
        self.ended.update({queue for queue, _ in held.values()} if alone else ())

    async def hide(self, queue: str, seconds: float) -> None:
        """Set a queue's least visibility timeout, in seconds of this machine."""
        await self._ask(
            "set_queue_attributes", queue, Attributes={"VisibilityTimeout": str(max(1, math.ceil(seconds)))}
        )

    async def waiting(self, queue: str) -> tuple[int, int]:
        """How many messages of a queue are waiting, and how many were received and not deleted."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = (await self._ask("get_queue_attributes", queue, AttributeNames=names))["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    async def stop(self) -> None:
        """Stop the server. Safe to call twice."""
        await self._proxy.stop()
        await self._moto.stop()

    def _polls(self, queue: str) -> int:
        """For how many seconds a queue lets a task wait for messages that does not say."""
        resource = self._resources.get((QUEUE, queue))
        return int(resource.properties.get("ReceiveMessageWaitTimeSeconds", 0)) if resource is not None else 0

    async def _ask(self, operation: str, queue: str, **parameters: Any) -> dict[str, Any]:
        assert self._aws is not None, "it has a queue"
        return await asyncio.to_thread(self._aws.call, "sqs", operation, QueueUrl=self._queue_url(queue), **parameters)

    def _queue_url(self, queue: str) -> str:
        return f"{self._url}/{self._account}/{queue}"

    def _local(self, value: str) -> str:
        """The address at which tasks reach a stand-in for a queue."""
        name = value.rpartition("/")[2]
        known = "://sqs." in value and (QUEUE, name) in self._resources
        return f"{self._reached}/{self._account}/{name}" if known else value

    def _secret(self, origin: str) -> str | None:
        """The value of a secret or parameter that a template declares (API_Secret); None if none does."""
        if ":secretsmanager:" in origin:
            name, _, rest = origin.partition(":secret:")[2].partition(":")
            # What Secrets Manager puts behind the name is not part of it.
            for each in (name, re.sub(r"-\w{6}$", "", name, flags=re.ASCII)):
                if (found := self._resources.get((physical.SECRET, each))) is not None:
                    value, field = secret_value(found.properties), rest.partition(":")[0]
                    return _field_of(value, field) if field else value
            return None
        name = origin.partition(":parameter/")[2] or origin
        for each in (name, f"/{name}"):
            if (found := self._resources.get((physical.PARAMETER, each))) is not None:
                return str(found.properties["Value"])
        return None

    async def _open(self) -> None:
        """Stand for AWS, unless something else does: what is behind starts when somebody needs it."""
        if not self._opened:
            await self._proxy.start(self._gateway)
            host = self._gateway or "127.0.0.1"
            address = f"http://{host}:{self._proxy.port}"
            self._opened = address if self._gateway else self._on_this_machine(address)
            self._reached = self._reached or self._opened

    async def _start(self) -> None:
        async with self._starting:
            if self._aws is None:
                await self._open()
                await self._moto.start()
                self._url = self._moto.url
                self._aws = StandInAws(self._url, self._home.region)

    async def _behind(self) -> str:
        await self._start()
        return self._url

    def _note(self, caller: Caller, clause: str) -> None:
        said = self._denied.setdefault(caller.revision, []) if caller.judged else []
        if not any(_remedied(each) == _remedied(clause) for each in said):
            said.append(clause)

    def _gap(self, said: str) -> None:
        if said not in self._gaps:
            self._gaps.append(said)


def _past_proxies(environment: dict[str, str], url: str) -> dict[str, str]:
    """A task's variables, with this machine's address among what is asked without a proxy: only AWS knows the proxy.

    A proxy that the image itself names is not seen.
    """
    if not any(name.upper() in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in environment):
        return environment
    names = [name for name in _NOT_BY_PROXY if name in environment] or _NOT_BY_PROXY
    added = {name: f"{environment.get(name, '')},{urlsplit(url).hostname}".lstrip(",") for name in names}
    # A star means all hosts only where it stands alone.
    return environment | {name: value for name, value in added.items() if environment.get(name) != "*"}


class _Anything(dict[str, Any]):
    """Placeholders for exports of stacks that are not deployed here: no stand-in depends on them."""

    def __missing__(self, name: str) -> str:
        return name


def _remedied(clause: str) -> tuple[str, str]:
    """The action that was denied and what allows it: of a bucket, one object tells of them all."""
    return clause.partition(" on ")[0], clause.partition(": ")[2]


def needs_stand_ins(template: Template) -> bool:
    """Whether tasks of a stack use resources of it that are stood in for; a bucket for logs is nobody's but AWS's."""
    return bool(resources_of_type(template, "AWS::ECS::TaskDefinition")) and any(
        resources_of_type(template, kind) for kind in physical.STOOD_IN_FOR
    )


def _field_of(value: str, field: str) -> str | None:
    try:
        fields = json.loads(value)
    except ValueError:
        return None
    found: Mapping[str, object] = fields if isinstance(fields, dict) else {}
    return str(found[field]) if field in found else None
