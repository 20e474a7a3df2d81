"""Experiments with releases that go well, or are stopped: rules, bakes, hooks, configurations."""

from collections.abc import Iterator
from dataclasses import replace

from nova_infra.assumptions.experiments.service_state import (
    OVER,
    Deployment,
    deployments,
    in_stage,
    next_deployment,
    stack_service,
    waiting,
    weights,
)
from nova_infra.assumptions.sandbox.experiment import Experiment, Reading, held_if
from nova_infra.assumptions.sandbox.requests import ask
from nova_infra.assumptions.sandbox.services import SandboxService, service_template
from nova_infra.assumptions.sandbox.stacks import Sandbox, SandboxStack, UndecidedError
from nova_infra.documents.text import counted

_HEADER = "x-nova-prove"
_BAKE = 7


def _alternate(sandbox: Sandbox) -> Iterator[Reading]:
    """A rolling service without tasks that names a second target group."""
    stack = sandbox.try_to_deploy(
        service_template(sandbox.ground, SandboxService(strategy="ROLLING", priority=21, tasks=0))
    )
    if not stack.is_deployed and not stack.failure.startswith("Service:"):
        raise UndecidedError(f"something else failed: {stack.failure or stack.status}")
    yield held_if("rolling-alternate", stack.is_deployed, stack.failure or "the service was made")


def _rolling_bake(sandbox: Sandbox) -> Iterator[Reading]:
    """A rolling service with a bake that is longer than what its alarm would ask for."""
    service = SandboxService(strategy="ROLLING", priority=22, bake=_BAKE, alarm=True)
    stack = sandbox.deploy(service_template(sandbox.ground, service))
    sandbox.deploy(service_template(sandbox.ground, replace(service, variables={"RELEASE": "2"})))
    found = deployments(sandbox, stack.outputs["Service"])[0]
    if found["status"] != "SUCCESSFUL":
        raise UndecidedError(f"the deployment ended in {found['status']}: {found.get('statusReason', '')}")
    minutes = (found["finishedAt"] - found["startedAt"]).total_seconds() / 60
    said = f"with BakeTimeInMinutes {_BAKE} and an alarm of one minute, the deployment took {minutes:.1f} minutes"
    yield held_if("rolling-bake", minutes >= _BAKE, said)


def _cancel(sandbox: Sandbox) -> Iterator[Reading]:
    """An update that is cancelled while a canary bakes for longer than the experiment lasts."""
    service = SandboxService(strategy="CANARY", priority=23)
    stack = sandbox.deploy(service_template(sandbox.ground, service))
    before = len(deployments(sandbox, stack.outputs["Service"]))
    sandbox.start(service_template(sandbox.ground, replace(service, bake=60, variables={"RELEASE": "2"})))
    begun = next_deployment(sandbox, stack.outputs["Service"], before=before)
    if in_stage(sandbox, begun, "BAKE_TIME", minutes=12)["status"] in OVER:
        raise UndecidedError("the deployment was over before its bake")
    sandbox.call("cloudformation", "cancel_update_stack", StackName=sandbox.stack_name)
    ended = sandbox.settled(minutes=20)
    found = in_stage(sandbox, begun, minutes=2)
    said = f"the stack ended in {ended.status}, and the deployment in {found['status']}"
    yield held_if("cancel-in-bake", ended.status == "UPDATE_ROLLBACK_COMPLETE", said)


def _first_pause(sandbox: Sandbox) -> Iterator[Reading]:
    """A service with a gate: its creation, and an update that nobody lets through."""
    pause = {
        "TargetType": "PAUSE",
        "LifecycleStages": ["POST_SCALE_UP"],
        "TimeoutConfiguration": {"TimeoutInMinutes": 30, "Action": "ROLLBACK"},
    }
    service = SandboxService(strategy="CANARY", priority=24, hooks=[pause])
    sandbox.start(service_template(sandbox.ground, service))
    arn = sandbox.wait("the service", lambda: stack_service(sandbox), minutes=6)
    first = next_deployment(sandbox, arn, before=0)
    paused = _answer(sandbox, first, "CONTINUE")
    created = sandbox.settled()
    if not created.is_deployed:
        raise UndecidedError(f"the first deployment ended in {created.status}: {created.failure}")
    before = len(deployments(sandbox, arn))
    sandbox.start(service_template(sandbox.ground, replace(service, variables={"RELEASE": "2"})))
    second = next_deployment(sandbox, arn, before=before)
    if not _answer(sandbox, second, "ROLLBACK"):
        raise UndecidedError("the second deployment did not pause, so that nobody could stop it")
    ended = sandbox.wait("the end of the update", lambda: _ended_or_paused(sandbox, arn, second), minutes=20)
    yield held_if(
        "first-pause",
        paused and ended.startswith("UPDATE_ROLLBACK") and len(deployments(sandbox, arn)) == before + 1,
        f"the first deployment {'paused' if paused else 'did not pause'}; after an abort: {ended}, with "
        + counted(len(deployments(sandbox, arn)) - before, "deployment"),
    )


