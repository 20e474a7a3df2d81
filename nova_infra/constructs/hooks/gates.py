"""The lifecycle hooks of a deployment: pauses (PAUSE, timeout, rollback), smoke tests, waiting for others."""

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk

from nova_infra.config import Rollout
from nova_infra.names import TEST_HEADER, hook_role_name, smoke_name, together_name

_TEST_MINUTES = 10
"""The longest that tests before the first user may take."""

_STAGES = {
    # Once: the new tasks run and no user has reached them.
    "traffic": "POST_SCALE_UP",
    # Canary and linear come to this stage before every step.
    "steps": "PRE_PRODUCTION_TRAFFIC_SHIFT",
}
"""What a gate comes before, to the lifecycle stage at which it pauses.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentLifecycleHook.html
"""


TESTED = "POST_TEST_TRAFFIC_SHIFT"
"""The stage at which requests with a header reach only the new revision."""


def smoke_hook(
    prefix: str, urls: list[str], stack: cdk.Stack, *, host: str, hosts: Mapping[str, str], stops: bool
) -> dict[str, Any]:
    """The hook that makes the environment's function request some addresses, as CloudFormation takes it.

    CloudFormation asks for the details as the text of a JSON object: "must be a JSON object as a string".
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-ecs-service-deploymentlifecyclehook.html

    Args:
        host: What their ``Host`` says instead of the address; empty where it says the same.
        hosts: The service's names, each with the base URL at which a redirect to it is followed.
        stops: Whether there are times at which no task runs, so that none can answer.
    """
    header, value = TEST_HEADER
    special = {"host": host, "hosts": hosts, "stops": stops}
    details = {"header": header, "value": value, "urls": urls, **{key: each for key, each in special.items() if each}}
    return {**_calls(smoke_name(prefix), TESTED, _TEST_MINUTES, stack), "HookDetails": stack.to_json_string(details)}


def group_hook(prefix: str, minutes: int, stack: cdk.Stack) -> dict[str, Any]:
    """The hook that makes a service wait for the others in its release, as CloudFormation takes it."""
    return _calls(together_name(prefix), _STAGES["steps"], minutes, stack)


def _calls(function: str, stage: str, minutes: int, stack: cdk.Stack) -> dict[str, Any]:
    return {
        "TargetType": "AWS_LAMBDA",
        "HookTargetArn": f"arn:{stack.partition}:lambda:{stack.region}:{stack.account}:function:{function}",
        "RoleArn": f"arn:{stack.partition}:iam::{stack.account}:role/{hook_role_name(function)}",
        "LifecycleStages": [stage],
        "TimeoutConfiguration": {"TimeoutInMinutes": minutes, "Action": "ROLLBACK"},
    }


def gate_hooks(rollout: Rollout, *, after_tests: bool) -> list[dict[str, Any]]:
    """The hooks of a rollout's gate, as CloudFormation takes them; none without a gate.

    Args:
        after_tests: Whether something is tested before the first user's request, so that the gate is best asked then.
    """
    if rollout.gate is None:
        return []
    stage = _STAGES[rollout.gate_before]
    if after_tests and rollout.gate_before == "traffic":
        stage = TESTED
    return [
        {
            "TargetType": "PAUSE",
            "LifecycleStages": [stage],
            "TimeoutConfiguration": {"TimeoutInMinutes": rollout.gate_minutes, "Action": "ROLLBACK"},
        }
    ]
