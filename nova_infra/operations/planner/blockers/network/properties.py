"""Load balancers, listeners, rules, target groups, endpoints, routes, CIDRs, security groups: what is refused.

Each is a sentence of the API reference: API_CreateRule, API_CreateListener, API_CreateLoadBalancer, API_Matcher and
API_CreateTargetGroup (Elastic Load Balancing), API_CreateVpcEndpoint, API_CreateRoute, API_CreateFlowLogs and
API_AuthorizeSecurityGroupIngress (EC2), or of
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html and
https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html. Patterns of names are in ``resources/rows``.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, ip_network
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.documents.text import shortened
from nova_infra.operations.changes.stated_values import (
    certain_entries,
    is_known,
    is_on,
    may_be_left_out,
    tables,
    values_at,
    whole,
)
from nova_infra.operations.planner.step import Fault, Judges

_NOTHING: Mapping[str, str] = {"Ref": "AWS::NoValue"}
_FINAL = ("forward", "redirect", "fixed-response")
_OWN_COOKIES = ("AWSALB", "AWSALBAPP", "AWSALBTG")
_DESCRIPTION = re.compile(r"[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{0,255}")
_SOURCES = ("CidrIp", "CidrIpv6", "SourceSecurityGroupId", "SourcePrefixListId")
_MOST_PATH = 128
_MOST_VALUES = 5
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
# The API's reference says 6 s for HTTP and 10 s for HTTPS; the least of these refuses only what is sure. Reported of an
# interval of 5 s alone: https://github.com/terraform-linters/tflint-ruleset-aws/issues/404
_INTERVAL, _TIMEOUT = 30, 5
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#slow-start-mode
_NO_SLOW_START = ("least_outstanding_requests", "weighted_random")
_WIDEST, _NARROWEST = 16, 28


def _listener_rule(properties: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _actions(properties)
    yield from _conditions(properties)
    yield from _redirects(properties.get("Actions"))


def _actions(properties: Mapping[str, Any]) -> Iterator[Fault]:
    kinds = [each.get("Type") for each in tables(properties.get("Actions"))]
    if kinds and is_known(kinds) and len(kinds) == len(as_list(properties.get("Actions"))):
        last = sum(kind in _FINAL for kind in kinds)
        if last != 1:
            yield "Actions", f"has {last} actions that answer or forward", "give it one, as the last"


def _conditions(properties: Mapping[str, Any]) -> Iterator[Fault]:
    conditions = properties.get("Conditions")
    if conditions == []:
        yield "Conditions", "is empty, and a rule needs a condition", "say which requests it is for"
    fields = Counter(each for each in values_at(properties, "Conditions[].Field") if isinstance(each, str))
    for field in ("path-pattern", "host-header", "http-request-method", "source-ip"):
        if fields[field] > 1:
            yield "Conditions", f"has {fields[field]} conditions of {field}", "put their values into one"
    for values in values_at(properties, "Conditions[].*.Values"):
        if values == []:
            yield "Conditions", "has a condition without values", "say what it compares with, or leave it out"
    values = [
        value
        for condition in as_list(properties.get("Conditions"))
        if isinstance(condition, Mapping)
        for part in (condition, *(each for each in condition.values() if isinstance(each, Mapping)))
        for value in certain_entries(as_list(part.get("Values")))
    ]
    if len(values) > _MOST_VALUES:
        yield "Conditions", f"has {len(values)} values", f"a rule has {_MOST_VALUES} at most: split it"
    if long := [value for value in values if isinstance(value, str) and len(value) > _MOST_PATH]:
        yield "Conditions", f"has a value of {len(long[0])} characters", f"{_MOST_PATH} are allowed: shorten it"


def _redirects(actions: Any) -> Iterator[Fault]:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RedirectActionConfig.html."""
    same = {"Protocol": "#{protocol}", "Host": "#{host}", "Port": "#{port}", "Path": "/#{path}"}
    for config in (each.get("RedirectConfig") for each in tables(actions) if each.get("Type") == "redirect"):
        if isinstance(config, Mapping) and all(config.get(key, default) == default for key, default in same.items()):
            fault = "redirects to where the request came from"
            yield "Actions.RedirectConfig", fault, "change the protocol, the host, the port or the path"


def _listener(properties: Mapping[str, Any]) -> Iterator[Fault]:
    for key in ("SslPolicy", "Certificates"):
        if properties.get("Protocol") == "HTTP" and _is_set(properties, key):
            yield key, "is set, and the listener speaks HTTP", "leave it out, or make the protocol HTTPS"
    if properties.get("Protocol") in ("HTTPS", "TLS") and not properties.get("Certificates"):
        yield "Certificates", f"are missing, and {properties['Protocol']} needs one", "add a certificate"


def _target_group(properties: Mapping[str, Any]) -> Iterator[Fault]:
    for each in tables(properties.get("TargetGroupAttributes")):
        key, value = each.get("Key"), each.get("Value")
        if key == "stickiness.app_cookie.cookie_name" and value in _OWN_COOKIES:
            yield f"TargetGroupAttributes.{key}", f"is {value}, which the load balancer keeps for itself", "rename it"
    if [*values_at(properties, "Matcher.GrpcCode")] and properties.get("ProtocolVersion", "HTTP1") in (
        "HTTP1",
        "HTTP2",
    ):
        yield "Matcher.GrpcCode", "is set, and the group does not speak gRPC", "use HttpCode"
    for key in ("Port", "Protocol", "VpcId") if properties.get("TargetType") == "lambda" else ():
        if _is_set(properties, key):
            yield key, "is set, and a group of a function has none", "leave it out"
    yield from _health_check(properties)
    yield from _attributes(properties)


