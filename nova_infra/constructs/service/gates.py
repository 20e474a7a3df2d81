"""Where a deployment waits for an answer: ECS's lifecycle hooks that pause."""

from __future__ import annotations

from typing import Any

from nova_infra.config import Rollout

_STAGES = {
    # Once: the new tasks run and no user has met them.
    "traffic": "POST_SCALE_UP",
    # Canary and linear come to this stage before every step.
    "steps": "PRE_PRODUCTION_TRAFFIC_SHIFT",
}
"""What a gate is before, to the lifecycle stage at which it pauses.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentLifecycleHook.html
"""


def gate_hooks(rollout: Rollout) -> list[dict[str, Any]]:
    """The hooks of a rollout's gate, as CloudFormation takes them; none without a gate."""
    if rollout.gate is None:
        return []
    return [
        {
            "TargetType": "PAUSE",
            "LifecycleStages": [_STAGES[rollout.gate_before]],
            "TimeoutConfiguration": {"TimeoutInMinutes": rollout.gate_minutes, "Action": "ROLLBACK"},
        }
    ]
