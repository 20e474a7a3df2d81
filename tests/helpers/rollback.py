"""Production after a rollback."""

from collections.abc import Callable
from typing import Any

from helpers.deployed_environment import Deployment
from nova_infra.operations.rollback.run import Request, rollback


def change_sets(deployment: Deployment) -> list[str]:
    cloudformation = deployment.client("cloudformation")
    return [
        summary["Status"]
        for stack in cloudformation.describe_stacks()["Stacks"]
        for summary in cloudformation.list_change_sets(StackName=stack["StackName"])["Summaries"]
        if summary["ExecutionStatus"] != "EXECUTE_COMPLETE"
    ]


def rolled_back(deployment: Deployment, confirm: Callable[[], bool] = lambda: True, **request: Any) -> list[str]:
    """Roll back, and return the lines that were told; ``request`` is what was asked for, such as ``to``."""
    told: list[str] = []
    rollback(deployment.environment, Request(**{"patience": 0, **request}), confirm=confirm, notify=told.append)
    return told