def _health_check(properties: Mapping[str, Any]) -> Iterator[Fault]:
    # Those of an Application Load Balancer have known defaults; of the others only what is given is sure.
    web = properties.get("Protocol") in ("HTTP", "HTTPS")
    interval, seconds = (
        whole(properties.get(f"HealthCheck{key}Seconds", default if web else None))
        for key, default in (("Interval", _INTERVAL), ("Timeout", _TIMEOUT))
    )
    if interval is not None and seconds is not None and (seconds >= interval if web else seconds > interval):
        fault = f"waits {seconds} s for a health check that is repeated every {interval} s"
        remedy = "make it less than the interval" if web else "make it no more than the interval"
        yield "HealthCheckTimeoutSeconds", fault, remedy


def _attributes(properties: Mapping[str, Any]) -> Iterator[Fault]:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Matcher.html."""
    most = 4 if properties.get("Protocol") in ("HTTP", "HTTPS") else 5
    attributes = {str(each.get("Key")): each.get("Value") for each in tables(properties.get("TargetGroupAttributes"))}
    slow, algorithm = (attributes.get(key) for key in ("slow_start.duration_seconds", "load_balancing.algorithm.type"))
    if isinstance(slow, str | int) and str(slow) != "0" and str(algorithm) in _NO_SLOW_START:
        yield "TargetGroupAttributes", f"has a slow start, which {algorithm} does not allow", "leave out one of them"
    for codes in values_at(properties, "Matcher.HttpCode"):
        if isinstance(codes, str) and not re.fullmatch(rf"[2-{most}]\d\d([,-][2-{most}]\d\d)*", codes):
            remedy = f"name statuses from 200 to {most}99, such as 200,204 or 200-299"
            yield "Matcher.HttpCode", f"is {shortened(codes)}", remedy


def _endpoint(properties: Mapping[str, Any]) -> Iterator[Fault]:
    if properties.get("VpcEndpointType", "Gateway") == "Gateway":
        for key in ("SubnetIds", "SecurityGroupIds"):
            if _is_set(properties, key):
                yield key, "is set, and a gateway endpoint has none", "name its RouteTableIds instead"


def _security_group(properties: Mapping[str, Any]) -> Iterator[Fault]:
    for key in ("SecurityGroupIngress", "SecurityGroupEgress"):
        seen = []
        for rule in tables(properties.get(key)):
            if not _DESCRIPTION.fullmatch(text := str(rule.get("Description", "-"))) and is_known(rule):
                yield f"{key}.Description", f"is {text}", "use up to 255 letters of ASCII, digits and signs"
            for name in ("CidrIp", "CidrIpv6"):
                if isinstance(rule.get(name), str) and not _is_network(rule[name]):
                    yield (
                        f"{key}.{name}",
                        f"is {rule[name]}, which is no address range",
                        "write one such as 10.0.0.0/16",
                    )
            if key.endswith("Ingress") and len(sources := [each for each in _SOURCES if each in rule]) > 1:
                yield f"{key}.{sources[0]}", f"is set together with {sources[1]}", "make two rules of it"
            meant = {name: str(each) for name, each in rule.items() if name != "Description"}
            if meant in seen:
                yield key, "has the same rule twice", "keep one of them"
            seen.append(meant)


def _load_balancer(properties: Mapping[str, Any]) -> Iterator[Fault]:
    attributes = {str(each.get("Key")): each.get("Value") for each in tables(properties.get("LoadBalancerAttributes"))}
    for log in ("access_logs", "connection_logs"):
        if is_on(attributes.get(f"{log}.s3.enabled")) and f"{log}.s3.bucket" not in attributes:
            yield "LoadBalancerAttributes", f"switch {log} on without {log}.s3.bucket", "name the bucket"


def _route(properties: Mapping[str, Any]) -> Iterator[Fault]:
    ways = [key for key in properties if key not in ("RouteTableId",) and not key.startswith("Destination")]
    if not ways:
        yield "GatewayId", "is missing, as is every other target", "name a gateway, an endpoint or an interface"


def _flow_log(properties: Mapping[str, Any]) -> Iterator[Fault]:
    seconds = properties.get("MaxAggregationInterval")
    if isinstance(seconds, int | str) and str(seconds) not in ("60", "600"):
        yield "MaxAggregationInterval", f"is {seconds}", "make it 60 or 600"


def _range(properties: Mapping[str, Any]) -> Iterator[Fault]:
    try:
        size = IPv4Network(str(properties.get("CidrBlock"))).prefixlen
    except ValueError:
        return  # a reference, or what CloudFormation itself finds wrong
    if not _WIDEST <= size <= _NARROWEST:
        yield "CidrBlock", f"is a /{size}", f"choose /{_WIDEST} to /{_NARROWEST}"


def _is_set(properties: Mapping[str, Any], key: str) -> bool:
    return not may_be_left_out(properties.get(key, _NOTHING)) and properties[key] != []


def _is_network(text: str) -> bool:
    try:
        return bool(ip_network(text, strict=False))
    except ValueError:
        return False


JUDGES: Judges = {
    "AWS::ElasticLoadBalancingV2::ListenerRule": _listener_rule,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _load_balancer,
    "AWS::ElasticLoadBalancingV2::TargetGroup": _target_group,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::EC2::Route": _route,
    "AWS::EC2::VPC": _range,
    "AWS::EC2::Subnet": _range,
    "AWS::EC2::FlowLog": _flow_log,
}
