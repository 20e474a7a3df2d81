"""What CloudFormation would wait for in vain, each with a twin that is answered."""

from typing import Any

import pytest

from nova_infra.operations.planner import Refusal, StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
HANDLE = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
WAITING: dict[str, Any] = {"Handle": {"Ref": "Handle"}, "Timeout": "600"}
WAITS = {"Type": "AWS::CloudFormation::WaitCondition", "Properties": WAITING}
SEED = {"Type": "Custom::Seed", "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}}}
SENDER = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Name": "/a", "Value": {"Ref": "Handle"}}}


def refusals(before: dict[str, Any] | None = None, outputs: Any = None, **resources: Any) -> list[Refusal]:
    deployed = [StackTemplate(KEY, {"Resources": before})] if before else []
    return plan(deployed, [[StackTemplate(KEY, {"Resources": resources, "Outputs": outputs or {}})]]).refusals


def test_a_wait_condition_whose_handle_nobody_gets_is_waited_for_in_vain() -> None:
    [found] = refusals(Wait=WAITS, Handle=HANDLE)
    assert (found.where, "600 s" in found.fault) == ("Wait", True)
    assert "wait for this in vain" in found.verdict


@pytest.mark.parametrize(
    ("wait", "others"),
    [
        (WAITS, {"Sender": SENDER}),
        (WAITS, {"outputs": {"Url": {"Value": {"Ref": "Handle"}}}}),
        (WAITS, {"before": {"Wait": WAITS, "Handle": HANDLE}, "Another": {"Type": "AWS::SNS::Topic"}}),
        ({**WAITS, "Properties": {**WAITING, "Count": 0}}, {}),
    ],
)
def test_a_wait_condition_that_may_be_signalled_is_not_refused(wait: Any, others: dict[str, Any]) -> None:
    assert refusals(Wait=wait, Handle=HANDLE, **others) == []


@pytest.mark.parametrize(
    ("code", "silent"),
    [
        ("def h(event, context): pass", True),
        ("import cfnresponse\ndef h(e, c): cfnresponse.send(e, c, cfnresponse.SUCCESS, {})", False),
        ("exports.h = async (event) => { await put(event.ResponseURL) }", False),
        ("import json, os\nfrom base64 import b64encode\ndef h(event, context): print(json.dumps(event))", True),
        ("const { join } = require('node:path')\nexports.h = async () => {}", True),
        ("from helper import answer\ndef h(event, context): answer(event)", False),
        ("import json\nimport helper as h", False),
        ("const h = require('@shop/helper')\nexports.h = h.wrap(async () => {})", False),
        ("import { wrap } from './helper.mjs'\nexport const h = wrap(async () => {})", False),
        ("import boto3\ndef h(e, c): boto3.client('lambda').invoke(FunctionName='b', Payload=str(e))", False),
    ],
)
def test_a_custom_resource_whose_function_sends_nothing_is_waited_for_in_vain(code: str, silent: bool) -> None:
    function = {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"ZipFile": code}, "Runtime": "python3.13"}}
    found = refusals(Seed=SEED, Function=function)
    assert [(each.where, "3600 s" in each.fault) for each in found] == ([("Seed", True)] if silent else [])
