"""Reads the properties that rules judge, whatever a template has in their place, such as text for a number.

Any property may be a function of CloudFormation's, a null or a value of another kind. What has not its shape is left
out, so that no rule fails on it, and is reported, so that none passes for it.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

ANY, NUMBER, FLAG, TEXT = "a value", "a number", "true or false", "a text"
NEEDED = "!"
"""Ends the name of a property that is read as an empty one where it is missing."""


@dataclass(frozen=True)
class ListOf:
    """A list, all of whose entries have one shape."""

    shape: Any


Report = Callable[[str, str], None]
"""Takes the place of a value without its shape, and what is wrong with it."""
_LEFT_OUT = object()
_NO_VALUE = {"Ref": "AWS::NoValue"}
_EMPTY: Mapping[Any, Any] = {NUMBER: 0, FLAG: False, TEXT: "", ANY: ""}

_TARGET_GROUPS = ListOf({"TargetGroupArn!": ANY, "Weight": NUMBER})
_HOOK = {"LifecycleStages!": ListOf(TEXT), "TargetType": TEXT}
_METRIC = {"MetricName!": TEXT, "Dimensions!": ListOf({"Name!": TEXT, "Value!": ANY})}
_ARTIFACTS = ListOf({"Name!": TEXT})
_ACTION = {
    "Name!": TEXT,
    "ActionTypeId!": {"Category!": TEXT, "Provider!": TEXT},
    "RunOrder": NUMBER,
    "Configuration!": {},
    "InputArtifacts!": _ARTIFACTS,
    "OutputArtifacts!": _ARTIFACTS,
}
_CONDITION = {"Rules!": ListOf({"Configuration!": {}, "RuleTypeId!": {"Provider!": TEXT}})}
_STAGE = {"Name!": TEXT, "Actions!": ListOf(_ACTION), "BeforeEntry!": {"Conditions!": ListOf(_CONDITION)}}

SHAPES: Mapping[str, Mapping[str, Any]] = {
    "AWS::ECS::Service": {
        "DeploymentConfiguration!": {
            "Alarms!": {"Enable": FLAG, "Rollback": FLAG, "AlarmNames!": ListOf(ANY)},
            "BakeTimeInMinutes": NUMBER,
            "CanaryConfiguration": {"CanaryBakeTimeInMinutes": NUMBER},
            "DeploymentCircuitBreaker!": {"Enable": FLAG, "Rollback": FLAG},
            "LifecycleHooks!": ListOf({**_HOOK, "TimeoutConfiguration!": {"TimeoutInMinutes": NUMBER, "Action": TEXT}}),
            "LinearConfiguration": {"StepBakeTimeInMinutes": NUMBER, "StepPercent": NUMBER},
            "MaximumPercent": NUMBER,
            "MinimumHealthyPercent": NUMBER,
            "Strategy": TEXT,
        },
        "LoadBalancers!": ListOf({"TargetGroupArn!": ANY, "AdvancedConfiguration!": {}}),
    },
    "AWS::ECS::TaskDefinition": {"ContainerDefinitions!": ListOf({"Image!": ANY, "StopTimeout": NUMBER})},
    "AWS::ElasticLoadBalancingV2::TargetGroup": {"TargetGroupAttributes!": ListOf({"Key!": TEXT, "Value!": ANY})},
    "AWS::ElasticLoadBalancingV2::ListenerRule": {
        "Actions!": ListOf({"ForwardConfig!": {"TargetGroups!": _TARGET_GROUPS}})
    },
    "AWS::CloudWatch::Alarm": {
        "ActionsEnabled": FLAG,
        "AlarmActions": ListOf(ANY),
        "DatapointsToAlarm": NUMBER,
        "EvaluationPeriods": NUMBER,
        "Period": NUMBER,
        "Statistic": TEXT,
        "TreatMissingData": TEXT,
        **_METRIC,
        "Metrics": ListOf(
            {"Id!": TEXT, "Expression": TEXT, "MetricStat": {"Metric!": _METRIC, "Period": NUMBER, "Stat": TEXT}}
        ),
    },
    "AWS::SQS::Queue": {"RedrivePolicy": {}},
    "AWS::CodePipeline::Pipeline": {
        "Stages!": ListOf(_STAGE),
        "ArtifactStore!": {},
        "ArtifactStores!": ListOf({"ArtifactStore!": {}}),
    },
    "AWS::CodeBuild::Project": {
        "Source!": {"Type": TEXT, "BuildSpec": ANY},
        "SecondarySources!": ListOf({"Type": TEXT}),
        "Environment!": {"PrivilegedMode": FLAG},
        "BuildBatchConfig!": {},
    },
    "AWS::CodeStarNotifications::NotificationRule": {"EventTypeIds!": ListOf(TEXT), "Status": TEXT},
}
"""Type to the shapes of what the rules read of it; what is not named stays as it is."""


def read(properties: Any, shape: Mapping[str, Any], report: Report = lambda *_: None) -> Mapping[str, Any]:
    """A resource's properties, in their shape.

    Args:
        report: Told of each value that is left out for another shape.
    """
    found = _object(properties, shape, "Properties", report)
    return _empty(shape) if found == _LEFT_OUT else found  # type: ignore[no-any-return]  # a shape's own


def _read(value: Any, shape: Any, where: str, report: Report) -> Any:
    if shape == ANY and value is not None:
        return value
    if isinstance(shape, dict):
        return _object(value, shape, where, report)
    if isinstance(shape, ListOf):
        return _list(value, shape, where, report)
    if (found := _scalar(value, shape)) == _LEFT_OUT:
        report(where, f"it is {told(value)}, not {shape}")
        # Every text is known to differ from all that a rule looks for.
        return f"${{{told(value)}}}" if shape == TEXT else _LEFT_OUT
    return found


def _object(value: Any, shape: Mapping[str, Any], where: str, report: Report) -> Any:
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, dict) or is_function(value):
        report(where, f"it is {told(value)}, not an object")
        return _LEFT_OUT
    found = {key: each for key, each in value.items() if each != _NO_VALUE}
    for name, inner in shape.items():
        key = name.removesuffix(NEEDED)
        read_ = _read(found[key], inner, f"{where}.{key}", report) if key in found else _LEFT_OUT
        if read_ != _LEFT_OUT:
            found[key] = read_
        elif name.endswith(NEEDED):
            found[key] = _empty(inner)
        else:
            found.pop(key, None)
    return found


def _list(value: Any, shape: ListOf, where: str, report: Report) -> Any:
    if not isinstance(value, list):
        report(where, f"it is {told(value)}, not a list")
        return _LEFT_OUT
    found = [
        _read(each, shape.shape, f"{where}.{place}", report) for place, each in enumerate(value) if each != _NO_VALUE
    ]
    return [each for each in found if each != _LEFT_OUT]


def _scalar(value: Any, shape: Any) -> Any:
    """A number, a flag or a text, also where CloudFormation would take another spelling for it."""
    match value:
        case bool():
            return value if shape == FLAG else _LEFT_OUT
        case "true" | "false" if shape == FLAG:
            return value == "true"
        case {"Fn::Join": [str(separator), list(parts)]} if all(isinstance(p, str) for p in parts):
            return _scalar(separator.join(parts), shape)
        case str() | int() | float() if shape == TEXT:
            return str(value)
        case str() | int() | float() if shape == NUMBER:
            return _number(value)
    return _LEFT_OUT


def _number(value: str | float) -> Any:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return _LEFT_OUT
    if not math.isfinite(number):
        return _LEFT_OUT
    return int(number) if number.is_integer() else number


def _empty(shape: Any) -> Any:
    if isinstance(shape, ListOf):
        return []
    return _object({}, shape, "", lambda *_: None) if isinstance(shape, Mapping) else _EMPTY[shape]


def _parsed(text: str) -> Any:
    """What a text in JSON says; the text where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def is_function(value: Any) -> bool:
    """Whether only CloudFormation knows a value."""
    if isinstance(value, dict):
        for key in value:  # in a loop of its own: this is asked of every part of every template
            if key == "Ref" or str(key)[:4] == "Fn::":
                return True
    return False


def told(value: Any) -> str:
    """A value for a message: a function by its name, anything else in short."""
    if is_function(value):
        return next(str(key) for key in value if key == "Ref" or str(key).startswith("Fn::"))
    return json.dumps(value, default=str)[:40]
