"""A job's state machine (Step Functions): runs a task, waits for it, fails with it, and repeats no run."""

from collections.abc import Mapping
from typing import Any

from nova_infra.names import TOOK_TOO_LONG

LEFT_OUT = "LeftOut"
"""The state in which a run ends if the one before it is still running."""


def definition(
    *,
    partition: str,
    cluster: str,
    family: str,
    task_definition: str,
    network: Mapping[str, Any],
    timeout_seconds: int,
    allow_overlap: bool,
) -> dict[str, Any]:
    """The machine in the Amazon States Language.

    ``runTask.sync`` waits for the task and fails if its container exits with anything but 0. It does not stop a task
    that takes too long, so the machine finds what it started itself, by ``startedBy``, and stops it:
    https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html.

    Args:
        network: Subnets and security groups of the task, as RunTask takes them.
        allow_overlap: Whether a run begins while another one is going.
    """
    states: dict[str, Any] = {
        "Run": {
            "Type": "Task",
            "Resource": f"arn:{partition}:states:::ecs:runTask.sync",
            "Parameters": {
                "Cluster": cluster,
                "TaskDefinition": task_definition,
                "LaunchType": "FARGATE",
                "NetworkConfiguration": {"AwsvpcConfiguration": network},
                "StartedBy.$": "$$.Execution.Name",
            },
            "TimeoutSeconds": timeout_seconds,
            "Catch": [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.error", "Next": "FindLate"}],
            "End": True,
        },
        **_stop_late(partition, cluster, timeout_seconds),
    }
    if allow_overlap:
        return {"StartAt": "Run", "States": states}
    return {"StartAt": "FindOthers", "States": {**_leave_out(partition, cluster, family), **states}}


def _stop_late(partition: str, cluster: str, timeout_seconds: int) -> dict[str, Any]:
    """The states that find the task of a run that takes too long, stop it, and fail."""
    stop = {
        "Type": "Task",
        "Resource": f"arn:{partition}:states:::aws-sdk:ecs:stopTask",
        "Parameters": {"Cluster": cluster, "Task.$": "$.Task", "Reason": "It took too long"},
        "End": True,
    }
    return {
        "FindLate": {
            "Type": "Task",
            "Resource": f"arn:{partition}:states:::aws-sdk:ecs:listTasks",
            "Parameters": {"Cluster": cluster, "StartedBy.$": "$$.Execution.Name"},
            "ResultPath": "$.late",
            "Next": "StopLate",
        },
        "StopLate": {
            "Type": "Map",
            "ItemsPath": "$.late.TaskArns",
            "ItemSelector": {"Task.$": "$$.Map.Item.Value"},
            "ItemProcessor": {"StartAt": "Stop", "States": {"Stop": stop}},
            "ResultPath": None,
            "Next": "TookTooLong",
        },
        "TookTooLong": {
            "Type": "Fail",
            "Error": "TookTooLong",
            "Cause": f"{TOOK_TOO_LONG} {timeout_seconds} s and was stopped",
        },
    }


def _leave_out(partition: str, cluster: str, family: str) -> dict[str, Any]:
    """The states that end a run if another one is still running."""
    return {
        "FindOthers": {
            "Type": "Task",
            "Resource": f"arn:{partition}:states:::aws-sdk:ecs:listTasks",
            "Parameters": {"Cluster": cluster, "Family": family, "DesiredStatus": "RUNNING"},
            "ResultPath": "$.others",
            "Next": "IsAnotherOneGoing",
        },
        "IsAnotherOneGoing": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.others.TaskArns[0]", "IsPresent": True, "Next": LEFT_OUT}],
            "Default": "Run",
        },
        LEFT_OUT: {"Type": "Succeed"},
    }
