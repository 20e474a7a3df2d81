"""Receipts: what tasks have received and not deleted, in both of SQS's protocols."""

import json
from typing import Any

import pytest

from nova_infra.deployed.aws.client.call_permissions import read_call
from nova_infra.deployed.aws.client.receipts import Receipts

URL = "http://aws/333333333333/shop-mail"
SIGNED = "AWS4-HMAC-SHA256 Credential=KEY/20260102/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0"


def heard(
    receipts: Receipts, action: str, answer: str = "{}", *, form: str = "", by: str = "", **given: object
) -> None:
    headers = {"Authorization": SIGNED, "Content-Type": "application/x-www-form-urlencoded"}
    body = f"Action={action}&QueueUrl={URL}{form}".encode()
    if not form:
        headers |= {"X-Amz-Target": f"AmazonSQS.{action}", "Content-Type": "application/x-amz-json-1.0"}
        body = json.dumps({"QueueUrl": URL, **given}).encode()
    call = read_call("POST", "/", headers, body, account="333333333333")
    assert call is not None, "it is signed"
    receipts.hear(call, body, answer.encode(), by)


def messages(*pairs: tuple[str, str]) -> str:
    return json.dumps({"Messages": [{"MessageId": one, "ReceiptHandle": handle} for one, handle in pairs]})


def as_xml(*pairs: tuple[str, str]) -> str:
    each = "<Message><MessageId>{}</MessageId>\n<ReceiptHandle>{}</ReceiptHandle></Message>"
    return "".join(each.format(*pair) for pair in pairs)


def test_what_was_received_is_kept_until_one_of_its_receipts_deletes_it() -> None:
    receipts = Receipts()
    heard(receipts, "ReceiveMessage", messages(("a", "a1"), ("b", "b1")))
    heard(receipts, "ReceiveMessage", messages(("a", "a2")))
    heard(receipts, "ReceiveMessage", "{}")
    assert receipts.kept("shop-mail") == {"a": 2, "b": 1}
    assert receipts.kept("shop-notes") == {}
    heard(receipts, "DeleteMessage", ReceiptHandle="a1")
    heard(receipts, "ChangeMessageVisibility", ReceiptHandle="b1", VisibilityTimeout=0)
    assert receipts.kept("shop-mail") == {"b": 1}
    heard(receipts, "DeleteMessageBatch", Entries=[{"Id": "1", "ReceiptHandle": "b1"}])
    assert receipts.kept("shop-mail") == {}


def test_a_message_is_in_the_hands_of_the_last_that_received_it_until_that_ends() -> None:
    receipts = Receipts()
    heard(receipts, "ReceiveMessage", messages(("a", "a1"), ("b", "b1")), by="10.97.7.2")
    heard(receipts, "ReceiveMessage", messages(("c", "c1"), ("d", "d1")), by="10.97.7.3")
    heard(receipts, "ReceiveMessage", messages(("b", "b2")), by="10.97.7.3")
    heard(receipts, "DeleteMessage", ReceiptHandle="c1")
    assert receipts.let_go("10.97.7.2") == {"a": ("shop-mail", "a1")}
    assert receipts.let_go("10.97.7.2") == {}, "another task may have its address next"
    assert receipts.let_go("10.97.7.3") == {"b": ("shop-mail", "b2"), "d": ("shop-mail", "d1")}
    assert receipts.kept("shop-mail") == {"a": 1, "b": 2, "d": 1}


def test_older_clients_speak_in_forms() -> None:
    receipts = Receipts()
    heard(receipts, "ReceiveMessage", as_xml(("a", "a+1"), ("b", "b1"), ("c", "c1")), form="&MaxNumberOfMessages=3")
    assert receipts.kept("shop-mail") == {"a": 1, "b": 1, "c": 1}
    heard(receipts, "DeleteMessage", form="&ReceiptHandle=a%2B1")
    heard(receipts, "DeleteMessageBatch", form="&DeleteMessageBatchRequestEntry.1.ReceiptHandle=c1")
    assert receipts.kept("shop-mail") == {"b": 1}


@pytest.mark.parametrize("given", [{}, {"ReceiptHandle": "no such receipt"}, {"Entries": [7]}])
def test_what_nobody_understands_changes_nothing(given: Any) -> None:
    receipts = Receipts()
    heard(receipts, "ReceiveMessage", messages(("a", "a1")))
    heard(receipts, "DeleteMessageBatch", **given)
    heard(receipts, "ReceiveMessage", "not JSON")
    assert receipts.kept("shop-mail") == {"a": 1}
