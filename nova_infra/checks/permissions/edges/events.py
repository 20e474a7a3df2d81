"""Which events an EventBridge pattern may match; in doubt it matches (eb-create-pattern-operators)."""

import json
from collections.abc import Mapping
from typing import Any

from nova_infra.checks.permissions.statements import contains
from nova_infra.checks.rule import as_list

_RESERVED = "aws."
"""The prefix of AWS's own event sources, which nobody else may use:
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html"""

_RECORD = (
    *("additionalEventData", "apiVersion", "awsRegion", "errorCode", "errorMessage", "eventCategory", "eventID"),
    *("eventName", "eventSource", "eventTime", "eventType", "eventVersion", "managementEvent", "readOnly"),
    *(
        "recipientAccountId",
        "requestID",
        "requestParameters",
        "resources",
        "responseElements",
        "sessionCredentialFromConsole",
    ),
    *("sharedEventID", "sourceIPAddress", "tlsDetails", "userAgent", "userIdentity", "vpcEndpointId"),
)
"""https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html"""
_CALL = "AWS API Call via CloudTrail"
"""https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html"""


_STEPS = tuple(f"CodePipeline {part} Execution State Change" for part in ("Pipeline", "Stage", "Action"))


def event_pattern(rule: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A rule's pattern, parsed if it is written as text; empty if only CloudFormation knows it.

    Returns:
        None where a rule has none, as a schedule.
    """
    pattern = rule.get("EventPattern")
    if isinstance(pattern, str):
        try:
            pattern = json.loads(pattern)
        except ValueError:
            pattern = {}
    return None if pattern is None else pattern if isinstance(pattern, Mapping) else {}


def wanted(pattern: Mapping[str, Any], *keys: str) -> list[Any]:
    """A pattern's condition on a field of the event; nothing if any value matches."""
    found: Any = pattern
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return as_list(found)


def may_come_from(pattern: Mapping[str, Any], service: str) -> bool:
    """Whether a pattern may match an event that AWS sends about a service, such as ``ecr``."""
    sources = wanted(pattern, "source")
    return not sources or any(_may_be(each, f"{_RESERVED}{service}") for each in sources)


def may_be_a_step(pattern: Mapping[str, Any]) -> bool:
    """Whether a pattern may match CodePipeline's events of a pipeline, stage or action (detect-state-changes)."""
    kinds = wanted(pattern, "detail-type")
    return may_come_from(pattern, "codepipeline") and (
        not kinds or any(_may_be(each, kind) for each in kinds for kind in _STEPS)
    )


def may_be_a_call(pattern: Mapping[str, Any]) -> bool:
    """Whether a pattern may match CloudTrail's events about calls to any AWS service."""
    sources, kinds = wanted(pattern, "source"), wanted(pattern, "detail-type")
    of_aws = not sources or any(not isinstance(each, str) or each.startswith(_RESERVED) for each in sources)
    detail = pattern.get("detail", {})
    told = not isinstance(detail, Mapping) or all(key in _RECORD or key.startswith("$") for key in detail)
    return of_aws and told and (not kinds or any(_may_be(each, _CALL) for each in kinds))


def may_be_own(pattern: Mapping[str, Any]) -> bool:
    """Whether a pattern may match an event that is not AWS's."""
    sources = wanted(pattern, "source")
    return not sources or not all(_is_reserved(each) for each in sources)


def _is_reserved(condition: object) -> bool:
    match condition:
        case str(text) | {"prefix": str(text)} | {"wildcard": str(text)}:
            return text.startswith(_RESERVED)
    return False


def _may_be(condition: object, value: str) -> bool:
    match condition:
        case str():
            return condition == value
        case {"prefix": str(start)}:
            return value.startswith(start)
        case {"suffix": str(end)}:
            return value.endswith(end)
        case {"equals-ignore-case": str(same)}:
            return value == same.lower()
        case {"wildcard": str(text)}:
            return contains(text, value)
        case {"anything-but": str() | list() as others}:
            return value not in as_list(others)
    return True
