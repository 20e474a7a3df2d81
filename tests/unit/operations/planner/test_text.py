from typing import Any

from nova_infra.documents.terminal import as_text
from nova_infra.operations.planner import StackKey, StackTemplate, plan
from nova_infra.operations.planner.text import document


def stack(name: str, **resources: Any) -> StackTemplate:
    return StackTemplate(StackKey("210987654321", "eu-north-1", name), {"Resources": resources})


def queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


def test_nothing_to_do_is_reported() -> None:
    same = stack("shop", Q=queue())
    assert as_text(document(plan([same], [[same]]))).splitlines() == ["Nothing changes: every stack stays as it is."]


def test_a_stack_is_a_line_with_counts_and_below_it_what_is_replaced_goes_or_is_refused() -> None:
    before = stack("shop", A=queue(QueueName="a", FifoQueue=True), B=queue(), C=queue(VisibilityTimeout=30))
    after = stack("shop", A=queue(QueueName="a"), C=queue(VisibilityTimeout=40), D=queue())
    said = as_text(document(plan([before], [[after], [stack("more", Q=queue())]])), width=1000).splitlines()
    assert [line.partition(": its messages are lost")[0] for line in said[:2]] == [
        "! shop.A: is replaced by an empty one",
        "! shop.B: is deleted",
    ]
    assert said[2] == "✗ shop: 1 created, 1 updated, 1 replaced, 1 deleted"
    assert said[3:5] == ["    A is replaced (FifoQueue cannot be changed in place)", "    B is deleted"]
    assert said[5].startswith("  ✗ shop.A.QueueName: Queue 'a' has a fixed name")
    assert said[6:] == ["+ more: 1 created"]
