"""Which events about deployments become messages, and what they say."""

import json
import re
from typing import Any

import pytest

from helpers.assembly import Assembly

SERVICES = "arn:aws:ecs:us-east-1:333333333333:service/nova-prod/"


def rules(assembly: Assembly, stack: str = "nova-prod-platform") -> dict[str, dict[str, Any]]:
    """What is looked for, to the rule."""
    found = assembly.properties(stack, "AWS::Events::Rule")
    return {
        json.dumps(rule["EventPattern"].get("detail", {}).get("eventName", rule["EventPattern"]["source"])): rule
        for rule in found
    }


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
    assembly: Assembly, event: str, detail_type: str, says: str, then: str
) -> None:
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


def test_what_nova_did_is_reported_in_its_own_words(assembly: Assembly) -> None:
    rule = rules(assembly)['["nova"]']
    assert rule["EventPattern"] == {"source": ["nova"], "detail-type": ["nova-prod"]}
    [target] = rule["Targets"]
    assert target["InputPath"] == "$.detail.message"


def chat(variant: Assembly) -> dict[str, dict[str, Any]]:
    """What is looked for, to the message that chat gets."""
    found = {}
    for event, rule in rules(variant, "acme-live-platform").items():
        [target] = [each for each in rule["Targets"] if each["Id"] == "Chat"]
        found[event] = target["InputTransformer"]
    return found


def test_chat_gets_every_turn_in_the_form_that_it_shows(variant: Assembly) -> None:
    found = chat(variant)
    assert len(found) == len(rules(variant, "acme-live-platform")) == 6
    for text in found.values():
        names = set(re.findall(r"<(\w+)>", text["InputTemplate"]))
        assert names == set(text["InputPathsMap"])
        # EventBridge writes a variable as JSON, or within a text as it is.
        filled = re.sub(r":<\w+>", ':"x"', text["InputTemplate"])
        message = json.loads(filled)
        assert (message["version"], message["source"]) == ("1.0", "custom")
        assert message["content"]["textType"] == "client-markdown"
        assert set(message["content"]) == {"textType", "title", "description"}


def test_the_turns_of_a_deployment_are_one_thread(variant: Assembly) -> None:
    found = chat(variant)
    own = json.loads(re.sub(r":<message>", ':"x"', found.pop('["nova"]')["InputTemplate"]))
    assert "metadata" not in own
    threads = {name: json.loads(text["InputTemplate"])["metadata"]["threadId"] for name, text in found.items()}
    assert threads.pop('["aws.cloudformation"]') == "<stack>", "CloudFormation knows no deployment of ECS"
    assert set(threads.values()) == {"<service> <id>"}


def test_a_channel_reads_the_topic_of_its_own(variant: Assembly) -> None:
    topics = {
        each["TopicName"]: {"Ref": key}
        for key, found in variant.resources("acme-live-platform", "AWS::SNS::Topic").items()
        for each in [found["Properties"]]
    }
    assert set(topics) == {"acme-live-alerts", "acme-live-alerts-chat"}
    [channel] = variant.properties("acme-live-platform", "AWS::Chatbot::SlackChannelConfiguration")
    assert channel["SnsTopicArns"] == list(topics.values())


def matches(pattern: Any, event: Any) -> bool:
    """Whether an event matches a pattern, by what EventBridge documents of the forms that are used."""
    if isinstance(pattern, dict):
        return all(key in event and matches(inner, event[key]) for key, inner in pattern.items())
    values = event if isinstance(event, list) else [event]
    return any(
        value.startswith(choice["prefix"]) if isinstance(choice, dict) else value == choice
        for choice in pattern
        for value in values
    )


def said_by(rule: dict[str, Any], event: dict[str, Any]) -> str:
    """The text that a rule makes of an event."""
    [target] = [each for each in rule["Targets"] if each["Id"] == "Topic"]
    if "InputPath" in target:
        return str(event["detail"]["message"])
    text = target["InputTransformer"]["InputTemplate"]
    for name, path in target["InputTransformer"]["InputPathsMap"].items():
        value = event
        for key in path.removeprefix("$.").split("."):
            key, _, place = key.partition("[")
            value = value.get(key, "") if isinstance(value, dict) else ""
            value = value[int(place[:-1])] if place else value
        text = text.replace(f"<{name}>", value)
    said: str = json.loads(text)
    return said


