"""Which events about deployments become messages, and what they say."""

import json
import re

import pytest

SERVICES = "arn:aws:ecs:us-east-1:333333333333:service/nova-prod/"


def rules(assembly):
    """What is looked for, to the rule."""
    found = assembly.properties("nova-prod-platform", "AWS::Events::Rule")
    return {json.dumps(rule["EventPattern"].get("detail", {}).get("eventName")): rule for rule in found}


@pytest.mark.parametrize(
    ("event", "detail_type", "says", "then"),
    [
        ("SERVICE_DEPLOYMENT_IN_PROGRESS", "ECS Deployment State Change", "is being deployed", "nova watch prod"),
        ("SERVICE_DEPLOYMENT_COMPLETED", "ECS Deployment State Change", "is deployed", "nova verify prod"),
        ("SERVICE_DEPLOYMENT_FAILED", "ECS Deployment State Change", "did not take", "nova explain prod"),
        (
            "HOOK_AWAITING_ACTION",
            "ECS Hook State Change",
            "waits for an answer",
            "nova promote prod, or nova abort prod",
        ),
    ],
)
def test_each_turn_is_one_message_that_says_what_where_since_when_why_and_what_next(
    assembly, event, detail_type, says, then
):
    rule = rules(assembly)[json.dumps([event])]
    pattern = rule["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.ecs"], [detail_type])
    assert pattern["resources"] == [{"prefix": SERVICES}], "the other environments of the account have their own topic"
    [target] = rule["Targets"]
    text = json.loads(target["InputTransformer"]["InputTemplate"])
    assert says in text
    assert text.endswith(f"Next: {then}")
    assert set(re.findall(r"<(\w+)>", text)) == set(target["InputTransformer"]["InputPathsMap"])
    assert target["Arn"] == {"Ref": next(iter(assembly.resources("nova-prod-platform", "AWS::SNS::Topic")))}


def test_what_nova_did_itself_is_told_as_it_said_it(assembly):
    rule = rules(assembly)["null"]
    assert rule["EventPattern"] == {"source": ["nova"], "detail-type": ["nova-prod"]}
    [target] = rule["Targets"]
    assert target["InputPath"] == "$.detail.message"
