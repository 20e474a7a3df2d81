"""Refuses what CloudFormation calls a "template validation error": parameters, arguments of functions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html,
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-findinmap.html,
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-getatt.html.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.stated_values import number
from nova_infra.operations.changes.template_values import PARTS, shown
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Step

_ELB = "AWS::ElasticLoadBalancingV2"
_ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "AWS::CloudWatch::Alarm": ("Arn",),
    "AWS::DynamoDB::Table": ("Arn", "StreamArn"),
    "AWS::ECS::Cluster": ("Arn",),
    "AWS::ECS::Service": ("Name", "ServiceArn"),
    "AWS::IAM::Role": ("Arn", "RoleId"),
    f"{_ELB}::Listener": ("ListenerArn",),
    f"{_ELB}::ListenerRule": ("IsDefault", "RuleArn"),
    f"{_ELB}::TargetGroup": ("LoadBalancerArns", "TargetGroupArn", "TargetGroupFullName", "TargetGroupName"),
}
"""All attributes of some types. Schemas of others leave out some that CloudFormation knows."""
_DESCRIPTION = 1024
"""Bytes: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html."""
_Fault = tuple[str, str]


def refused_templates(step: Step) -> Iterator[Refusal]:
    """Refuse defaults that their own parameter forbids, values that no mapping has, attributes that no resource has."""
    template = step.after.template
    for where, fault in step.after.faults:
        yield step.refuse(where, fault, "correct it")
    for name, parameter in template.get("Parameters", {}).items():
        for fault, remedy in _of_default(parameter):
            yield step.refuse(f"Parameters.{name}", fault, remedy)
    outputs = {f"Outputs.{name}": each for name, each in template.get("Outputs", {}).items()}
    for place, part in {"Description": template, **outputs}.items():
        text = part.get("Description") if isinstance(part, Mapping) else None
        if isinstance(text, str) and (size := len(text.encode())) > _DESCRIPTION:
            fault = f"its description has {size:,} bytes, but CloudFormation allows {_DESCRIPTION:,}"
            yield step.refuse(place, fault, "shorten it")
    for place, part in {**step.after.resources, **outputs}.items():
        for fault, remedy in _of_functions(part, template):
            yield step.refuse(place, fault, remedy)


def _of_default(parameter: Mapping[str, Any]) -> Iterator[_Fault]:
    allowed, pattern = (parameter.get(key) for key in ("AllowedValues", "AllowedPattern"))
    if parameter.get("Default") is None or parameter.get("Type") not in ("String", "Number"):
        return  # Of the other types, each entry or a value elsewhere counts.
    default, is_number = shown(parameter["Default"]), parameter["Type"] == "Number"
    size = number(default) if is_number else float(len(default))
    numbers = map(number, allowed) if is_number and isinstance(allowed, list) else ()
    if isinstance(allowed, list) and default not in map(shown, allowed) and size not in numbers:
        yield f"its Default {default} is none of its AllowedValues", "correct one of them"
    if isinstance(pattern, str) and not _matches(pattern, default):
        yield f"its Default {default} does not match its AllowedPattern {pattern}", "correct one of them"
    least, most = (number(parameter.get(f"{end}{'Value' if is_number else 'Length'}")) for end in ("Min", "Max"))
    if size is not None and ((least is not None and size < least) or (most is not None and size > most)):
        yield f"its Default {default} is beyond its limits", "correct one of them"


def _matches(pattern: str, text: str) -> bool:
    try:
        return "&&" in pattern or re.fullmatch(pattern, text) is not None
    except re.error:
        return True  # Java's expressions, which CloudFormation takes, are not all Python's.


def _of_functions(value: Any, template: Mapping[str, Any]) -> Iterator[_Fault]:
    match value:
        case {"Fn::FindInMap": [str(name), str(first), str(second)]}:
            mapping = template.get("Mappings", {}).get(name, {})
            if "Fn::Transform" not in mapping and second not in mapping.get(first, {}):
                yield f"looks for {second} of {first} in the mapping {name}, which lacks it", "add it, or correct it"
        case {"Fn::GetAtt": [str(logical_id), str(wanted)]}:
            kind = str(template.get("Resources", {}).get(logical_id, {}).get("Type"))
            if wanted not in (known := _ATTRIBUTES.get(kind, (wanted,))):
                yield f"asks {logical_id} for {wanted}, but it has only {', '.join(known)}", "correct the attribute"
        case dict() | list():
            for inner in value.values() if isinstance(value, dict) else value:
                if isinstance(inner, PARTS):
                    yield from _of_functions(inner, template)
