"""``NOVA-R01``, ``R02``, ``R09`` to ``R13``: circuit breaker, capacity, pinned image, old task definitions."""

from collections.abc import Iterator

from nova_infra.checks.rule import Finding, Rule, Template, as_text, deployment, referenced

_SERVICE = "AWS::ECS::Service"
_TASK_DEFINITION = "AWS::ECS::TaskDefinition"
_TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
_LISTENER_RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"
_DEPLOYMENT = "Properties.DeploymentConfiguration"

_LONGEST_DRAIN = 3600


def _circuit_breaker(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        breaker = deployment(service)["DeploymentCircuitBreaker"]
        if breaker.get("Enable") is not True or breaker.get("Rollback") is not True:
            yield Finding(logical_id, f"{_DEPLOYMENT}.DeploymentCircuitBreaker")


def _keeps_capacity(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        if deployment(service).get("MinimumHealthyPercent", 0) < 100:
            yield Finding(logical_id, f"{_DEPLOYMENT}.MinimumHealthyPercent")
        if deployment(service).get("MaximumPercent", 0) < 200:
            yield Finding(logical_id, f"{_DEPLOYMENT}.MaximumPercent")


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
        for index, container in enumerate(definition["ContainerDefinitions"]):
            image = as_text(container["Image"]).rpartition("/")[2]
            tag = image.partition(":")[2]
            if not tag or tag == "latest" or "${" in tag:
                yield Finding(logical_id, f"Properties.ContainerDefinitions.{index}.Image")


def _traffic_can_shift(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        if deployment(service).get("Strategy", "ROLLING") == "ROLLING":
            continue
        for balancer in service["LoadBalancers"]:
            advanced = balancer["AdvancedConfiguration"]
            rule_id = referenced(advanced.get("ProductionListenerRule"))
            rule = dict(template.of_type(_LISTENER_RULE)).get(rule_id or "")
            if rule_id is None or rule is None or "AlternateTargetGroupArn" not in advanced:
                yield Finding(logical_id, "Properties.LoadBalancers.AdvancedConfiguration")
                continue
            groups = [
                (referenced(group["TargetGroupArn"]), group.get("Weight"))
                for action in rule["Actions"]
                for group in action["ForwardConfig"]["TargetGroups"]
            ]
            expected = [
                (referenced(balancer["TargetGroupArn"]), 100),
                (referenced(advanced["AlternateTargetGroupArn"]), 0),
            ]
            if groups != expected:
                yield Finding(rule_id, "Properties.Actions", "it must forward 100 to one colour and 0 to the other")


def _requests_finish(template: Template) -> Iterator[Finding]:
    drains = [
        int(attribute["Value"]) if str(attribute["Value"]).isdecimal() else _LONGEST_DRAIN
        for _, group in template.of_type(_TARGET_GROUP)
        for attribute in group["TargetGroupAttributes"]
        if attribute["Key"] == "deregistration_delay.timeout_seconds"
    ]
    if len(drains) < len(list(template.of_type(_TARGET_GROUP))):
        drains.append(300)  # what a target group waits that says nothing
    for logical_id, definition in template.of_type(_TASK_DEFINITION):
        for index, container in enumerate(definition["ContainerDefinitions"]):
            if drains and container.get("StopTimeout", 30) <= max(drains):
                yield Finding(logical_id, f"Properties.ContainerDefinitions.{index}.StopTimeout")


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
