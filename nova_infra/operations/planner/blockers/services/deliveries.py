"""Deliveries that are refused or lost: a bucket's, topic's, log group's or rule's, by the target's policy.

S3, CloudWatch Logs and Lambda try the destination when it is set, and refuse. SNS and EventBridge do not:
what they cannot deliver is lost. See
https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html,
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutSubscriptionFilter.html,
https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html,
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from nova_infra.checks.permissions.attached import branches
from nova_infra.checks.permissions.statements import contains
from nova_infra.checks.rule import Template, as_list, referenced
from nova_infra.documents.text import listed
from nova_infra.operations.changes.stated_values import is_function, number, table, tables, values_at
from nova_infra.operations.changes.template_values import references, shown
from nova_infra.operations.planner.blockers.services.messages import keeps_order
from nova_infra.operations.planner.model import Action, Consequence, Refusal, StackTemplate
from nova_infra.operations.planner.step import Step

_FUNCTION, _QUEUE, _TOPIC = "AWS::Lambda::Function", "AWS::SQS::Queue", "AWS::SNS::Topic"
_CHANNELS = ("AWS::Chatbot::SlackChannelConfiguration", "AWS::Chatbot::MicrosoftTeamsChannelConfiguration")
# Type of a receiver to the types of its policies, with what of them names it, and to what a sender has to be allowed.
_POLICIES = {
    _QUEUE: ({"AWS::SQS::QueuePolicy": "Queues", "AWS::SQS::QueueInlinePolicy": "Queue"}, "sqs:sendmessage"),
    _TOPIC: ({"AWS::SNS::TopicPolicy": "Topics", "AWS::SNS::TopicInlinePolicy": "TopicArn"}, "sns:publish"),
}
_HIDES, _RUNS = 30, 3
"""Seconds for which a queue hides a message, and for which a function runs, where a template does not say."""


class _Delivery(NamedTuple):
    """A sender, the property that names the receiver, the receiver, and the service that delivers."""

    sender: str
    where: str
    receiver: str
    service: str


def refused_deliveries(step: Step) -> Iterator[Refusal]:
    """Refuse a receiver that the sender's service tries out in vain."""
    for each in (*_of_buckets(step), *_of_logs(step)):
        if not _lets_in(step, each):
            fault = f"leads to {each.receiver}, which does not let {each.service} in"
            yield step.refuse(f"{each.sender}.{each.where}", fault, "add the policy or permission that allows it")
    yield from _kinds(step)
    for logical_id, mapping in step.given_of_type("AWS::Lambda::EventSourceMapping"):
        queue, function = (step.after.resources.get(referenced(mapping.get(key)) or "") for key in _ENDS)
        if queue is None or function is None or (queue["Type"], function["Type"]) != (_QUEUE, _FUNCTION):
            continue
        hides = number(table(queue.get("Properties")).get("VisibilityTimeout", _HIDES))
        runs = number(table(function.get("Properties")).get("Timeout", _RUNS))
        if hides is not None and runs is not None and hides < runs:
            fault = f"leads from a queue that hides messages for {hides:g} s to a function that may run for {runs:g} s"
            yield step.refuse(logical_id, fault, "raise VisibilityTimeout of the queue, best to six times that")


_ENDS = ("EventSourceArn", "FunctionName")


def _kinds(step: Step) -> Iterator[Refusal]:
    """Refuse receivers of a kind that the sender does not deliver to, or only by a role."""
    resources = step.after.resources
    for logical_id, each in step.given_of_type("AWS::SNS::Subscription"):
        topic, queue = (resources.get(referenced(each.get(key)) or "") for key in ("TopicArn", "Endpoint"))
        if topic is None:
            continue
        ordered = keeps_order(table(topic.get("Properties")))
        # https://docs.aws.amazon.com/sns/latest/dg/fifo-topic-message-delivery.html
        if ordered and isinstance(protocol := each.get("Protocol"), str) and protocol != "sqs":
            fault = f"is {protocol}, and a FIFO topic delivers to queues"
            yield step.refuse(f"{logical_id}.Protocol", fault, "put a queue between, or make it a standard topic")
        elif (
            ordered is False
            and queue is not None
            and queue["Type"] == _QUEUE
            and keeps_order(table(queue.get("Properties")))
        ):
            fault = "is a FIFO queue, and its topic is a standard one"
            yield step.refuse(f"{logical_id}.Endpoint", fault, "make both FIFO, or neither")
    for logical_id, each in step.given_of_type("AWS::Logs::SubscriptionFilter"):
        kind = resources.get(referenced(each.get("DestinationArn")) or "", {}).get("Type")
        if kind in ("AWS::Kinesis::Stream", "AWS::KinesisFirehose::DeliveryStream") and "RoleArn" not in each:
            fault = "is missing, and CloudWatch Logs writes to a stream only by a role"
            yield step.refuse(f"{logical_id}.RoleArn", fault, "name one that may put records into it")


def lost_deliveries(step: Step) -> Iterator[Consequence]:
    """Warn about events that a receiver does not let in: they are lost, and nothing says so."""
    for each in (*_of_topics(step), *_of_events(step)):
        if not _lets_in(step, each):
            said = f"leads to {each.receiver}, which does not let {each.service} in: what it sends is lost"
            yield step.note(f"{each.sender}.{each.where}", said, hurts=True)


