"""The separate approval that a change of the pipeline itself needs (self-mutation)."""

from collections.abc import Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codepipeline_actions as codepipeline_actions
from aws_cdk import pipelines
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge
from nova_infra.checks.permissions.edges.run_steps import DIGEST
from nova_infra.constructs.statements import allow
from nova_infra.machine.pythons import DELIVERED
from nova_infra.names import BOOTSTRAP_QUALIFIER

STAGE = "ApprovePipeline"
_PROGRAM = Path(__file__).with_name("compare_pipeline.py")
_VARIABLE = "PIPELINE"
# Isolated, and elsewhere: in the assembly, Python would look for modules and pyenv for a .python-version.
_RUN = f"""{_VARIABLE}=$(cd / && python3 -I - "$CODEBUILD_SRC_DIR" <<'PROGRAM'"""
COMPARE = f"{_RUN}\n{_PROGRAM.read_text(encoding='utf-8')}\nPROGRAM\n)"
"""The command that compares."""
ASSEMBLY = "ASSEMBLY"
"""The variable that holds the digest of the assembly: ``nova_infra.assembly.digest_of_files`` computes the same."""
NAMESPACE = "Compare"


class UpdateApproval(Construct):
    """Compares the pipeline of the commit with the deployed one, and asks a person before anything of it changes.

    What a pipeline may do is decided by the template that it deploys itself from, and that by whoever may push. The
    comparison is part of the deployed pipeline, so it is the last approved one that judges the next. The stage is
    skipped where nothing changes, as with most commits.
    """

    def __init__(
        self,
        pipeline: pipelines.CodePipeline,
        construct_id: str,
        *,
        stacks: Sequence[str],
        build_image: codebuild.IBuildImage,
        logging: codebuild.LoggingOptions,
    ) -> None:
        """Add the comparison to the stage Build, and the approval before the stage that updates the pipeline.

        Args:
            stacks: Names of the stacks that the update deploys, the pipeline's own first.
        """
        super().__init__(pipeline, construct_id)
        project = self._project(pipeline, stacks, build_image, logging)
        stages = {stage.stage_name: stage for stage in pipeline.pipeline.stages}
        stages["Build"].add_action(
            codepipeline_actions.CodeBuildAction(
                action_name="Compare",
                project=project,
                input=codepipeline.Artifact.artifact("Synth_Output"),
                run_order=2,
                variables_namespace=NAMESPACE,
            )
        )
        pipeline.pipeline.add_stage(
            stage_name=STAGE,
            placement=codepipeline.StagePlacement(right_before=stages["UpdatePipeline"]),
            actions=[
                codepipeline_actions.ManualApprovalAction(
                    action_name=STAGE, additional_information=f"#{{{NAMESPACE}.{_VARIABLE}}}"
                )
            ],
            before_entry=codepipeline.Conditions(
                conditions=[codepipeline.Condition(result=codepipeline.Result.SKIP, rules=[_changes()])]
            ),
        )

    def _project(
        self,
        pipeline: pipelines.CodePipeline,
        stacks: Sequence[str],
        build_image: codebuild.IBuildImage,
        logging: codebuild.LoggingOptions,
    ) -> codebuild.PipelineProject:
        """The project that compares. It runs no code of the commit, and may read these deployed stacks."""
        stack = cdk.Stack.of(self)
        place = f"aws://{stack.account}/{stack.region}"
        variables = {"STACKS": " ".join(stacks), "PLACE": place, "QUALIFIER": BOOTSTRAP_QUALIFIER}
        support = pipeline.pipeline.cross_region_support
        if support:
            variables["REGIONS"] = " ".join(sorted(support))
        commands = [
            f"{COMPARE} && export {_VARIABLE} && echo ${_VARIABLE}",
            f"{ASSEMBLY}=$({DIGEST}) && export {ASSEMBLY} && echo ${ASSEMBLY}",
        ]
        spec = {
            "version": "0.2",
            "env": {"exported-variables": [_VARIABLE, ASSEMBLY]},
            "phases": {"install": {"runtime-versions": {"python": DELIVERED}}, "build": {"commands": commands}},
        }
        project = codebuild.PipelineProject(
            self,
            "Compare",
            environment=codebuild.BuildEnvironment(build_image=build_image),
            environment_variables={
                name: codebuild.BuildEnvironmentVariable(value=value) for name, value in variables.items()
            },
            build_spec=codebuild.BuildSpec.from_object(spec),
            encryption_key=pipeline.pipeline.artifact_bucket.encryption_key,
            timeout=cdk.Duration.minutes(10),
            logging=logging,
        )
        places = [*((stack.region, name) for name in stacks)]
        places += [(region, support[region].stack.stack_name) for region in sorted(support)]
        self._let_read(project, places)
        return project

    def _let_read(self, project: codebuild.PipelineProject, places: Sequence[tuple[str, str]]) -> None:
        """Let the project read the deployed stacks of these regions and names."""
        stack = cdk.Stack.of(self)
        arns = [
            stack.format_arn(service="cloudformation", resource="stack", resource_name=f"{name}/*", region=region)
            for region, name in places
        ]
        reading = ["cloudformation:DescribeStacks", "cloudformation:GetTemplate"]
        project.add_to_role_policy(allow(reading, on=arns))
        acknowledge(
            project,
            "A stack's ARN ends with an id that nobody knows before",
            *(f"{AWS_SOLUTIONS}-IAM5[Resource::{stack.resolve(arn)}]" for arn in arns),
        )


def _changes() -> codepipeline.Rule:
    """The rule that the comparison found a change."""
    asked = {"Variable": f"#{{{NAMESPACE}.{_VARIABLE}}}", "Value": "same", "Operator": "NE"}
    return codepipeline.Rule(name="PipelineChanges", provider="VariableCheck", version="1", configuration=asked)
