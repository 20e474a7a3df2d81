"""When a stage of a pipeline may start, and what happens when it fails."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_codepipeline as codepipeline

from nova_infra.config import Environment
from nova_infra.constructs.pipeline.built_assembly import built_stages


def add_stage_conditions(pipeline: codepipeline.Pipeline, *, stage: str, environment: Environment) -> None:
    """Set an environment's deployment window and failure behaviour on its stage.

    CDK Pipelines has no property for them, so they are written into the built pipeline.

    Args:
        pipeline: The pipeline, after ``build_pipeline()``.
        stage: Name of the environment's stage.
        environment: The environment.
    """
    resource = pipeline.node.default_child
    assert isinstance(resource, codepipeline.CfnPipeline)
    path = f"Stages.{[each['name'] for each in built_stages(resource)].index(stage)}"
    if environment.on_failure == "retry":
        resource.add_property_override(
            f"{path}.OnFailure", {"Result": "RETRY", "RetryConfiguration": {"RetryMode": "FAILED_ACTIONS"}}
        )
    elif environment.on_failure == "rollback":
        resource.add_property_override(f"{path}.OnFailure", {"Result": "ROLLBACK"})
    if environment.window is not None:
        window: dict[str, Any] = {
            "Name": "DeploymentWindow",
            "RuleTypeId": {"Category": "Rule", "Owner": "AWS", "Provider": "DeploymentWindow", "Version": "1"},
            "Configuration": {"Cron": environment.window.cron, "TimeZone": environment.window.time_zone},
        }
        resource.add_property_override(f"{path}.BeforeEntry", {"Conditions": [{"Result": "FAIL", "Rules": [window]}]})
