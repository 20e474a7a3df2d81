"""Decides whether a request from outside an environment's VPC reaches a service, from the deployed templates."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from nova_infra.deployed.stack import Template
from nova_infra.names import SCHEME_OUTPUT

_RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"


def is_internal(platform: Template) -> bool:
    """Whether an environment's existing load balancer answers only in its VPC, by the platform's template."""
    return bool(platform.get("Outputs", {}).get(SCHEME_OUTPUT, {}).get("Value") == "internal")


def leads_to(template: Template, platform: Template, path: str) -> bool:
    """Whether a rule in a service's template matches a path at the environment's own address.

    Services with other ``hosts`` are not found there, nor are internal ones, which the private load balancer serves.
    """
    url = platform.get("Outputs", {}).get("Url", {}).get("Value")
    # Of a load balancer of the environment's own, only AWS knows the name: no rule is about it.
    host = (urlsplit(url).hostname or "") if isinstance(url, str) else ""
    return any(
        _matches(rule, "host-header", "HostHeaderConfig", host)
        and _matches(rule, "path-pattern", "PathPatternConfig", path)
        for rule in _rules(template)
        if not _is_private(rule.get("ListenerArn"), platform)
    )


def _matches(rule: Mapping[str, Any], field: str, key: str, value: str) -> bool:
    """Whether a rule's conditions on a field hold; without conditions they do."""
    return all(
        any(fnmatchcase(value, str(each)) for each in condition.get(key, condition).get("Values", ()))
        for condition in rule["Conditions"]
        if condition.get("Field") == field
    )


def _is_private(listener: object, platform: Template) -> bool:
    """Whether the listener that a service's template imports belongs to an internal load balancer of the platform."""
    name = listener.get("Fn::ImportValue") if isinstance(listener, Mapping) else None
    exported = [
        each["Value"].get("Ref")
        for each in platform.get("Outputs", {}).values()
        if name is not None and each.get("Export", {}).get("Name") == name and isinstance(each["Value"], Mapping)
    ]
    resources = platform.get("Resources", {})
    balancers = [resources[one]["Properties"].get("LoadBalancerArn") for one in exported if one in resources]
    return any(
        resources.get(each.get("Ref"), {}).get("Properties", {}).get("Scheme") == "internal"
        for each in balancers
        if isinstance(each, Mapping)
    )


def _rules(template: Template) -> Iterator[Mapping[str, Any]]:
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == _RULE:
            yield resource["Properties"]
