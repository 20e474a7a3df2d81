"""The state machine of a job, as Nova's construct makes it."""

from typing import Any

from nova_infra.constructs.background.job_machine import definition


def machine_of_nova(*, timeout_seconds: int = 60, allow_overlap: bool = False) -> dict[str, Any]:
    return definition(
        partition="aws",
        cluster="dev",
        family="dev-report",
        task_definition="arn:dev-report:7",
        network={},
        timeout_seconds=timeout_seconds,
        allow_overlap=allow_overlap,
    )
