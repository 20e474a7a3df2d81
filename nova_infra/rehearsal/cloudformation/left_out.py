"""Leaves out of a template what AWS takes and the rehearsal does not play; its name stays, its type says why."""

from collections.abc import Mapping
from typing import Any

from nova_infra.assembly import Template, readable
from nova_infra.operations.changes.stated_values import tables
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError

KIND = "NotPlayed::"
"""Begins the type of a resource that is left out; what is not covered follows."""

_ELB = "AWS::ElasticLoadBalancingV2"
_NETWORK = "load balancers of gateways and of networks (but for TCP), and requests through them"
INSTANCES = "services on instances"
_GENERATED = "what macros write into a template"
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-macros.html
_BY_MACROS = ("Transform", "Hooks")
_TRANSPORT = ("UDP", "TCP_UDP", "QUIC", "TCP_QUIC", "GENEVE")


def playable(template: Template) -> Template:
    """A template in which what cannot be played has a type that says so; the same one where there is nothing."""
    kept, faults = readable(template)
    if faults:
        return template  # refused by name where it is read
    resources: dict[str, Any] = kept.get("Resources", {})
    left = {logical_id: why for logical_id, each in resources.items() if (why := _why(each))}
    for logical_id, each in resources.items():
        if each["Type"] == f"{_ELB}::Listener" and any(name in left for name in _groups_of(each.get("Properties", {}))):
            left.setdefault(logical_id, _NETWORK)
    # A service runs where its task definition can, whatever its cluster offers.
    for logical_id, each in resources.items():
        definition = each.get("Properties", {}).get("TaskDefinition")
        if each["Type"] == "AWS::ECS::Service" and (reason := left.get(_referred_to(definition))):
            left.setdefault(logical_id, reason)
    macros = [key for key in _BY_MACROS if kept.pop(key, None)]
    if not left and not macros:
        return template
    kept["Resources"] = {
        logical_id: {**each, "Type": f"{KIND}{left[logical_id]}"} if logical_id in left else _without(each, left)
        for logical_id, each in resources.items()
    }
    if macros:
        kept["Resources"]["(macros)"] = {"Type": f"{KIND}{_GENERATED}"}
    return kept


def check_readable(template: Template, stack: str) -> None:
    """Refuse a template that CloudFormation could not read."""
    for where, fault in readable(template)[1]:
        raise UnresolvableError(f"{stack}.{where}: {fault}, so CloudFormation would refuse it: correct it")


def _why(resource: Mapping[str, Any]) -> str:
    """What a resource is that is not played; empty for one that is played, or that nothing here knows."""
    given = resource.get("Properties", {})
    match resource["Type"]:
        case "AWS::CloudFormation::Stack":
            return "what nested stacks hold"
        case "AWS::ElasticLoadBalancingV2::LoadBalancer" if given.get("Type") == "gateway":
            return _NETWORK
        case "AWS::ElasticLoadBalancingV2::TargetGroup":
            others = (*_TRANSPORT, "TLS")  # its targets would speak TLS
            left = given.get("Protocol") in others or given.get("TargetType") == "alb"
            return _NETWORK if left or (given.get("Protocol") == "TCP" and _speaks_more(given)) else ""
        case "AWS::ElasticLoadBalancingV2::Listener":
            return _NETWORK if given.get("Protocol") in _TRANSPORT else ""
        case "AWS::ECS::Service" if _controller(given) != "ECS":
            return f"services deployed by {_controller(given)}"
        case "AWS::ECS::Service" if given.get("LaunchType") in ("EC2", "EXTERNAL") or _on_instances(given):
            return INSTANCES
        case "AWS::ECS::TaskDefinition" if "FARGATE" not in str(given.get("RequiresCompatibilities", "FARGATE")):
            return INSTANCES
    return ""


def _speaks_more(group: Mapping[str, Any]) -> bool:
    """Whether targets of a group of TCP are asked over TLS, or get the proxy protocol before what users send."""
    attributes = {str(each.get("Key")): each.get("Value") for each in tables(group.get("TargetGroupAttributes"))}
    proxied = str(attributes.get("proxy_protocol_v2.enabled", "false")).lower() != "false"
    return proxied or group.get("HealthCheckProtocol", "TCP") not in ("TCP", "HTTP")


def _controller(service: Mapping[str, Any]) -> str:
    controller = service.get("DeploymentController")
    return str(controller.get("Type", "ECS")) if isinstance(controller, Mapping) else "ECS"


def _on_instances(service: Mapping[str, Any]) -> bool:
    providers = [each.get("CapacityProvider", "FARGATE") for each in tables(service.get("CapacityProviderStrategy"))]
    return any(each not in ("FARGATE", "FARGATE_SPOT") for each in providers)


def _referred_to(value: Any) -> str:
    return str(value.get("Ref", "")) if isinstance(value, Mapping) else ""


def _groups_of(listener: Mapping[str, Any]) -> list[str]:
    """Logical ids of the target groups that a listener's default actions name."""
    actions = tables(listener.get("DefaultActions"))
    forwards = [each.get("ForwardConfig") for each in actions]
    weighted = [group for each in tables(forwards) for group in tables(each.get("TargetGroups"))]
    return [_group_of(each) for each in (*actions, *weighted) if "TargetGroupArn" in each]


def _group_of(balancer: Any) -> str:
    return _referred_to(balancer.get("TargetGroupArn", balancer)) if isinstance(balancer, Mapping) else ""


def _without(resource: dict[str, Any], left: Mapping[str, str]) -> dict[str, Any]:
    """A service without the target groups that are left out; any other resource as it is."""
    balancers = resource.get("Properties", {}).get("LoadBalancers")
    if resource["Type"] != "AWS::ECS::Service" or not isinstance(balancers, list):
        return resource
    kept = [each for each in balancers if _group_of(each) not in left]
    return {**resource, "Properties": {**resource["Properties"], "LoadBalancers": kept}}
