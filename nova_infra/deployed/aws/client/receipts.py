"""Which SQS messages tasks have received and not deleted, by what they ask SQS and what it answers."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from nova_infra.deployed.aws.client.call_permissions import AwsCall

_RECEIVED = re.compile(r"<MessageId>([^<]+)</MessageId>\s*<ReceiptHandle>([^<]+)</ReceiptHandle>")


class Receipts:
    """The receipts of all queues."""

    def __init__(self) -> None:
        """Begin without any."""
        self._ids: dict[str, str] = {}
        self._kept: dict[str, dict[str, int]] = {}
        self._holders: dict[str, tuple[str, str, str]] = {}

    def kept(self, queue: str) -> dict[str, int]:
        """Message to how often it was received, of those of a queue, by its name, that nobody has deleted."""
        return dict(self._kept.get(queue, {}))

    def let_go(self, holder: str) -> dict[str, tuple[str, str]]:
        """Message to queue and receipt, of those that an ended receiver holds; they are its own no more."""
        left = {message: (queue, handle) for message, (last, queue, handle) in self._holders.items() if last == holder}
        self._holders = {message: held for message, held in self._holders.items() if message not in left}
        return {message: place for message, place in left.items() if message in self._kept.get(place[0], ())}

    def hear(self, call: AwsCall, body: bytes, answer: bytes, holder: str = "") -> None:
        """Note what a call that succeeded has received or deleted. A call that nobody understands changes nothing.

        Args:
            holder: Who called.
        """
        for action, arn in call.needs:
            queue = arn.rpartition(":")[2]
            kept = self._kept.setdefault(queue, {})
            try:
                if action == "sqs:ReceiveMessage":
                    for message, handle in _received(call, answer.decode()):
                        self._ids[handle] = message
                        kept[message] = kept.get(message, 0) + 1
                        self._holders[message] = holder, queue, handle
                elif action == "sqs:DeleteMessage":
                    for handle in _deleted(call, body.decode()):
                        kept.pop(self._ids.get(handle, ""), None)
            except (ValueError, TypeError, KeyError, AttributeError):
                continue


def _received(call: AwsCall, answer: str) -> Iterator[tuple[str, str]]:
    if call.protocol != "json":
        yield from _RECEIVED.findall(answer)
        return
    for message in json.loads(answer).get("Messages") or ():
        yield message["MessageId"], message["ReceiptHandle"]


def _deleted(call: AwsCall, body: str) -> list[Any]:
    if call.protocol != "json":
        return [value for name, value in parse_qsl(body) if name.endswith("ReceiptHandle")]
    given = json.loads(body)
    return [each["ReceiptHandle"] for each in given.get("Entries", [given])]
