"""When a stage may start (deployment window), what runs side by side in it, and what follows failures."""

from collections.abc import Collection
from typing import Any

from aws_cdk import aws_codepipeline as codepipeline

from nova_infra.config import Environment
from nova_infra.constructs.pipeline.built_assembly import built_stages


def add_stage_conditions(pipeline: codepipeline.Pipeline, *, stage: str, environment: Environment) -> None:
    """Write an environment's deployment window and failure behaviour, which CDK Pipelines lacks, on its stage."""
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


def run_beside(pipeline: codepipeline.Pipeline, *, stage: str, action: str, stacks: Collection[str]) -> None:
    """Run an action of a stage in parallel with the deployments of some stacks instead of after them.

    CDK Pipelines runs a step before or after a whole stage or stack, and never in parallel with one. Numbers may be
    left out between run orders: https://docs.aws.amazon.com/codepipeline/latest/userguide/action-requirements.html.
    """
    resource = pipeline.node.default_child
    assert isinstance(resource, codepipeline.CfnPipeline)
    names = [each.stage_name for each in pipeline.stages]
    actions = [each.action_properties for each in pipeline.stages[names.index(stage)].actions]
    deployed = {f"{stack}.Deploy" for stack in stacks}
    orders = [each.run_order for each in actions if each.action_name in deployed and each.run_order is not None]
    assert orders, "the stacks are deployed in that stage"
    number = [each.action_name for each in actions].index(action)
    resource.add_property_override(f"Stages.{names.index(stage)}.Actions.{number}.RunOrder", min(orders))
