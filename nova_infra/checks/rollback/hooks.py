"""``NOVA-R21``: no untested revision passes a deployment hook, and every hook ends in time."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.permissions.attached import branches
from nova_infra.checks.rule import Finding, Rule, Template, as_list, as_text, deployment, referenced, resource

_SERVICE = "AWS::ECS::Service"
_HOOKS = "Properties.DeploymentConfiguration.LifecycleHooks"

_GROUP = "-together"
"""Suffix of the name of Nova's function that makes a release's services wait for one another."""

_NO_PAUSE = ("TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT")
"""Where ECS allows no pause, because it is shifting traffic there."""

_EVERY_STEP = ("PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT")
"""Stages that canary and linear deployments come to once for each step.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentLifecycleHook.html
"""

_MOST_MINUTES = 35 * 60
"""The longest that bakes and hooks may take: CloudFormation's 36 hours, less one to start and stop tasks."""


def _hooks_end(template: Template) -> Iterator[Finding]:
    for logical_id, service in template.of_type(_SERVICE):
        configuration = deployment(service)
        hooks: list[Mapping[str, Any]] = configuration["LifecycleHooks"]
        for number, hook in enumerate(hooks):
            for key, fault in _faults(template, logical_id, hook):
                yield Finding(logical_id, f"{_HOOKS}.{number}{key}", fault)
        minutes = _bakes(configuration) + sum(_waits(configuration, hook) for hook in hooks)
        if hooks and minutes > _MOST_MINUTES:
            fault = f"bakes and hooks may take {minutes:g} minutes, and CloudFormation gives up after 36 hours"
            yield Finding(logical_id, _HOOKS, fault)


def _faults(template: Template, service: str, hook: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    timeout = hook["TimeoutConfiguration"]
    if "TimeoutInMinutes" not in timeout:
        yield ".TimeoutConfiguration.TimeoutInMinutes", "it would wait for a day"
    if timeout.get("Action", "ROLLBACK") != "ROLLBACK":
        yield ".TimeoutConfiguration.Action", "without an answer the revision would go on as if it were good"
    if hook.get("TargetType") == "PAUSE":
        for stage in _NO_PAUSE:
            if stage in hook["LifecycleStages"]:
                yield ".LifecycleStages", f"ECS allows no pause at {stage}"
        return
    role = referenced(hook.get("RoleArn"))
    if "RoleArn" not in hook:
        yield ".RoleArn", "without a role ECS cannot call the function"
    elif role is not None and (made := resource(template, role)) is not None:
        documents = branches(made["Properties"].get("AssumeRolePolicyDocument"))
        principals = [each.get("Principal") for document in documents for each in branches(document.get("Statement"))]
        if principals != [{"Service": "ecs.amazonaws.com"}]:
            yield ".RoleArn", f"{role} is not a role of its own: others than ECS may assume it"
        needed = as_list(template.resources[service].get("DependsOn"))
        if any(policy not in needed for policy in _policies(template, role)):
            yield ".RoleArn", f"the service may be deployed before {role} may call the function"


def _policies(template: Template, role: str) -> list[str]:
    """Logical ids of the policies that say what a role may do."""
    return [
        logical_id
        for logical_id, policy in template.of_type("AWS::IAM::Policy")
        if role in [referenced(each) for each in as_list(policy.get("Roles"))]
    ]


def _steps(configuration: Mapping[str, Any]) -> int:
    """How often traffic shifts."""
    match configuration.get("Strategy", "ROLLING"):
        case "CANARY":
            return 2
        case "LINEAR":
            return math.ceil(100 / (configuration.get("LinearConfiguration", {}).get("StepPercent") or 10))
    return 1


def _bakes(configuration: Mapping[str, Any]) -> float:
    canary, linear = configuration.get("CanaryConfiguration", {}), configuration.get("LinearConfiguration", {})
    each = canary.get("CanaryBakeTimeInMinutes", 0) or linear.get("StepBakeTimeInMinutes", 0)
    return float(configuration.get("BakeTimeInMinutes", 0)) + (_steps(configuration) - 1) * float(each)


def _waits(configuration: Mapping[str, Any], hook: Mapping[str, Any]) -> float:
    minutes = float(hook["TimeoutConfiguration"].get("TimeoutInMinutes", 1440))
    stages = hook["LifecycleStages"]
    if _is_group(hook):
        return minutes * len(stages)
    return minutes * sum(_steps(configuration) if stage in _EVERY_STEP else 1 for stage in stages)


def _is_group(hook: Mapping[str, Any]) -> bool:
    """Whether a hook's function makes a release's services wait for one another; later steps it lets pass."""
    return as_text(hook.get("HookTargetArn", "")).endswith(_GROUP)


HOOK_RULES = (
    Rule(
        "NOVA-R21",
        "Every lifecycle hook rolls back when it times out, has a role of its own that exists before the service, "
        "and ends before CloudFormation gives up",
        "set TimeoutConfiguration with TimeoutInMinutes and ROLLBACK; pass role= to the hook's target, and make the "
        "service depend on it; shorten gates or bakes",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-lifecycle-hooks.html; a role that CDK "
        "makes by itself is created during the first deployment",
        _hooks_end,
    ),
)
