"""Has the pipeline update itself by the CDK CLI that Build has packed, so that npm's outage does not stop a release."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import pipelines

from nova_infra.constructs.pipeline.built_assembly import BUILT, built_stages


def carry_cli(pipeline: pipelines.CodePipeline, *, archive: str, version: str, integrity: str) -> None:
    """Let the step that CDK adds install the CLI from the archive of tools.

    That step runs before anybody approves and may deploy everything, so it must trust nothing that Build has made: the
    deployed pipeline holds the CLI's hash, and refuses another one. Where the archive lacks that version, because the
    commit asks for a newer one, npm is asked for it, and the hash checks that, too.

    Args:
        pipeline: The pipeline, after ``build_pipeline()``.
        archive: Name of the artifact that holds the archive of tools.
        version: Version of the CDK CLI.
        integrity: Its hash as ``package-lock.json`` has it: ``sha512-`` and Base64.
    """
    project = pipeline.self_mutation_project.node.default_child
    resource = pipeline.pipeline.node.default_child
    assert isinstance(project, cdk.CfnResource)
    assert isinstance(resource, codepipeline.CfnPipeline)
    build_spec = _build_spec(project)
    build_spec["phases"]["install"]["commands"] = install_commands(archive, version, integrity)
    project.add_property_override("Source.BuildSpec", json.dumps(build_spec, indent=2))
    for place, stage in enumerate(built_stages(resource)):
        for number, action in enumerate(stage["actions"]):
            if action["name"] == "SelfMutate":
                path = f"Stages.{place}.Actions.{number}"
                resource.add_property_override(f"{path}.InputArtifacts", [{"Name": BUILT}, {"Name": archive}])
                resource.add_property_override(f"{path}.Configuration.PrimarySource", BUILT)


def install_commands(archive: str, version: str, integrity: str) -> list[str]:
    """What installs the CLI; the check of what a step may run (NOVA-P06) knows these very commands."""
    algorithm, _, encoded = integrity.partition("-")
    assert algorithm == "sha512", "npm writes no other hash into a lock"
    file = f"aws-cdk-{version}.tgz"
    return [
        f'cp "$CODEBUILD_SRC_DIR_{archive}/cli/{file}" /tmp/ || '
        f"npm pack --silent --pack-destination /tmp aws-cdk@{version}",
        f'echo "{b64decode(encoded).hex()}  /tmp/{file}" | sha512sum --check --quiet || '
        '{ echo "aws-cdk: it is not the one that the lock names: find out by whom it was changed"; false; }',
        f"npm install -g --offline /tmp/{file}",
    ]


def _build_spec(project: cdk.CfnResource) -> dict[str, Any]:
    source: dict[str, Any] = cdk.Stack.of(project).resolve(getattr(project, "source"))  # noqa: B009  of CfnProject
    found: dict[str, Any] = json.loads(source["buildSpec"])
    return found
