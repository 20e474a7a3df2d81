"""``NOVA-R21``: no untested revision passes a deployment hook, and every hook ends in time."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.checks.rule import (
    Finding,
    Rule,
    Template,
    as_list,
    as_text,
    at,
    deployment,
    is_function,
    number,
    numbered,
    referenced,
    resource,
)

_SERVICE = "AWS::ECS::Service"
_HOOKS = "Properties.DeploymentConfiguration.LifecycleHooks"

_ECS = {"Service": "ecs.amazonaws.com"}

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
        hooks = numbered(configuration.get("LifecycleHooks"))
        for place, hook in hooks:
            for key, fault in _faults(template, logical_id, hook):
                yield Finding(logical_id, f"{_HOOKS}.{place}{key}", fault)
        minutes = _bakes(configuration) + sum(_waits(configuration, hook) for _, hook in hooks)
        if hooks and minutes > _MOST_MINUTES:
            fault = f"bakes and hooks may take {minutes:g} minutes, and CloudFormation gives up after 36 hours"
            yield Finding(logical_id, _HOOKS, fault)


def _faults(template: Template, service: str, hook: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    timeout = hook.get("TimeoutConfiguration")
    if at(timeout, "TimeoutInMinutes") is None:
        yield ".TimeoutConfiguration.TimeoutInMinutes", "it would wait for a day"
    action = at(timeout, "Action")
    if action not in (None, "ROLLBACK") and not is_function(action):
        yield ".TimeoutConfiguration.Action", "without an answer the revision would go on as if it were good"
    if hook.get("TargetType") == "PAUSE":
        for stage in _NO_PAUSE:
            if stage in as_list(hook.get("LifecycleStages")):
                yield ".LifecycleStages", f"ECS allows no pause at {stage}"
        return
    role = referenced(hook.get("RoleArn"))
    if hook.get("RoleArn") is None:
        yield ".RoleArn", "without a role ECS cannot call the function"
    elif role is not None and (made := resource(template, role)) is not None:
        trusted = as_list(at(made, "Properties", "AssumeRolePolicyDocument", "Statement"))
        principals = [at(statement, "Principal") for statement in trusted]
        known = [principal for principal in principals if not _is_unknown(principal)]
        if any(principal != _ECS for principal in known) or (known == principals and principals != [_ECS]):
            yield ".RoleArn", f"{role} is not a role of its own: others than ECS may assume it"
        if not set(_policies(template, role)) <= set(as_list(template.resources[service].get("DependsOn"))):
            yield ".RoleArn", f"the service may be deployed before {role} may call the function"


def _is_unknown(principal: object) -> bool:
    """Whether only CloudFormation knows who a principal is."""
    return is_function(principal) or is_function(at(principal, "Service"))


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
            share = number(at(configuration, "LinearConfiguration", "StepPercent"), 10) or 0
            return math.ceil(100 / share) if share > 0 else 1
    return 1


def _bakes(configuration: Mapping[str, Any]) -> float:
    """How long a deployment bakes, at least: what only CloudFormation knows counts as nothing."""
    canary = number(at(configuration, "CanaryConfiguration", "CanaryBakeTimeInMinutes"), 0)
    each = canary or number(at(configuration, "LinearConfiguration", "StepBakeTimeInMinutes"), 0) or 0
    return (number(configuration.get("BakeTimeInMinutes"), 0) or 0) + (_steps(configuration) - 1) * each


def _waits(configuration: Mapping[str, Any], hook: Mapping[str, Any]) -> float:
    minutes = number(at(hook, "TimeoutConfiguration", "TimeoutInMinutes"), 1440) or 0
    stages = [stage for stage in as_list(hook.get("LifecycleStages")) if not is_function(stage)]
    if _is_group(hook):
        return minutes * len(stages)
    return minutes * sum(_steps(configuration) if stage in _EVERY_STEP else 1 for stage in stages)


def _is_group(hook: Mapping[str, Any]) -> bool:
    """Whether a hook's function is the one that makes a release's services wait for one another.

    It waits only before the first step: once the new revision has users, it lets every further step pass.
    """
    return as_text(hook.get("HookTargetArn", "")).endswith(_GROUP)


HOOK_RULES = (
    Rule(
        "NOVA-R21",
        "Every lifecycle hook rolls back when it times out, has a role of its own that exists before the service, "
        "and ends before CloudFormation gives up",
        "set TimeoutConfiguration with TimeoutInMinutes and ROLLBACK; pass role= to the hook's target, and make the "
        "service depend on it; shorten gates or bakes",
        "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-lifecycle-hooks.html; a role that CDK "
        "makes by itself is made beside the first deployment",
        _hooks_end,
    ),
)
