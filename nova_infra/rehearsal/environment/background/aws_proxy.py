"""Receives tasks' calls to AWS: denies what roles do not allow, answers metadata, passes on the rest."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from nova_infra.deployed.aws.client.call_permissions import AwsCall, denial, read_call
from nova_infra.deployed.aws.client.receipts import Receipts
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.environment.background.callers import Caller
from nova_infra.rehearsal.load_balancer.client import bound, let_send_body, open_client
from nova_infra.rehearsal.load_balancer.headers import passed_on

# What a service answers that does not have what is asked of it; a key that a bucket does not have is no such thing.
_NOT_THERE = re.compile(
    rb"NoSuchBucket|NonExistentQueue|QueueDoesNotExist|ParameterNotFound|ResourceNotFound|NotFoundException"
)
_RECEIPT = b"ReceiptHandle"
"""In what SQS answers with a message, as JSON and as XML."""
EVERY_SECONDS = 0.2
"""How often the server is asked whether there is a message."""
_LONGEST_POLL = 20
_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class AwsProxy:
    """A port of this machine that stands for AWS."""

    def __init__(
        self,
        account: str,
        caller: Callable[[str], Caller | None],
        behind: Callable[[], Awaitable[str]],
        note: Callable[[Caller, str], None],
        gap: Callable[[str], None],
        about: Callable[[str, str], dict[str, Any] | None] = lambda *_: None,
        polls: Callable[[str], int] = lambda _: 0,
        receipts: Receipts | None = None,
    ) -> None:
        """Prepare.

        Args:
            behind: Address of the server that passed requests go to, which is started for the first of them.
            note: Called with who was denied what, in a clause.
            gap: Called with what cannot be judged of a call, in a sentence.
            about: What is answered to a task that asks about itself, from a path and its address; None where it does
                not.
            polls: For how many seconds a queue, by its name, lets a task wait for messages that does not say.
        """
        self.port = 0
        self._account = account
        self._caller = caller
        self._behind = behind
        self._note = note
        self._gap = gap
        self._about = about
        self._receipts = receipts or Receipts()
        self._polls = polls
        self._runner: web.ServerRunner | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self, gateway: str | None) -> None:
        """Listen on a free port of the loopback interface, and on the same one where containers find it."""
        self._session = open_client(
            skip_auto_headers=_NOT_ADDED,
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
        )
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=1)
        await self._runner.setup()
        listening = bound("127.0.0.1", 0)
        self.port = listening.getsockname()[1]
        await web.SockSite(self._runner, listening, backlog=1024).start()
        if gateway is not None:
            await web.SockSite(self._runner, bound(gateway, self.port), backlog=1024).start()

    async def stop(self) -> None:
        """Close the port and every connection. Safe to call twice."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET" and (found := self._about(request.path, request.remote or "")) is not None:
            return web.json_response(found)
        let_send_body(request)
        body = await request.content.read()
        call = read_call(request.method, request.raw_path, request.headers, body, account=self._account)
        if call is not None and (answer := self._denied(call)) is not None:
            return answer
        try:
            address = await self._behind()
            answer = await self._hear(request, call, body, address)
        except (UnresolvableError, aiohttp.ClientError, ConnectionError) as error:
            return web.Response(status=503, text=f"the rehearsal's stand-in for AWS: {error}")
        caller = self._caller(call.key) if call is not None else None
        if call is not None and answer.status == 200 and isinstance(answer.body, bytes):
            self._receipts.hear(call, body, answer.body, request.remote or "")
        if call is not None:
            self._note_gaps(call, caller, answer)
        return answer

    def _note_gaps(self, call: AwsCall, caller: Caller | None, answer: web.Response) -> None:
        if caller is None:
            self._gap(f"a call of {call.service} with a key that is no task role's, such as an assumed role's")
        elif caller.judged and call.needs and _lacks(answer):
            what = " on ".join(call.needs[0])
            self._gap(f"{caller.revision} uses {what}: no stack here creates it, but it may exist in AWS")
        elif caller.judged and (why := caller.doubt(call)):
            self._gap(f"{caller.revision} {why}")

    async def _hear(self, request: web.BaseRequest, call: AwsCall | None, body: bytes, address: str) -> web.Response:
        """What the server behind answers; where a task waits for messages, as soon as there is one.

        The server would go on waiting for a task that has ended, and hand it a message. SQS notices, save for what is
        on its way at that moment. So the server is asked again and again, for as long as the task stays.
        """
        seconds, body = self._without_wait(call, body)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            answer = await self._pass_on(request, body, address)
            has_come = answer.status != 200 or (isinstance(answer.body, bytes) and _RECEIPT in answer.body)
            if has_come or loop.time() >= until:
                return answer
            await asyncio.sleep(EVERY_SECONDS)
            if request.transport is None:
                return answer

    def _without_wait(self, call: AwsCall | None, body: bytes) -> tuple[int, bytes]:
        """For how many seconds a call waits for messages, and its body for a server that shall not wait."""
        queues = [arn for action, arn in call.needs if action == "sqs:ReceiveMessage"] if call is not None else []
        if call is None or not queues:
            return 0, body
        try:
            is_json = call.protocol == "json"
            given: dict[str, Any] = json.loads(body) if is_json else dict(parse_qsl(body.decode(), strict_parsing=True))
            seconds = int(given.get("WaitTimeSeconds", self._polls(queues[0].rpartition(":")[2])))
        except (ValueError, TypeError, AttributeError):
            return 0, body  # The server says what is wrong with it.
        if not 0 < seconds <= _LONGEST_POLL:
            return 0, body
        given["WaitTimeSeconds"] = 0
        return seconds, (json.dumps(given) if is_json else urlencode(given)).encode()

    def _denied(self, call: AwsCall) -> web.Response | None:
        caller = self._caller(call.key)
        lacks = caller.denied(call) if caller is not None else None
        if caller is None or lacks is None:
            return None
        self._note(caller, caller.remedy(*lacks))
        status, headers, body = denial(call, *lacks, caller.arn)
        return web.Response(status=status, headers=headers, body=body)

    async def _pass_on(self, request: web.BaseRequest, body: bytes, address: str) -> web.Response:
        assert self._session is not None, "requests follow start()"
        headers = passed_on(request.headers)
        if "Content-Length" in headers:
            headers["Content-Length"] = str(len(body))
        async with self._session.request(
            request.method,
            URL(f"{address}{request.raw_path}", encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
        ) as answer:
            given: CIMultiDict[str] = passed_on(answer.headers)
            given.popall("Content-Length", None)
            said = await answer.read()
            if request.method == "HEAD" and "Content-Length" in answer.headers:
                given["Content-Length"] = answer.headers["Content-Length"]
            return web.Response(status=answer.status, headers=given, body=said)


def _lacks(answer: web.Response) -> bool:
    return answer.status in (400, 404) and isinstance(answer.body, bytes) and bool(_NOT_THERE.search(answer.body))
