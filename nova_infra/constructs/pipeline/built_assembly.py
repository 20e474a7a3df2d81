"""Gives the release's steps the assembly that is deployed, and the digest that it must have."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import pipelines

from nova_infra.constructs.pipeline.update_approval import ASSEMBLY, DIGEST, NAMESPACE

BUILT = "Synth_Output"
"""The artifact that CDK Pipelines deploys from."""
WANTED = f"#{{{NAMESPACE}.{ASSEMBLY}}}"
"""What the assembly was known by when the deployed pipeline compared itself with it."""

REFUSE_ANOTHER = (
    f'test "$(cd "$CODEBUILD_SRC_DIR_{BUILT}" && {DIGEST})" = "${ASSEMBLY}" || {{ echo "assembly: it is not the one '
    'that was built: the artifact has been changed since: find out by whom, and start a new release"; false; }'
)
"""A step's first command, which is the pipeline's own: it runs before anything of the commit does."""


def built_stages(pipeline: codepipeline.CfnPipeline) -> list[dict[str, Any]]:
    """The stages of a built pipeline, as its resource has them: to ask CDK for each property takes longer."""
    stages: list[dict[str, Any]] = cdk.Stack.of(pipeline).resolve(pipeline.stages)
    return stages


def hand_over(pipeline: pipelines.CodePipeline, *, steps: Collection[str]) -> None:
    """Let steps read the artifact that is deployed, instead of synthesizing the commit once more.

    CDK Pipelines puts a step's variables into its project, where CodePipeline resolves none of its own, so they are
    written into the built pipeline.

    Args:
        pipeline: The pipeline, after ``build_pipeline()``.
        steps: Names of the steps.
    """
    resource = pipeline.pipeline.node.default_child
    assert isinstance(resource, codepipeline.CfnPipeline)
    for place, stage in enumerate(built_stages(resource)):
        for number, action in enumerate(stage["actions"]):
            inputs = [each["name"] for each in action.get("inputArtifacts", ())]
            if action["name"] not in steps or not inputs:
                continue
            path = f"Stages.{place}.Actions.{number}"
            variables = [{"name": ASSEMBLY, "type": "PLAINTEXT", "value": WANTED}]
            resource.add_property_override(f"{path}.InputArtifacts", [{"Name": each} for each in (*inputs, BUILT)])
            resource.add_property_override(f"{path}.Configuration.PrimarySource", inputs[0])
            resource.add_property_override(f"{path}.Configuration.EnvironmentVariables", json.dumps(variables))
