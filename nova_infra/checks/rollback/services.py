"""``NOVA-R…``: a failing release of a service can be rolled back, and is."""

from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import (
    Finding,
    Rule,
    Template,
    as_list,
    as_text,
    at,
    is_function,
    is_off,
    number,
    numbered,
    referenced,
    resource,
    tables,
)

_SERVICE = "AWS::ECS::Service"
_TASK_DEFINITION = "AWS::ECS::TaskDefinition"
_TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_DEPLOYMENT = "Properties.DeploymentConfiguration"
_DRAIN = 300.0
"""Seconds that a target group waits that says nothing."""


def _circuit_breaker(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        breaker = at(service, "DeploymentConfiguration", "DeploymentCircuitBreaker")
        if is_off(at(breaker, "Enable")) or is_off(at(breaker, "Rollback")):
            yield Finding(logical_id, f"{_DEPLOYMENT}.DeploymentCircuitBreaker")


def _keeps_capacity(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        for key, least in (("MinimumHealthyPercent", 100), ("MaximumPercent", 200)):
            percent = number(at(service, "DeploymentConfiguration", key), 0)
            if percent is not None and percent < least:
                yield Finding(logical_id, f"{_DEPLOYMENT}.{key}")


def _task_definitions_stay(template: Template) -> Iterator[Finding]:
    for logical_id, _ in template.of_type(_TASK_DEFINITION):
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if template.resources[logical_id].get(policy) != "Retain":
                yield Finding(logical_id, policy)


def _no_desired_count(template: Template) -> Iterator[Finding]:
    scaled = [
        as_text(target.get("ResourceId"))
        for _, target in template.of_type("AWS::ApplicationAutoScaling::ScalableTarget")
    ]
    for logical_id, service in template.of_type(_SERVICE):
        # By its name, or by a reference to it.
        ends = (f"/{as_text(service.get('ServiceName'))}", f"${{{logical_id}}}")
        if "DesiredCount" in service and any(resource_id.endswith(ends) for resource_id in scaled):
            yield Finding(logical_id, "Properties.DesiredCount")


def _image_pinned(template: Template) -> Iterator[Finding]:
    for logical_id, definition in template.of_type(_TASK_DEFINITION):
        for index, container in numbered(definition.get("ContainerDefinitions")):
            image = as_text(container.get("Image")).rpartition("/")[2]
            tag = image.partition(":")[2]
            if not tag or tag == "latest" or "${" in tag:
                yield Finding(logical_id, f"Properties.ContainerDefinitions.{index}.Image")


def _traffic_can_shift(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        strategy = at(service, "DeploymentConfiguration", "Strategy")
        if strategy in (None, "ROLLING") or is_function(strategy):
            continue
        for balancer in tables(service.get("LoadBalancers")):
            shifted, alternate = (
                at(balancer, "AdvancedConfiguration", key)
                for key in ("ProductionListenerRule", "AlternateTargetGroupArn")
            )
            rule_id = referenced(shifted)
            rule = resource(template, rule_id)
            if alternate is None or not (rule or (rule_id is None and is_function(shifted))):
                yield Finding(logical_id, "Properties.LoadBalancers.AdvancedConfiguration")
            if alternate is None or rule_id is None or rule is None:
                continue
            actions, first = at(rule, "Properties", "Actions"), balancer.get("TargetGroupArn")
            expected = [(referenced(first), 100), (referenced(alternate), 0)]
            if _forwards(actions) != expected and _is_settled(template, [actions, first, alternate]):
                yield Finding(rule_id, "Properties.Actions", "it must forward 100 to one colour and 0 to the other")


def _forwards(actions: object) -> list[tuple[str | None, Any]]:
    """The target groups that a rule's actions forward to, each with its weight."""
    return [
        (referenced(group.get("TargetGroupArn")), group.get("Weight"))
        for action in tables(actions)
        for group in tables(at(action, "ForwardConfig", "TargetGroups"))
    ]


def _is_settled(template: Template, value: object) -> bool:
    """Whether a value holds no function but those that point to a resource of the template."""
    if is_function(value):
        return resource(template, referenced(value)) is not None
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return all(_is_settled(template, part) for part in parts)


def _requests_finish(template: Template) -> Iterator[Finding]:
    drains = [drain for _, group in template.of_type(_TARGET_GROUP) for drain in _drains(group)]
    for logical_id, definition in template.of_type(_TASK_DEFINITION):
        for index, container in numbered(definition.get("ContainerDefinitions")):
            timeout = number(container.get("StopTimeout"), 30)
            if drains and timeout is not None and timeout <= max(drains):
                yield Finding(logical_id, f"Properties.ContainerDefinitions.{index}.StopTimeout")


def _drains(group: Mapping[str, Any]) -> list[float]:
    """How long a target group sends requests to a task that stops, in seconds; empty if unknown."""
    attributes = as_list(group.get("TargetGroupAttributes"))
    stated = [
        number(each.get("Value"), _DRAIN)
        for each in tables(attributes)
        if each.get("Key") == "deregistration_delay.timeout_seconds"
    ]
    if not stated and not any(is_function(each) or is_function(at(each, "Key")) for each in attributes):
        return [_DRAIN]
    return [seconds for seconds in stated if seconds is not None]


SERVICE_RULES = (
    Rule(
        "NOVA-R01",
        "Every service has the circuit breaker on, with rollback",
        "pass circuit_breaker=DeploymentCircuitBreaker(enable=True, rollback=True)",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html",
        _circuit_breaker,
    ),
    Rule(
        "NOVA-R02",
        "No deployment takes a service below its capacity",
        "set min_healthy_percent=100 and max_healthy_percent=200",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service_definition_parameters.html",
        _keeps_capacity,
    ),
    Rule(
        "NOVA-R09",
        "Every task definition is kept when it is replaced",
        "apply_removal_policy(RemovalPolicy.RETAIN)",
        "aws/aws-cdk#24372: otherwise a rollback finds its revision inactive",
        _task_definitions_stay,
    ),
    Rule(
        "NOVA-R10",
        "No deployment resets autoscaling's task count",
        "leave desired_count out",
        "aws/aws-cdk#3919",
        _no_desired_count,
    ),
    Rule(
        "NOVA-R11",
        "Every image is pinned in the template",
        "name a tag or a digest; use neither latest nor a parameter",
        "With a moving tag, last week's image cannot be deployed again",
        _image_pinned,
    ),
    Rule(
        "NOVA-R12",
        "Every service that shifts traffic has two target groups on one listener rule, weighted 100 and 0",
        "pass an AlternateTarget with the production listener rule, and forward to both groups",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/alb-resources-for-blue-green.html",
        _traffic_can_shift,
    ),
    Rule(
        "NOVA-R13",
        "Every task lives longer than the load balancer may send it requests",
        "make the stop timeout longer than the target groups' deregistration delay",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/load-balancer-connection-draining.html",
        _requests_finish,
        "warning",
    ),
)
