"""Refuses security groups that keep tasks from their load balancer, image or log; repeated rules.

Only groups that the template holds whole are judged. Without SecurityGroupEgress a group lets everything out:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import as_list, referenced
from nova_infra.operations.changes.stated_values import table, whole
from nova_infra.operations.changes.template_values import references
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Step

GROUP = "AWS::EC2::SecurityGroup"
_HTTPS = 443
_FAILS = "this would fail"


def closed_ways(step: Step) -> Iterator[Refusal]:
    """Refuse a service whose tasks cannot be reached, or reach nothing they need."""
    for logical_id, properties in step.after.of_type("AWS::ECS::Service") if step.actions else ():
        network = table(table(properties.get("NetworkConfiguration")).get("AwsvpcConfiguration"))
        groups = [referenced(each) or "" for each in as_list(network.get("SecurityGroups"))]
        if not groups or any(step.after.resources.get(each, {}).get("Type") != GROUP for each in groups):
            continue
        name = groups[0]
        if all(_closes_exit(step, group) for group in groups):
            so = f"the tasks of {logical_id} cannot pull their image or open their log"
            fault = f"lets nothing out to port {_HTTPS}, so {so}"
            yield step.refuse(name, fault, f"let {_HTTPS} out", _FAILS)
        exported = {each for output in step.after.template.get("Outputs", {}).values() for each in references(output)}
        if exported & set(groups):
            continue  # another stack may let its load balancer in
        for port in _ports(properties):
            if not any(opens(rule, port) for group in groups for rule in rules_of(step, group, "Ingress")):
                fault = f"lets nobody in to port {port}, so the targets of {logical_id} never become healthy"
                yield step.refuse(name, fault, f"let the load balancer in to port {port}", _FAILS)


def repeated_rules(step: Step) -> Iterator[Refusal]:
    """Refuse a rule that a group gets twice, whatever its description: EC2's InvalidPermission.Duplicate."""
    for kind in ("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress") if step.actions else ():
        known: dict[str, str] = {}
        for logical_id, properties in step.after.of_type(kind):
            if "Condition" in step.after.resources[logical_id]:
                continue  # one of them may stand for the other
            rule = json.dumps({k: v for k, v in properties.items() if k != "Description"}, sort_keys=True, default=str)
            if (first := known.setdefault(rule, logical_id)) != logical_id:
                yield step.refuse(logical_id, f"is the same rule as {first}", "remove one of them")


def _closes_exit(step: Step, group: str) -> bool:
    properties = step.after.resources[group].get("Properties", {})
    if not properties.get("SecurityGroupEgress"):
        return False
    return not any(opens(rule, _HTTPS) for rule in rules_of(step, group, "Egress"))


def rules_of(step: Step, group: str, way: str) -> Iterator[Mapping[str, Any]]:
    """The rules of a group: those in its properties, and those that are resources of their own."""
    yield from as_list(step.after.resources[group].get("Properties", {}).get(f"SecurityGroup{way}"))
    for _, properties in step.after.of_type(f"AWS::EC2::SecurityGroup{way}"):
        if group in references(properties.get("GroupId")):
            yield properties


def opens(rule: Any, port: int) -> bool:
    """Whether a rule may let a port through; in doubt, yes."""
    if not isinstance(rule, Mapping) or not isinstance(protocol := rule.get("IpProtocol", "-1"), str | int):
        return True
    if str(protocol).lower() not in ("-1", "tcp", "6"):
        return False
    first, last = (whole(rule.get(key)) for key in ("FromPort", "ToPort"))
    return str(protocol) == "-1" or first is None or last is None or first <= port <= last


def _ports(service: Mapping[str, Any]) -> Iterator[int]:
    """The ports that load balancers send requests to."""
    for balancer in as_list(service.get("LoadBalancers")):
        if isinstance(balancer, Mapping) and (port := whole(balancer.get("ContainerPort"))) is not None:
            yield port
