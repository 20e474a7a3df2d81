"""Acknowledges findings of the rules, each on its own construct and with its reason."""

import json
from typing import Any

import aws_cdk as cdk
from constructs import IConstruct

AWS_SOLUTIONS = "AwsSolutions::AwsSolutions"
NIST = "NIST.800.53.R5::NIST.800.53.R5"
_UNKNOWN = "${Token["
"""What CDK begins a part with that only CloudFormation knows: to ask CDK costs a message to its Node process."""


def acknowledge(construct: IConstruct, reason: str, *ids: str) -> None:
    """Accept findings on a construct and what is below it.

    Args:
        construct: The smallest construct that has the findings: elsewhere they stay findings.
        ids: The findings as the validation report names them, ``<pack>::<rule>`` or ``<pack>::<rule>[<detail>]``.
    """
    known = (_as_reported(construct, each) if _UNKNOWN in each else each for each in ids)
    cdk.Validations.of(construct).acknowledge(*(cdk.Acknowledgment(id=each, reason=reason) for each in known))


def _as_reported(construct: IConstruct, name: str) -> str:
    """An id in which only CloudFormation knows a part, as reports write it: ``<LogicalId>`` or ``<LogicalId.Arn>``."""

    def text(part: Any) -> str:
        match part:
            case {"Fn::Join": [str(between), [*parts]]}:
                return between.join(map(text, parts))
            case {"Ref": str(name)}:
                return f"<{name}>"
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return f"<{name}.{attribute}>"
        return part if isinstance(part, str) else json.dumps(part)

    return text(cdk.Stack.of(construct).resolve(name))


def acknowledge_own_policy(construct: IConstruct) -> None:
    """Accept the inline policies of a role: a managed policy could be attached elsewhere by mistake."""
    acknowledge(construct, "A policy of one role cannot be attached elsewhere by mistake", f"{NIST}-IAMNoInlinePolicy")
