"""What a task hears of a queue that it waits for, and does not stay to hear."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from nova_infra.rehearsal.environment.background import aws_proxy
from nova_infra.rehearsal.environment.background.aws_proxy import AwsProxy

SIGNED = "AWS4-HMAC-SHA256 Credential=KEY/20260102/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
ASKED = {"QueueUrl": "http://aws/333333333333/shop-mail"}
AS_JSON = {"X-Amz-Target": "AmazonSQS.ReceiveMessage", "Content-Type": "application/x-amz-json-1.0"}
AS_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ASKED_AS_FORM = f"Action=ReceiveMessage&QueueUrl={ASKED['QueueUrl']}"
ANSWER = json.dumps({"Messages": [{"ReceiptHandle": "first"}]})
ANSWER_AS_XML = "<Message><ReceiptHandle>first</ReceiptHandle></Message>"
EVERY_SECONDS = 0.01


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_proxy, "EVERY_SECONDS", EVERY_SECONDS)


@dataclass
class Server:
    """A queue that has a message once it has been asked for it a few times.

    Attributes:
        empty: How often it has none.
        message: What it answers then.
        asked: The bodies of what it was asked.
    """

    empty: int
    message: str
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.asked.append((await request.read()).decode())
        return web.Response(text=self.message if len(self.asked) > self.empty else "{}")


@asynccontextmanager
async def proxied(server: Server, polls: int = 0) -> AsyncIterator[AwsProxy]:
    async def behind() -> str:
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    runner = web.ServerRunner(web.Server(server.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    proxy = AwsProxy("333333333333", lambda _: None, behind, print, print, polls=lambda _: polls)
    await proxy.start(None)
    try:
        yield proxy
    finally:
        await proxy.stop()
        await runner.cleanup()


async def received(server: Server, headers: dict[str, str], body: str, *, polls: int = 0) -> str:
    """What a task hears that stays."""
    async with proxied(server, polls) as proxy, aiohttp.ClientSession() as task:
        address = f"http://127.0.0.1:{proxy.port}/"
        async with task.post(address, headers={"Authorization": SIGNED, **headers}, data=body) as answer:
            return await answer.text()


@pytest.mark.parametrize(
    ("headers", "body", "answer", "polls"),
    [
        (AS_JSON, json.dumps({**ASKED, "WaitTimeSeconds": 20}), ANSWER, 0),
        (AS_FORM, f"{ASKED_AS_FORM}&WaitTimeSeconds=20", ANSWER_AS_XML, 0),
        (AS_JSON, json.dumps(ASKED), ANSWER, 20),
        (AS_FORM, ASKED_AS_FORM, ANSWER_AS_XML, 20),
    ],
    ids=["json", "query", "as the queue says, json", "as the queue says, query"],
)
def test_a_task_that_waits_for_a_message_gets_it_though_the_server_never_waits(
    headers: dict[str, str], body: str, answer: str, polls: int
) -> None:
    server = Server(empty=2, message=answer)
    assert asyncio.run(received(server, headers, body, polls=polls)) == answer
    assert len(server.asked) == 3
    assert all(re.search(r'WaitTimeSeconds(": |=)0\b', asked) and "shop-mail" in asked for asked in server.asked)


@pytest.mark.parametrize("more", [{"WaitTimeSeconds": 0}, {"WaitTimeSeconds": 21}, {"WaitTimeSeconds": "x"}, {}])
def test_a_task_that_does_not_wait_hears_at_once_that_there_is_no_message(more: dict[str, Any]) -> None:
    server, body = Server(empty=9, message=ANSWER), json.dumps({**ASKED, **more})
    assert asyncio.run(received(server, AS_JSON, body)) == "{}"
    assert server.asked == [body]


def test_a_message_is_not_taken_for_a_task_that_has_ended() -> None:
    server = Server(empty=1_000_000, message=ANSWER)

    async def story() -> None:
        async with proxied(server) as proxy:
            body = json.dumps({**ASKED, "WaitTimeSeconds": 20}).encode()
            lines = ["POST / HTTP/1.1", "Host: aws", f"Authorization: {SIGNED}", f"Content-Length: {len(body)}"]
            head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in AS_JSON.items())])
            _, task = await asyncio.open_connection("127.0.0.1", proxy.port)
            task.write(head.encode() + b"\r\n\r\n" + body)
            while not server.asked:
                await asyncio.sleep(EVERY_SECONDS)
            task.transport.abort()
            # Until the proxy has noticed, and whatever was on its way has come.
            before = -1
            while before != len(server.asked):
                before = len(server.asked)
                await asyncio.sleep(20 * EVERY_SECONDS)
            server.empty = 0
            await asyncio.sleep(20 * EVERY_SECONDS)
            assert len(server.asked) == before

    asyncio.run(asyncio.wait_for(story(), 15))  # less than it would have waited for


def test_a_task_that_asks_first_whether_to_send_its_body_need_not_wait() -> None:
    async def sent() -> list[str]:
        server = Server(empty=0, message="")
        async with proxied(server) as proxy, aiohttp.ClientSession() as task, asyncio.timeout(5):
            await task.put(f"http://127.0.0.1:{proxy.port}/letters/one", data="Chiba", expect100=True)
        return server.asked

    assert asyncio.run(sent()) == ["Chiba"]
