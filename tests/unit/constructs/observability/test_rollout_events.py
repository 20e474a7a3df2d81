"""Which events about deployments become messages, and what they say."""

import json
import re

import pytest

SERVICES = "arn:aws:ecs:us-east-1:333333333333:service/nova-prod/"


def rules(assembly, stack="nova-prod-platform"):
    """What is looked for, to the rule."""
    found = assembly.properties(stack, "AWS::Events::Rule")
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


def chat(variant):
    """What is looked for, to the message that chat gets."""
    found = {}
    for event, rule in rules(variant, "acme-live-platform").items():
        [target] = [each for each in rule["Targets"] if each["Id"] == "Chat"]
        found[event] = target["InputTransformer"]
    return found


def test_chat_gets_every_turn_in_the_form_that_it_shows(variant):
    found = chat(variant)
    assert len(found) == len(rules(variant, "acme-live-platform")) == 5
    for text in found.values():
        names = set(re.findall(r"<(\w+)>", text["InputTemplate"]))
        assert names == set(text["InputPathsMap"])
        # EventBridge writes a variable as JSON, or within a text as it is.
        filled = re.sub(r":<\w+>", ':"x"', text["InputTemplate"])
        message = json.loads(filled)
        assert (message["version"], message["source"]) == ("1.0", "custom")
        assert message["content"]["textType"] == "client-markdown"
        assert set(message["content"]) == {"textType", "title", "description"}


def test_the_turns_of_a_deployment_are_one_thread(variant):
    found = chat(variant)
    own = json.loads(re.sub(r":<message>", ':"x"', found.pop("null")["InputTemplate"]))
    assert "metadata" not in own
    assert {json.loads(text["InputTemplate"])["metadata"]["threadId"] for text in found.values()} == {"<service> <id>"}


def test_a_channel_reads_the_topic_of_its_own(variant):
    topics = {
        each["TopicName"]: {"Ref": key}
        for key, found in variant.resources("acme-live-platform", "AWS::SNS::Topic").items()
        for each in [found["Properties"]]
    }
    assert set(topics) == {"acme-live-alerts", "acme-live-alerts-chat"}
    [channel] = variant.properties("acme-live-platform", "AWS::Chatbot::SlackChannelConfiguration")
    assert channel["SnsTopicArns"] == list(topics.values())
