"""What a task asks of AWS and does not stay to hear."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from nova_infra.rehearsal.environment.background.aws_proxy import AwsProxy

SIGNED = "AWS4-HMAC-SHA256 Credential=KEY/20260102/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
ASKED = {"QueueUrl": "http://aws/333333333333/shop-mail", "WaitTimeSeconds": 20}
AS_JSON = {"X-Amz-Target": "AmazonSQS.ReceiveMessage", "Content-Type": "application/x-amz-json-1.0"}
AS_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ASKED_AS_FORM = f"Action=ReceiveMessage&QueueUrl={ASKED['QueueUrl']}"
ANSWER = json.dumps({"Messages": [{"ReceiptHandle": "first"}, {"ReceiptHandle": "second"}]})
ANSWER_AS_XML = "<Message><ReceiptHandle>first</ReceiptHandle></Message><Message><ReceiptHandle>second</ReceiptHandle>"


async def returned(headers: dict[str, str], body: str, answer: str, *, stays: bool) -> list[tuple[str, list[str]]]:
    """What is given back when a queue answers a task that has stayed or gone."""
    asked, answers, given = asyncio.Event(), asyncio.Event(), asyncio.Queue[tuple[str, list[str]]]()

    async def queue(request: web.BaseRequest) -> web.Response:
        await request.read()
        asked.set()
        await answers.wait()
        return web.Response(text=answer)

    async def behind() -> str:
        return f"http://127.0.0.1:{port}"

    async def give_back(name: str, receipts: list[str]) -> None:
        given.put_nowait((name, receipts))

    runner = web.ServerRunner(web.Server(queue))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    proxy = AwsProxy("333333333333", lambda _: None, behind, print, print, give_back=give_back)
    await proxy.start(None)
    try:
        async with aiohttp.ClientSession() as task:
            address = f"http://127.0.0.1:{proxy.port}/"
            call = asyncio.create_task(task.post(address, headers={"Authorization": SIGNED, **headers}, data=body))
            await asked.wait()
            if not stays:
                call.cancel()
                await task.close()
                await asyncio.sleep(0.05)
            answers.set()
            if stays:
                await (await call).read()
                return [given.get_nowait() for _ in range(given.qsize())]
            return [await asyncio.wait_for(given.get(), 10)]
    finally:
        await proxy.stop()
        await runner.cleanup()


@pytest.mark.parametrize(
    ("headers", "body", "answer"),
    [(AS_JSON, json.dumps(ASKED), ANSWER), (AS_FORM, ASKED_AS_FORM, ANSWER_AS_XML)],
    ids=["json", "query"],
)
def test_messages_for_a_task_that_has_ended_are_given_back(headers: dict[str, str], body: str, answer: str) -> None:
    assert asyncio.run(returned(headers, body, answer, stays=False)) == [("shop-mail", ["first", "second"])]


def test_messages_for_a_task_that_waits_are_its_own() -> None:
    assert asyncio.run(returned(AS_JSON, json.dumps(ASKED), ANSWER, stays=True)) == []
