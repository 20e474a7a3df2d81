"""Properties of load balancers, security groups and routes that exclude or need one another.

Each is a sentence of the API reference: API_CreateRule, API_CreateListener, API_CreateLoadBalancer and
API_CreateTargetGroup (Elastic Load Balancing), API_CreateVpcEndpoint, API_CreateRoute, API_CreateFlowLogs and
API_AuthorizeSecurityGroupIngress (EC2).
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from nova_infra.checks.rule import as_list
from nova_infra.operations.changes.certain import is_known, is_on, may_be_left_out, table, tables, values_at
from nova_infra.operations.planner.model import Refusal
from nova_infra.operations.planner.step import Fault, Judges, Step

_NOTHING: Mapping[str, str] = {"Ref": "AWS::NoValue"}
_FINAL = ("forward", "redirect", "fixed-response")
_OWN_COOKIES = ("AWSALB", "AWSALBAPP", "AWSALBTG")
_DESCRIPTION = re.compile(r"[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{0,255}")
_SOURCES = ("CidrIp", "CidrIpv6", "SourceSecurityGroupId", "SourcePrefixListId")


def refused_properties(step: Step) -> Iterator[Refusal]:
    """Refuse properties that EC2 or Elastic Load Balancing does not take together."""
    yield from step.judged_by(_JUDGES)


def _listener_rule(properties: Mapping[str, Any]) -> Iterator[Fault]:
    kinds = [each.get("Type") for each in tables(properties.get("Actions"))]
    if kinds and is_known(kinds) and len(kinds) == len(as_list(properties.get("Actions"))):
        last = sum(kind in _FINAL for kind in kinds)
        if last != 1:
            yield "Actions", f"has {last} actions that answer or forward", "give it one, as the last"


def _listener(properties: Mapping[str, Any]) -> Iterator[Fault]:
    for key in ("SslPolicy", "Certificates"):
        if properties.get("Protocol") == "HTTP" and _is_set(properties, key):
            yield key, "is set, and the listener speaks HTTP", "leave it out, or make the protocol HTTPS"


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


def _task_network(properties: Mapping[str, Any]) -> Iterator[Fault]:
    where = "NetworkConfiguration.AwsvpcConfiguration"
    for config in values_at(properties, where):
        if table(config).get("Subnets") == []:
            yield f"{where}.Subnets", "is empty", "name the subnets that its tasks run in"


def _is_set(properties: Mapping[str, Any], key: str) -> bool:
    return not may_be_left_out(properties.get(key, _NOTHING)) and properties[key] != []


def _is_network(text: str) -> bool:
    try:
        return bool(ip_network(text, strict=False))
    except ValueError:
        return False


_JUDGES: Judges = {
    "AWS::ElasticLoadBalancingV2::ListenerRule": _listener_rule,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _load_balancer,
    "AWS::ElasticLoadBalancingV2::TargetGroup": _target_group,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::EC2::Route": _route,
    "AWS::EC2::FlowLog": _flow_log,
    "AWS::ECS::Service": _task_network,
}
