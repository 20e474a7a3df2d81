"""Messages about deployments: ECS's own events, and Nova's, reach the alert topic as one message a turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.names import EVENT_SOURCE


@dataclass(frozen=True)
class _Turn:
    """A turn of a deployment.

    Attributes:
        id: Id of its rule.
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


class RolloutEvents(Construct):
    """Rules that turn events about an environment's deployments into messages.

    What Nova itself does, such as a rollback, it says in an event of its own: so nobody but EventBridge has to be able
    to publish, and to use the topic's key.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: str, prefix: str, topic: sns.ITopic
    ) -> None:
        """Create the rules.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            environment: Name of the environment.
            prefix: ``<platform>-<environment>``, the cluster's name.
            topic: Where the messages go; its policy must let EventBridge publish.
        """
        super().__init__(scope, construct_id)
        services = cdk.Stack.of(self).format_arn(service="ecs", resource="service", resource_name=f"{prefix}/")
        for turn in _TURNS:
            pattern = {
                "source": ["aws.ecs"],
                "detail-type": [turn.detail_type],
                "resources": [{"prefix": services}],
                "detail": {"eventName": [turn.event]},
            }
            said = f"<service> {turn.what} in {environment}, since <at>. <why> Next: {turn.next.format(environment)}"
            self._rule(
                turn.id,
                pattern,
                topic,
                input_transformer=events.CfnRule.InputTransformerProperty(
                    input_template=json.dumps(said),
                    input_paths_map={"service": "$.resources[0]", "at": "$.time", "why": "$.detail.reason"},
                ),
            )
        pattern = {"source": [EVENT_SOURCE], "detail-type": [prefix]}
        # As it is: a text with quotes in it would break a template.
        self._rule("Nova", pattern, topic, input_path="$.detail.message")

    def _rule(self, rule_id: str, pattern: Mapping[str, Any], topic: sns.ITopic, **text: Any) -> None:
        target = events.CfnRule.TargetProperty(id="Topic", arn=topic.topic_arn, **text)
        events.CfnRule(self, rule_id, event_pattern=pattern, targets=[target])