def unconfirmed(step: Step) -> Iterator[Consequence]:
    """Warn about topics that reach nobody until a subscriber confirms (SNS: SendMessageToHttp.confirm)."""
    kind = "AWS::SNS::Subscription"
    if any(_subscribes_elsewhere(each) for each in step.release.values() if each.key != step.after.key):
        return  # It may be one of this stack's topics.
    old = dict(step.before.of_type(kind) if step.before is not None else ())
    stay = {each.logical_id for each in step.actions if each.action in (Action.REPLACE, Action.MAY_REPLACE)}
    stay = old.keys() & dict(step.after.of_type(kind)).keys() - stay
    for topic in sorted({name for each in old.values() for name in references(each.get("TopicArn"))}):
        new = [each for name, each in step.after.of_type(kind) if name not in stay and _of_topic(each, topic)]
        others = [each for channel in _CHANNELS for _, each in step.after.of_type(channel)]
        reached = any(_of_topic(old[name], topic) for name in stay) or any(topic in references(e) for e in others)
        waits = [each for each in new if str(each.get("Protocol")).partition("-")[0] in ("email", "http", "https")]
        own = table(step.after.resources.get(topic, {}).get("Properties")).get("Subscription")
        if topic not in step.after.resources or reached or own or len(waits) < len(new):
            continue
        whom = listed([shown(each.get("Endpoint")) for each in waits], 3)
        said = f"reaches nobody until {whom} confirms: have that done at once" if waits else "reaches nobody any more"
        yield step.note(topic, said, hurts=True)


def _subscribes_elsewhere(stack: StackTemplate) -> bool:
    """Whether a stack has a subscription of a topic that is not its own."""
    found = (references(each.get("TopicArn")) for _, each in stack.of_type("AWS::SNS::Subscription"))
    return any(not any(name in stack.resources for name in names) for names in found)


def _of_topic(subscription: Mapping[str, Any], topic: str) -> bool:
    return topic in references(subscription.get("TopicArn"))


def _of_buckets(step: Step) -> Iterator[_Delivery]:
    for logical_id, properties in step.given_of_type("AWS::S3::Bucket"):
        for kind, name in (("Topic", "Topic"), ("Queue", "Queue"), ("Lambda", "Function")):
            where = f"NotificationConfiguration.{kind}Configurations"
            for receiver in _receivers(tables([*values_at(properties, f"{where}[]")]), name):
                yield _Delivery(logical_id, where, receiver, "s3")


def _of_logs(step: Step) -> Iterator[_Delivery]:
    for logical_id, properties in step.given_of_type("AWS::Logs::SubscriptionFilter"):
        for receiver in _receivers([properties], "DestinationArn"):
            if step.after.resources.get(receiver, {}).get("Type") == _FUNCTION:
                yield _Delivery(logical_id, "DestinationArn", receiver, "logs")


def _of_topics(step: Step) -> Iterator[_Delivery]:
    for logical_id, properties in step.given_of_type("AWS::SNS::Subscription"):
        for receiver in _receivers([properties], "Endpoint"):
            yield _Delivery(logical_id, "Endpoint", receiver, "sns")


def _of_events(step: Step) -> Iterator[_Delivery]:
    for logical_id, properties in step.given_of_type("AWS::Events::Rule"):
        targets = [each for each in tables(properties.get("Targets")) if "RoleArn" not in each]
        for receiver in _receivers(targets, "Arn"):
            yield _Delivery(logical_id, "Targets", receiver, "events")


def _receivers(parts: list[Any], name: str) -> Iterator[str]:
    yield from filter(None, (referenced(each.get(name)) for each in parts))


def _lets_in(step: Step, delivery: _Delivery) -> bool:
    """Whether the receiver's policy lets a service deliver; so it counts where the template does not tell."""
    resources = step.after.resources
    kind = str(resources.get(delivery.receiver, {}).get("Type"))
    if kind == _FUNCTION:
        permissions = [each for _, each in step.after.of_type("AWS::Lambda::Permission")]
        return any(
            (referenced(each.get("FunctionName")) or delivery.receiver) == delivery.receiver
            and _is_service(each.get("Principal"), delivery.service)
            for each in permissions
        )
    if kind not in _POLICIES:
        return True
    policies, action = _POLICIES[kind]
    given = Template({name: each for name, each in resources.items() if each["Type"] in policies})
    documents = [
        document
        for policy, receivers in policies.items()
        for _, each in given.of_type(policy)
        if any(_means(one, delivery.receiver, kind, resources) for one in as_list(each.get(receivers)))
        for document in as_list(each.get("PolicyDocument"))
    ]
    statements = [each for one in documents for each in branches(table(one).get("Statement"))]
    return any(map(is_function, (*documents, *statements))) or any(
        each.get("Effect") == "Allow" and _allows(each, action) and _names(each.get("Principal"), delivery.service)
        for each in statements
    )


def _means(named: Any, receiver: str, kind: str, resources: Mapping[str, Any]) -> bool:
    """Whether what a policy names is a receiver, or may be: only a reference to another of its type is surely not."""
    logical_id = referenced(named)
    return logical_id == receiver or resources.get(logical_id or "", {}).get("Type") != kind


def _allows(statement: Any, action: str) -> bool:
    actions = [str(each).lower() for each in branches(statement.get("Action"), mappings=False)]
    return "NotAction" in statement or any(contains(each, action) for each in actions)


def _names(principal: Any, service: str) -> bool:
    """Whether a statement's principal may be a service."""
    known = table(principal)
    if principal == "*" or is_function(principal) or "*" in as_list(known.get("AWS", [])):
        return True
    return any(_is_service(each, service) for each in branches(known.get("Service", []), mappings=False))


def _is_service(principal: Any, service: str) -> bool:
    return not isinstance(principal, str) or principal == "*" or principal.startswith(f"{service}.")