def _answer(sandbox: Sandbox, deployment: Deployment, action: str) -> bool:
    """Answer the hook of a deployment; whether it waited at one."""
    hook = waiting(sandbox, deployment, minutes=10)
    if hook is None:
        return False
    which = {"serviceDeploymentArn": deployment["serviceDeploymentArn"], "hookId": hook["hookId"]}
    sandbox.call("ecs", "continue_service_deployment", **which, action=action)
    return True


def _ended_or_paused(sandbox: Sandbox, service: str, aborted: Deployment) -> str | None:
    """How the update ended, or that the way back waits for an answer, too."""
    newest = deployments(sandbox, service)[0]
    hooks = [hook["status"] for hook in newest.get("lifecycleHookDetails", ())]
    if newest["serviceDeploymentArn"] != aborted["serviceDeploymentArn"] and "AWAITING_ACTION" in hooks:
        return "the way back waits for an answer"
    [stack] = sandbox.call("cloudformation", "describe_stacks", StackName=sandbox.stack_name)["Stacks"]
    status = str(stack["StackStatus"])
    return None if status.endswith("_IN_PROGRESS") else status


def _life(sandbox: Sandbox) -> Iterator[Reading]:
    """Two canaries with a test rule, then another configuration, then rolling: one service."""
    service = SandboxService(strategy="CANARY", priority=25, test_header=_HEADER)
    first = sandbox.deploy(service_template(sandbox.ground, service))
    seen = [_rules(sandbox, first, service)]
    second = replace(service, variables={"RELEASE": "2"})
    sandbox.deploy(service_template(sandbox.ground, second))
    seen.append(_rules(sandbox, first, service))
    yield held_if("test-rule", all(fine for fine, _ in seen), "; ".join(said for _, said in seen))
    third = replace(second, strategy="BLUE_GREEN", bake=0, variables={"RELEASE": "3"})
    sandbox.deploy(service_template(sandbox.ground, third))
    taken = deployments(sandbox, first.outputs["Service"])[0]["deploymentConfiguration"]
    said = f"asked for BLUE_GREEN and a bake of 0, taken {taken.get('strategy')} and {taken.get('bakeTimeInMinutes')}"
    yield held_if(
        "new-configuration", taken.get("strategy") == "BLUE_GREEN" and not taken.get("bakeTimeInMinutes"), said
    )
    served = weights(sandbox, first)
    if served == "blue 100, green 0":  # a fourth release, so that the second group serves when rolling begins
        sandbox.deploy(service_template(sandbox.ground, replace(third, variables={"RELEASE": "4"})))
        served = weights(sandbox, first)
    if served != "blue 0, green 100":
        raise UndecidedError(f"the second target group does not serve: {served}")
    rolling = replace(third, strategy="ROLLING", variables={"RELEASE": "5"})
    sandbox.deploy(service_template(sandbox.ground, rolling))
    healthy = {name: _healthy(sandbox, first.outputs[name]) for name in ("Blue", "Green")}
    said = f"the rule was at {served} and is at {weights(sandbox, first)}; healthy tasks: {healthy}"
    yield held_if("back-to-rolling", healthy["Blue"] > 0 and not healthy["Green"], said)


def _rules(sandbox: Sandbox, stack: SandboxStack, service: SandboxService) -> tuple[bool, str]:
    """Whether both rules are answered by a task, and where both point to."""
    address = sandbox.ground["Address"]
    statuses = [ask(address, service.path).status, ask(address, service.path, headers={_HEADER: "test"}).status]
    places = f"production {weights(sandbox, stack)}, test {weights(sandbox, stack, 'TestRule')}"
    return statuses == [200, 200], f"{places}, answers {statuses[0]} and {statuses[1]}"


def _healthy(sandbox: Sandbox, group: str) -> int:
    found = sandbox.call("elbv2", "describe_target_health", TargetGroupArn=group)["TargetHealthDescriptions"]
    return sum(each["TargetHealth"]["State"] == "healthy" for each in found)


EXPERIMENTS = (
    Experiment("rolling-alternate", ("rolling-alternate",), 4, _alternate),
    Experiment("rolling-bake", ("rolling-bake",), 20, _rolling_bake, tasks=2),
    Experiment("cancel-in-bake", ("cancel-in-bake",), 25, _cancel, tasks=2),
    Experiment("first-pause", ("first-pause",), 20, _first_pause, tasks=2),
    Experiment("life-of-a-service", ("test-rule", "new-configuration", "back-to-rolling"), 35, _life, tasks=2),
)
