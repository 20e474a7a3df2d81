"""Quotas: 500 resources a template, VPCs and load balancers a region, policies a role, rules a group.

Quotas that AWS raises on request are only reported: no template says whether one has been raised.

Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html,
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from nova_infra.deployed.stack import MAX_BYTES_WITHOUT_BUCKET
from nova_infra.names import REVISION_OUTPUT
from nova_infra.operations.changes.stated_values import certain_entries
from nova_infra.operations.changes.template_values import shown
from nova_infra.operations.planner.model import Consequence, Refusal, StackTemplate
from nova_infra.operations.planner.step import Step
from nova_infra.operations.planner.world import World

_RESOURCES, _OUTPUTS, _PARAMETERS, _BYTES = 500, 200, 200, 1_000_000
_ELB = "AWS::ElasticLoadBalancingV2"

# Type to what an account has of it by default in a region, and what it is called. The quota can be raised.
_BY_REGION = {
    "AWS::EC2::VPC": (5, "VPCs"),
    "AWS::EC2::EIP": (5, "Elastic IP addresses"),
    f"{_ELB}::LoadBalancer": (50, "load balancers"),
}
NESTED = "NestedStacksHold"
"""Metadata of a template that holds the resources of its nested stacks as well: their names."""


def _rules(rules: Any) -> int:
    """Rules as AWS counts them: those for IPv4 and IPv6 apart, a group or a prefix list as one of each."""
    given = [each for each in certain_entries(rules) if isinstance(each, Mapping)]
    return len(given) - min(sum("CidrIp" in each for each in given), sum("CidrIpv6" in each for each in given))


def known_characters(document: Any) -> int:
    """The fewest characters of a text or document as JSON: what only CloudFormation knows counts as none."""
    known = _known(document)
    return len(known if isinstance(known, str) else json.dumps(known, separators=(",", ":"), ensure_ascii=False))


def _known(value: Any) -> Any:
    match value:
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(part for part in map(_known, parts) if isinstance(part, str))
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]}:
            return re.sub(r"\$\{[^!}][^}]*\}", "", text)
        case Mapping() if len(value) == 1 and (key := next(iter(value))) and (key == "Ref" or key.startswith("Fn::")):
            return ""
        case Mapping():
            return {key: _known(each) for key, each in value.items()}
        case list():
            return [_known(each) for each in value]
    return value


# Type and property to its quota by default, what it counts, and how. Each can be raised.
_BY_RESOURCE: Mapping[str, Mapping[str, tuple[int, str, Callable[[Any], int]]]] = {
    "AWS::IAM::Role": {"ManagedPolicyArns": (10, "managed policies", lambda arns: len(certain_entries(arns)))},
    "AWS::EC2::SecurityGroup": {
        "SecurityGroupIngress": (60, "rules of one IP version", _rules),
        "SecurityGroupEgress": (60, "rules of one IP version", _rules),
    },
    "AWS::Events::Rule": {"EventPattern": (2048, "characters", known_characters)},
}


def resource_quotas(step: Step) -> Iterator[Consequence]:
    """Say which resources have more of something than the default quota, and more than before."""
    before = step.before.resources if step.before is not None else {}
    for logical_id, resource in step.after.resources.items():
        properties = resource.get("Properties", {})
        had = before.get(logical_id, {}).get("Properties", {})
        for name, (quota, what, count) in _BY_RESOURCE.get(shown(resource["Type"]), {}).items():
            if name in properties and (has := count(properties[name])) > quota and has > count(had.get(name, [])):
                yield step.note(
                    f"{logical_id}.{name}",
                    f"has {has:,} {what}, but the default quota is {quota:,}: request a higher one first",
                )


def template_limits(step: Step) -> Iterator[Refusal]:
    """Refuse a template that is larger than CloudFormation takes."""
    template = step.after.template
    nested = template.get("Metadata", {}).get(NESTED, [])
    for section, limit in (("Resources", _RESOURCES), ("Outputs", _OUTPUTS), ("Parameters", _PARAMETERS)):
        if (count := len(template.get(section, {}).keys() - set(nested))) > limit:
            yield step.refuse(
                "", f"has {count} {section.lower()}, but CloudFormation allows {limit}", "split the stack"
            )
    size = step.after.size
    if size > _BYTES and not nested:
        yield step.refuse("", f"its template has {size:,} bytes, but CloudFormation allows {_BYTES:,}", "divide it")


def beyond_rollback(step: Step) -> Iterator[Consequence]:
    """Warn about a service's template that becomes too long for ``nova rollback``, which sends it without a bucket."""
    after = step.after.size
    if after <= MAX_BYTES_WITHOUT_BUCKET or (step.before is not None and step.before.size > MAX_BYTES_WITHOUT_BUCKET):
        return
    if REVISION_OUTPUT in step.after.template.get("Outputs", {}):
        what = f"its template has {after:,} bytes, and nova rollback changes none of over {MAX_BYTES_WITHOUT_BUCKET:,}"
        yield step.note(
            "", f"{what}: shorten infrastructure.py, or go back by delivering an earlier commit", hurts=True
        )


def account_quotas(before: Iterable[StackTemplate], world: World) -> Iterator[Consequence]:
    """Warn where a release needs more than a new account's quota."""
    had = _counts(before)
    for (account, region, kind), count in sorted(_counts(world.stacks.values()).items()):
        quota, name = _BY_REGION[kind]
        if count > quota and count > had[account, region, kind]:
            yield Consequence(
                f"{account} {region}",
                "",
                f"would hold {count} {name}, but the default quota is {quota}: request a higher one first",
            )


def _counts(stacks: Iterable[StackTemplate]) -> Counter[tuple[str, str, str]]:
    return Counter(
        (stack.key.account, stack.key.region, str(resource["Type"]))
        for stack in stacks
        for resource in stack.resources.values()
        if shown(resource["Type"]) in _BY_REGION
    )
