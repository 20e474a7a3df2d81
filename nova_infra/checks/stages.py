"""The stages and actions of a synthesized pipeline, as the rules need them."""

from collections.abc import Mapping
from typing import Any

PIPELINE = "AWS::CodePipeline::Pipeline"


def stages(pipeline: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A pipeline's stages, in order."""
    found: list[Mapping[str, Any]] = pipeline["Stages"]
    return found


def actions(stage: Mapping[str, Any], *categories: str) -> list[Mapping[str, Any]]:
    """A stage's actions of some categories, such as ``Approval``."""
    return [action for action in stage["Actions"] if action["ActionTypeId"]["Category"] in categories]


def deployments(stage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A stage's stack deployments."""
    return [a for a in actions(stage, "Deploy") if a["ActionTypeId"]["Provider"] == "CloudFormation"]


def environments(pipeline: Mapping[str, Any]) -> list[int]:
    """Places of the stages that deploy stacks, in promotion order."""
    return [place for place, stage in enumerate(stages(pipeline)) if deployments(stage)]