def ecs(
    detail_type: str, name: str, reason: str, service: str = "nova-prod/nova-prod-carts", **detail: Any
) -> dict[str, Any]:
    """An event of ECS as it is documented.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html
    """
    return {
        "source": "aws.ecs",
        "detail-type": detail_type,
        "time": "2026-03-04T05:06:07Z",
        "resources": [f"arn:aws:ecs:us-east-1:333333333333:service/{service}"],
        "detail": {"eventType": "INFO", "eventName": name, "deploymentId": "ecs-svc/123", "reason": reason, **detail},
    }


def stack(name: str, status: str, reason: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/eventbridge-events.html"""
    arn = f"arn:aws:cloudformation:us-east-1:333333333333:stack/{name}/0f"
    details = {"status": status, "status-reason": reason}
    return {
        "source": "aws.cloudformation",
        "detail-type": "CloudFormation Stack Status Change",
        "time": "2026-03-04T05:06:07Z",
        "resources": [arn],
        "detail": {"stack-id": arn, "status-details": details},
    }


DEPLOYMENT, HOOK = "ECS Deployment State Change", "ECS Hook State Change"
STARTED = ecs(DEPLOYMENT, "SERVICE_DEPLOYMENT_IN_PROGRESS", "ECS deployment ecs-svc/123 in progress.")
OURS = {"source": "nova", "detail-type": "nova-prod", "detail": {"message": "carts promoted in prod by jo"}}


@pytest.mark.parametrize(
    ("event", "parts"),
    [
        (STARTED, ("nova-prod-carts is being deployed in prod", "since 2026-03-04T05:06:07Z", "nova watch prod")),
        (
            ecs(DEPLOYMENT, "SERVICE_DEPLOYMENT_COMPLETED", "ECS deployment ecs-svc/123 completed."),
            ("is deployed in prod", "nova verify prod"),
        ),
        (
            ecs(DEPLOYMENT, "SERVICE_DEPLOYMENT_FAILED", "ECS deployment circuit breaker: task failed to start."),
            ("did not take its new revision", "circuit breaker: task failed to start.", "nova explain prod"),
        ),
        (
            ecs(HOOK, "HOOK_AWAITING_ACTION", "waits"),
            ("waits for an answer in prod", "nova promote prod, or nova abort prod"),
        ),
        (
            stack("nova-prod-report", "UPDATE_ROLLBACK_COMPLETE", 'a "before_deploy" failed'),
            ("nova-prod-report", "UPDATE_ROLLBACK_COMPLETE", "nova explain prod"),
        ),
        (stack("nova-prod-report", "ROLLBACK_FAILED", ""), ("did not take its update", "nova explain prod")),
        (OURS, ("carts promoted in prod by jo",)),
    ],
)
def test_each_event_is_one_message(assembly: Assembly, event: dict[str, Any], parts: tuple[str, ...]) -> None:
    [rule] = [rule for rule in rules(assembly).values() if matches(rule["EventPattern"], event)]
    text = said_by(rule, event)
    assert "<" not in text
    assert "before_deploy" not in text, "quotes in CloudFormation's reason would break the message"
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    "event",
    [
        ecs(DEPLOYMENT, "SERVICE_DEPLOYMENT_IN_PROGRESS", "", service="nova-dev/nova-dev-carts"),
        ecs("ECS Task State Change", "SERVICE_DEPLOYMENT_FAILED", ""),
        stack("nova-prod-report", "UPDATE_COMPLETE", ""),
        stack("nova-dev-report", "UPDATE_ROLLBACK_COMPLETE", ""),
        {**OURS, "detail-type": "nova-dev"},
    ],
)
def test_what_is_no_turn_of_this_environment_is_no_message(assembly: Assembly, event: dict[str, Any]) -> None:
    assert not [rule for rule in rules(assembly).values() if matches(rule["EventPattern"], event)]
