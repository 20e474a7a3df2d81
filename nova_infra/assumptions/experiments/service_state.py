"""Reads an ECS service for an experiment: its deployments, listener rules and tasks."""

from collections.abc import Mapping
from typing import Any

from nova_infra.assumptions.sandbox.stacks import Sandbox, SandboxStack

Deployment = Mapping[str, Any]
OVER = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")


def deployments(sandbox: Sandbox, service: str) -> list[Deployment]:
    """The service's deployments, the newest first."""
    listed = sandbox.call(
        "ecs", "list_service_deployments", cluster=sandbox.ground["Cluster"], service=service, maxResults=20
    )["serviceDeployments"]
    arns = [each["serviceDeploymentArn"] for each in listed]
    if not arns:
        return []
    found = sandbox.call("ecs", "describe_service_deployments", serviceDeploymentArns=arns)["serviceDeployments"]
    return sorted(found, key=lambda each: str(each["createdAt"]), reverse=True)


def stack_service(sandbox: Sandbox) -> str | None:
    """ARN of the service in the experiment's stack, also while that is being made; None before the service is."""
    found = sandbox.call("cloudformation", "describe_stack_resources", StackName=sandbox.stack_name)["StackResources"]
    arns = [each.get("PhysicalResourceId") for each in found if each["ResourceType"] == "AWS::ECS::Service"]
    return str(arns[0]) if arns and arns[0] else None


def next_deployment(sandbox: Sandbox, service: str, *, before: int) -> Deployment:
    """The deployment that follows so many others, as soon as ECS lists it."""

    def look() -> Deployment | None:
        found = deployments(sandbox, service)
        return found[0] if len(found) > before else None

    return sandbox.wait("a new deployment of the service", look, minutes=6)


def again(sandbox: Sandbox, deployment: Deployment) -> Deployment:
    """A deployment as it is now."""
    arns = [deployment["serviceDeploymentArn"]]
    [found] = sandbox.call("ecs", "describe_service_deployments", serviceDeploymentArns=arns)["serviceDeployments"]
    return dict(found)


def in_stage(sandbox: Sandbox, deployment: Deployment, *stages: str, minutes: float) -> Deployment:
    """A deployment once it is in one of the stages, or over; without stages, once it is over."""

    def look() -> Deployment | None:
        found = again(sandbox, deployment)
        return found if found.get("lifecycleStage") in stages or found["status"] in OVER else None

    what = f"the stage {' or '.join(stages)}" if stages else "the end of the deployment"
    return sandbox.wait(what, look, minutes=minutes)


def waiting(sandbox: Sandbox, deployment: Deployment, *, minutes: float) -> Mapping[str, Any] | None:
    """The hook at which a deployment waits for an answer; None where it ends without one."""

    def look() -> tuple[Mapping[str, Any] | None] | None:
        found = again(sandbox, deployment)
        hooks = [hook for hook in found.get("lifecycleHookDetails", ()) if hook["status"] == "AWAITING_ACTION"]
        if hooks:
            return (hooks[0],)
        return (None,) if found["status"] in OVER else None

    return sandbox.wait("a hook", look, minutes=minutes)[0]


def breaker(deployment: Deployment) -> str:
    """The state of its circuit breaker, in words."""
    found = deployment.get("deploymentCircuitBreaker", {})
    counted = f"{found.get('failureCount', '?')} of {found.get('threshold', '?')} failures"
    return f"circuit breaker {found.get('status', 'not described')}, {counted}; deployment {deployment['status']}"


def weights(sandbox: Sandbox, stack: SandboxStack, rule: str = "Rule") -> str:
    """The weights of a rule, such as ``blue 100, green 0``."""
    [found] = sandbox.call("elbv2", "describe_rules", RuleArns=[stack.outputs[rule]])["Rules"]
    [action] = found["Actions"]
    by_group = {each["TargetGroupArn"]: each["Weight"] for each in action["ForwardConfig"]["TargetGroups"]}
    return ", ".join(f"{name.lower()} {by_group.get(stack.outputs[name], 0)}" for name in ("Blue", "Green"))
