"""EventBridge rules that announce a deployment's start, waits, end and rollback to the alert topic.

The words of what operators do are in ``operations/rollback/run`` and ``operations/rollout/answer``; those of alarms in
``constructs/tasks/alarms``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.names import EVENT_SOURCE, services_in_cluster


@dataclass(frozen=True)
class _Turn:
    """A turn of a deployment.

    Attributes:
        detail_type: EventBridge's ``detail-type``.
        event: ECS's name for it.
        what: What has happened, after the service's name.
        next: The command that a person may want, with ``{0}`` for the environment.
    """

    id: str
    detail_type: str
    event: str
    what: str
    next: str


# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/pause-lifecycle-hooks.html
_DEPLOYMENT, _HOOK = "ECS Deployment State Change", "ECS Hook State Change"
_TURNS = (
    _Turn("Begun", _DEPLOYMENT, "SERVICE_DEPLOYMENT_IN_PROGRESS", "is being deployed", "nova watch {0}"),
    _Turn("Done", _DEPLOYMENT, "SERVICE_DEPLOYMENT_COMPLETED", "is deployed", "nova verify {0}"),
    _Turn("Failed", _DEPLOYMENT, "SERVICE_DEPLOYMENT_FAILED", "did not take its new revision", "nova explain {0}"),
    _Turn("Waits", _HOOK, "HOOK_AWAITING_ACTION", "waits for an answer", "nova promote {0}, or nova abort {0}"),
)
_WENT_BACK = ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")


class RolloutEvents(Construct):
    """Rules that turn events about an environment's deployments into messages.

    What Nova itself does, such as a rollback, it says in an event of its own: so nobody but EventBridge has to be able
    to publish, and to use the topic's key.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        prefix: str,
        cluster: str,
        topic: sns.ITopic,
        chat: sns.ITopic | None = None,
    ) -> None:
        """Create the rules.

        Args:
            topic: Where the messages go; its policy must let EventBridge publish.
            chat: Where they go in the form that chat shows, the turns of a deployment in a thread. Default: nowhere.
        """
        super().__init__(scope, construct_id)
        services = cdk.Stack.of(self).format_arn(
            service="ecs", resource="service", resource_name=services_in_cluster(prefix, cluster).rstrip("*")
        )
        topic_arn, chat_arn = topic.topic_arn, chat.topic_arn if chat is not None else None
        for turn in _TURNS:
            pattern = {
                "source": ["aws.ecs"],
                "detail-type": [turn.detail_type],
                "resources": [{"prefix": services}],
                "detail": {"eventName": [turn.event]},
            }
            said = f"<service> {turn.what} in {environment}, since <at>. <why> Next: {turn.next.format(environment)}"
            known = {"service": "$.resources[0]", "at": "$.time", "why": "$.detail.reason"}
            shown = _chat(json.dumps(said), f"A deployment in {environment} {turn.what}", thread="<service> <id>")
            self._rule(
                turn.id,
                pattern,
                _target("Topic", topic_arn, _text(json.dumps(said), known)),
                _target("Chat", chat_arn, _text(shown, {**known, "id": "$.detail.deploymentId"})),
            )
        self._stack_goes_back(environment, prefix, topic_arn, chat_arn)
        self._own_messages(environment, prefix, topic_arn, chat_arn)

    def _own_messages(self, environment: str, prefix: str, topic_arn: str, chat_arn: str | None) -> None:
        """What Nova's commands say that they have done."""
        # As it is: a text with quotes in it would break a template. Without quotes around it, EventBridge writes it as
        # JSON.
        told = "$.detail.message"
        text = _text(_chat("<message>", f"Nova in {environment}"), {"message": told})
        self._rule(
            "Nova",
            {"source": [EVENT_SOURCE], "detail-type": [prefix]},
            events.CfnRule.TargetProperty(id="Topic", arn=topic_arn, input_path=told),
            _target("Chat", chat_arn, text),
        )

    def _stack_goes_back(self, environment: str, prefix: str, topic_arn: str, chat_arn: str | None) -> None:
        """What ECS sends no event about: a job, a before_deploy or another resource fails, and its stack rolls back.

        Without CloudFormation's reason, which may have quotes in it that break a template: ``nova explain`` has it.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/eventbridge-events.html
        """
        stacks = cdk.Stack.of(self).format_arn(service="cloudformation", resource="stack", resource_name=f"{prefix}-")
        pattern = {
            "source": ["aws.cloudformation"],
            "detail-type": ["CloudFormation Stack Status Change"],
            "detail": {"stack-id": [{"prefix": stacks}], "status-details": {"status": list(_WENT_BACK)}},
        }
        known = {
            "stack": "$.detail.stack-id",
            "at": "$.time",
            "status": "$.detail.status-details.status",
        }
        said = f"<stack> did not take its update in {environment}: it is <status> since <at>. Next: nova explain "
        text = json.dumps(f"{said}{environment}")
        shown = _chat(text, f"A stack in {environment} did not take its update", thread="<stack>")
        self._rule(
            "StackWentBack",
            pattern,
            _target("Topic", topic_arn, _text(text, known)),
            _target("Chat", chat_arn, _text(shown, known)),
        )

    def _rule(self, rule_id: str, pattern: Mapping[str, Any], *targets: events.CfnRule.TargetProperty | None) -> None:
        events.CfnRule(self, rule_id, event_pattern=pattern, targets=[each for each in targets if each])


def _target(
    target_id: str, topic_arn: str | None, text: events.CfnRule.InputTransformerProperty
) -> events.CfnRule.TargetProperty | None:
    if topic_arn is None:
        return None
    return events.CfnRule.TargetProperty(id=target_id, arn=topic_arn, input_transformer=text)


def _text(template: str, known: Mapping[str, str]) -> events.CfnRule.InputTransformerProperty:
    return events.CfnRule.InputTransformerProperty(input_template=template, input_paths_map=known)


def _chat(description: str, title: str, *, thread: str = "") -> str:
    """A message in the form that Amazon Q Developer shows in chat.

    https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html

    Args:
        description: The text, as JSON or as one of EventBridge's variables.
        thread: What the messages of one thread have in common; empty for none.
    """
    metadata = f',"metadata":{json.dumps({"threadId": thread, "summary": title})}' if thread else ""
    content = f'{{"textType":"client-markdown","title":{json.dumps(title)},"description":{description}}}'
    return f'{{"version":"1.0","source":"custom","content":{content}{metadata}}}'
