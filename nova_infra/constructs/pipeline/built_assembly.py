"""Hands Build's assembly and CDK CLI to later steps, which refuse any other assembly or tool."""

import json
from base64 import b64decode
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import pipelines

from nova_infra.checks.permissions.edges.run_steps import DIGEST, EMPTY
from nova_infra.constructs.pipeline.update_approval import ASSEMBLY, NAMESPACE
from nova_infra.machine.tools import PACKAGES, TOOLS

BUILT = "Synth_Output"
"""The artifact that CDK Pipelines deploys from."""
WANTED = f"#{{{NAMESPACE}.{ASSEMBLY}}}"
"""The digest of the assembly that the deployed pipeline compared itself with."""

_TOOLS_DIGEST = (
    f"find -L {' '.join((*TOOLS, *PACKAGES))} -type f -print0 2>/dev/null | LC_ALL=C sort -z | xargs -0 sha256sum | "
    "sha256sum | cut -d' ' -f1"
)
_BY_CDK = ("UpdatePipeline", "Assets")
"""The stages whose steps CDK makes. They get the assembly, and nothing of the commit."""


@dataclass(frozen=True)
class Tool:
    """A command-line tool of npm's, with its hash as ``package-lock.json`` has it: ``sha512-`` and Base64."""

    name: str
    version: str
    integrity: str

    def install(self, archive: str | None = None) -> list[str]:
        """The commands that install it. The check of what a step may run (NOVA-P06) knows exactly these.

        They run where nothing of the commit is: npm reads an ``.npmrc``.

        Args:
            archive: Name of the artifact that may have it. Where it lacks that version, npm is asked for it.
        """
        algorithm, _, encoded = self.integrity.partition("-")
        assert algorithm == "sha512", "npm writes no other hash into a lock"
        file = f"{self.name}-{self.version}.tgz"
        packed = f'cp "$CODEBUILD_SRC_DIR_{archive}/cli/{file}" /tmp/ || ' if archive else ""
        return [
            refuse_another("$CODEBUILD_SRC_DIR"),
            f"mkdir {EMPTY} && cd {EMPTY}",
            f"{packed}npm pack --silent --pack-destination /tmp {self.name}@{self.version}",
            f'echo "{b64decode(encoded).hex()}  /tmp/{file}" | sha512sum --check --quiet || '
            f'{{ echo "{self.name}: it is not the one that the lock names: find out who changed it"; false; }}',
            f"npm install -g --offline /tmp/{file}",
        ]


def refuse_another(directory: str = f"$CODEBUILD_SRC_DIR_{BUILT}") -> str:
    """A step's first command. It comes from the pipeline, and runs before anything of the commit is run or read.

    Args:
        directory: Where the step has the assembly, in the shell's words.
    """
    return (
        f'test "$(cd "{directory}" && {DIGEST})" = "${ASSEMBLY}" || {{ echo "assembly: it is not the one '
        'that was built: somebody changed the artifact: find out who, and start a new release"; false; }'
    )


def refuse_others(digest: str) -> str:
    """A step's command, the pipeline's own, which refuses a commit with other tools.

    Brief, preflight, gate and verify run what the commit's ``Makefile`` calls, and the pipeline's template holds the
    digest of those files. So a commit that changes a tool changes the pipeline, which waits for an approval
    (``update_approval.py``); any other commit runs the tools of the release before it. Tools and ``nova.toml`` stay of
    one commit: earlier tools would not know the keys of a later one.
    """
    return (
        f'test "$({_TOOLS_DIGEST})" = {digest} || {{ echo "tools: what this step would run of the commit is not what '
        "was approved with the pipeline: start a new release, whose ApprovePipeline asks for it; an earlier release "
        'comes back by nova rollback"; false; }'
    )


def built_stages(pipeline: codepipeline.CfnPipeline) -> list[dict[str, Any]]:
    """The stages of a built pipeline, from its resource: asking CDK for each property would take longer."""
    stages: list[dict[str, Any]] = cdk.Stack.of(pipeline).resolve(pipeline.stages)
    return stages


def hand_over(pipeline: pipelines.CodePipeline, *, steps: Collection[str]) -> None:
    """Let steps read the artifact that is deployed, instead of synthesizing the commit once more.

    Those that CDK makes refuse another one, as the others do by their own commands.

    CDK Pipelines puts a step's variables into its project, where CodePipeline resolves none of its own, so they are
    written into the built pipeline.
    """
    resource = pipeline.pipeline.node.default_child
    assert isinstance(resource, codepipeline.CfnPipeline)
    for place, stage in enumerate(built_stages(resource)):
        for number, action in enumerate(stage["actions"]):
            inputs = [each["name"] for each in action.get("inputArtifacts", ())]
            if stage["name"] not in _BY_CDK and (action["name"] not in steps or not inputs):
                continue
            path = f"Stages.{place}.Actions.{number}"
            variables = json.loads(action["configuration"].get("EnvironmentVariables", "[]"))
            variables.append({"name": ASSEMBLY, "type": "PLAINTEXT", "value": WANTED})
            resource.add_property_override(f"{path}.Configuration.EnvironmentVariables", json.dumps(variables))
            if BUILT not in inputs:
                resource.add_property_override(f"{path}.InputArtifacts", [{"Name": each} for each in (*inputs, BUILT)])
                resource.add_property_override(f"{path}.Configuration.PrimarySource", inputs[0])


def carry_cli(pipeline: pipelines.CodePipeline, cli: Tool) -> None:
    """Make the step that CDK adds install the CLI from the archive of tools.

    That step runs before anybody approves and may deploy everything, so it must trust nothing that Build has made: the
    deployed pipeline holds the CLI's hash, and refuses another one. Where the archive lacks that version, because the
    commit asks for a newer one, npm is asked for it, and the hash checks that, too.
    """
    project = pipeline.self_mutation_project.node.default_child
    resource = pipeline.pipeline.node.default_child
    assert isinstance(project, codebuild.CfnProject)
    assert isinstance(resource, codepipeline.CfnPipeline)
    stages = built_stages(resource)
    made = [
        each["name"] for stage in stages for action in stage["actions"] for each in action.get("outputArtifacts", ())
    ]
    archive = made[made.index(BUILT) + 1]  # Build's other one
    build_spec = _build_spec(project)
    [update] = build_spec["phases"]["build"]["commands"]
    build_spec["phases"]["install"]["commands"] = cli.install(archive)
    build_spec["phases"]["build"]["commands"] = [
        f"cd {EMPTY}",
        update.replace("cdk -a . ", 'cdk -a "$CODEBUILD_SRC_DIR" '),
    ]
    project.add_property_override("Source.BuildSpec", json.dumps(build_spec, indent=2))
    for place, stage in enumerate(stages):
        for number, action in enumerate(stage["actions"]):
            if action["name"] == "SelfMutate":
                path = f"Stages.{place}.Actions.{number}"
                resource.add_property_override(f"{path}.InputArtifacts", [{"Name": BUILT}, {"Name": archive}])
                resource.add_property_override(f"{path}.Configuration.PrimarySource", BUILT)


def _build_spec(project: codebuild.CfnProject) -> dict[str, Any]:
    source: dict[str, Any] = cdk.Stack.of(project).resolve(project.source)
    found: dict[str, Any] = json.loads(source["buildSpec"])
    return found
