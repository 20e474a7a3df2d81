"""Experiments about a service's scalable target: who changes its limits, and when they count."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from nova_infra.assumptions.sandbox.experiment import Experiment, Reading, held_if
from nova_infra.assumptions.sandbox.services import SandboxService, service_template
from nova_infra.assumptions.sandbox.stacks import Sandbox, SandboxStack
from nova_infra.assumptions.sandbox.templates import Resource, attribute, resource

_TARGET = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
_SLEEPS = "import time; time.sleep(3600)"


def _limits(sandbox: Sandbox) -> Iterator[Reading]:
    """A scheduled action that raises the most tasks, then a deployment that leaves the target alone."""
    at = sandbox.now() + timedelta(minutes=6)
    schedule = {
        "ScheduledActionName": "raise",
        "Schedule": f"at({at:%Y-%m-%dT%H:%M:00})",
        "Timezone": "UTC",
        "ScalableTargetAction": {"MaxCapacity": 3},
    }
    service = SandboxService(strategy="ROLLING", bake=0, tasks=0, code=_SLEEPS)
    target = {"Target": _target(sandbox, most=1, schedules=[schedule])}
    stack = sandbox.deploy(service_template(sandbox.ground, service, **target))

    def raised() -> bool | None:
        return True if _most(sandbox, stack) == 3 else None

    sandbox.wait("the scheduled action", raised, minutes=12)
    sandbox.deploy(service_template(sandbox.ground, replace(service, variables={"RELEASE": "2"}), **target))
    most = _most(sandbox, stack)
    yield held_if("scheduled-limits", most == 3, f"the action set the most tasks to 3; after a deployment it is {most}")


def _raised(sandbox: Sandbox) -> Iterator[Reading]:
    """The least tasks, raised by hand, with an action that sets them back."""
    service = SandboxService(strategy="ROLLING", bake=0, tasks=0, code=_SLEEPS)
    stack = sandbox.deploy(service_template(sandbox.ground, service, Target=_target(sandbox, most=1)))
    which = {**_TARGET, "ResourceId": _resource_id(sandbox, stack)}
    back = sandbox.now() + timedelta(minutes=5)
    sandbox.call(
        "application-autoscaling",
        "put_scheduled_action",
        **which,
        ScheduledActionName="back",
        Schedule=f"at({back:%Y-%m-%dT%H:%M:00})",
        ScalableTargetAction={"MinCapacity": 0, "MaxCapacity": 1},
    )
    sandbox.call("application-autoscaling", "register_scalable_target", **which, MinCapacity=1, MaxCapacity=1)

    def wanted() -> bool | None:
        names = [stack.outputs["Name"]]
        [found] = sandbox.call("ecs", "describe_services", cluster=sandbox.ground["Cluster"], services=names)[
            "services"
        ]
        return True if found["desiredCount"] == 1 else None

    begun = sandbox.now()
    sandbox.wait("a task for the new number", wanted, minutes=4)
    seconds = (sandbox.now() - begun).total_seconds()

    def restored() -> bool | None:
        return True if _found(sandbox, stack)["MinCapacity"] == 0 else None

    sandbox.wait("the action that sets the numbers back", restored, minutes=10)
    said = f"a task was wanted after {seconds:.0f} s, and the numbers came back"
    yield held_if("raised-capacity", seconds <= 90, said)


def _target(sandbox: Sandbox, *, most: int, schedules: list[Mapping[str, Any]] | None = None) -> Resource:
    properties: dict[str, Any] = {
        **_TARGET,
        "MinCapacity": 0,
        "MaxCapacity": most,
        "ResourceId": {"Fn::Join": ["/", ["service", sandbox.ground["Cluster"], attribute("Service", "Name")]]},
    }
    if schedules:
        properties["ScheduledActions"] = schedules
    return resource("AWS::ApplicationAutoScaling::ScalableTarget", properties)


def _resource_id(sandbox: Sandbox, stack: SandboxStack) -> str:
    return f"service/{sandbox.ground['Cluster']}/{stack.outputs['Name']}"


def _found(sandbox: Sandbox, stack: SandboxStack) -> Mapping[str, Any]:
    [found] = sandbox.call(
        "application-autoscaling",
        "describe_scalable_targets",
        ServiceNamespace="ecs",
        ResourceIds=[_resource_id(sandbox, stack)],
    )["ScalableTargets"]
    return dict(found)


def _most(sandbox: Sandbox, stack: SandboxStack) -> int:
    return int(_found(sandbox, stack)["MaxCapacity"])


EXPERIMENTS = (
    Experiment("scheduled-limits", ("scheduled-limits",), 16, _limits),
    Experiment("raised-capacity", ("raised-capacity",), 14, _raised, tasks=1),
)
