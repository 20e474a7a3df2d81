"""Which AWS services may publish alerts, and the conditions in the topic's and the key's policies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aws_cdk as cdk


@dataclass(frozen=True)
class Publisher:
    """A service that publishes to an encrypted topic, and the conditions on its permission."""

    principal: str
    topic_conditions: Mapping[str, Any] = field(default_factory=dict)
    key_conditions: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def alarms(cls, stack: cdk.Stack) -> Self:
        """CloudWatch alarms of the stack's account (SNS: sns-key-management, compatibility with AWS services)."""
        own_account = {"StringEquals": {"aws:SourceAccount": stack.account}}
        return cls("cloudwatch.amazonaws.com", own_account, own_account)

    @classmethod
    def pipeline_events(cls, stack: cdk.Stack) -> Self:
        """Notification rules, which reach a topic only if its policy has no condition (dtconsole: set-up-sns)."""
        return cls(
            "codestar-notifications.amazonaws.com",
            key_conditions={"StringEquals": {"kms:ViaService": f"sns.{stack.region}.amazonaws.com"}},
        )

    @classmethod
    def events(cls) -> Self:
        """EventBridge, which supports no condition for an encrypted topic (SNS: sns-key-management)."""
        return cls("events.amazonaws.com")
