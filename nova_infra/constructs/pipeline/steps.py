"""The pipeline's steps (CodeBuild): commands, permissions, sources; one build for all images, for CodeBuild's quota.

What each step does is a make target, which finds the locked tools by itself. A fixed step then needs no
deployment of the pipeline, which mutates only after its Build stage has succeeded (aws/aws-cdk#36120).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from aws_cdk import CfnOutput, Duration, Stack, pipelines
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from constructs import Construct

from nova_infra.config import Environment
from nova_infra.constructs.images.image_publishing import image_publishing, image_signing
from nova_infra.constructs.pipeline.built_assembly import refuse_another, refuse_others
from nova_infra.constructs.statements import allow
from nova_infra.names import ENVIRONMENT_VARIABLE, GATED_VARIABLE, LOADED_VARIABLE, Role, role_name, step_role_name

SETUP = "make setup"

RUNTIME = {"NOVA_SETUP": "runtime"}
"""For steps that hold credentials: they install what the commands need, and nothing of what only tests do."""

TESTS = {"NOVA_SETUP": "tests"}
"""For steps that test a deployed environment: what the commands need, and what the tests import."""

TOOLS = ".nova/tools"
"""Where Build leaves what both kinds of steps install, so that no outage of a registry blocks a rollback."""
FROM_TOOLS = {"NOVA_TOOLS": TOOLS}

IMAGES_HOURS = 4

_GATE_SLACK_MINUTES = 60
"""Time for tasks to start and stop, and to set up the suite's own tools."""
_LONGEST_BUILD_MINUTES = 36 * 60
"""https://docs.aws.amazon.com/codebuild/latest/userguide/limits.html."""

BUILD_IMAGE = codebuild.LinuxBuildImage.STANDARD_8_0
_IMAGES = {
    "x86-64": BUILD_IMAGE,
    "arm64": codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_4_0,
}


@dataclass(frozen=True)
class Tools:
    """What steps run.

    Attributes:
        archive: What Build packed for them to install.
    """

    source: pipelines.IFileSetProducer
    archive: pipelines.IFileSetProducer
    digest: str


class BuildStep(pipelines.CodeBuildStep):
    """Checks the commit, synthesizes it, and packs the tools of the steps that follow."""

    def __init__(self, *, source: pipelines.IFileSetProducer, tools_digest: str) -> None:
        """Create the step.

        Args:
            tools_digest: Digest of the commit's files that the later steps run.
        """
        super().__init__(
            "Synth",
            input=source,
            install_commands=[SETUP],
            commands=["make check", "make audit", "make tools", "make synth"],
            primary_output_directory="cdk.out",
        )
        self.tools = Tools(source, self.add_output_directory(TOOLS), tools_digest)


class ImageStep(pipelines.CodeBuildStep):
    """Builds the images of one architecture, one after the other, except those that are in their repositories already.

    One build for all services: CodeBuild's quota of concurrent builds may be one, and it refuses what it cannot queue.
    """

    def __init__(
        self,
        *,
        tools: Tools,
        repositories: str,
        profiles: str,
        architecture: str,
        logins: Sequence[iam.PolicyStatement] = (),
    ) -> None:
        """Create the step.

        Args:
            repositories: ARN of the repositories that the step may write to, with a wildcard for services to come.
            profiles: ARN of the profiles that may sign its images, with the same wildcard.
            architecture: ``x86-64`` or ``arm64``: an image is built where it can run.
            logins: What it needs to log in where ready images come from.
        """
        super().__init__(
            architecture,
            input=tools.source,
            additional_inputs={TOOLS: tools.archive},
            install_commands=[SETUP],
            commands=[f"make images ARCHITECTURE={architecture}"],
            env={**RUNTIME, **FROM_TOOLS},
            # Docker needs the privilege; no other project has it.
            build_environment=codebuild.BuildEnvironment(build_image=_IMAGES[architecture], privileged=True),
            # A first release builds every image.
            timeout=Duration.hours(IMAGES_HOURS),
            role_policy_statements=[*image_publishing([repositories]), image_signing(profiles), *logins],
        )


class ReleaseStep(pipelines.CodeBuildStep):
    """Runs one of the release tools on an environment, with a role in the environment's account.

    The step's own role has a fixed name, and the role in the environment's account lets only that one assume it.
    """

    def __init__(
        self,
        scope: Construct,
        step: str,
        *,
        tools: Tools,
        prefix: str,
        environment: Environment,
        role: Role,
        more: Sequence[iam.PolicyStatement] = (),
        install_commands: Sequence[str] = (SETUP,),
        env: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
    ) -> None:
        """Create the step.

        Args:
            step: ``preflight``, ``verify`` or ``brief``: the make target.
            role: ``observer`` or ``release``: what it may do there.
            more: What else it may do here.
            env: Its variables. Default: those that install what the commands need, and nothing for tests.
            timeout: How long it may take. Default: that of every step.
        """
        assumed = f"arn:{Stack.of(scope).partition}:iam::{environment.account}:role/{role_name(prefix, role)}"
        super().__init__(
            step.capitalize(),
            input=tools.source,
            additional_inputs={TOOLS: tools.archive},
            install_commands=[f"{{ {refuse_another()}; }} && {{ {refuse_others(tools.digest)}; }}", *install_commands],
            commands=[f"make {step} ENVIRONMENT={environment.name}"],
            env={**(env if env is not None else RUNTIME), **FROM_TOOLS},
            timeout=timeout,
            role=iam.Role(
                scope,
                f"{environment.stage}{step.capitalize()}Role",
                role_name=step_role_name(prefix, step),
                assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"),
            ),
            role_policy_statements=[allow(["sts:AssumeRole"], on=[assumed]), *more],
        )


class GateStep(ReleaseStep):
    """Runs the suite against new revisions, as answer and load; :func:`run_beside` gives it their run order."""

    def __init__(
        self,
        scope: Construct,
        *,
        tools: Tools,
        prefix: str,
        environment: Environment,
        gated: Sequence[str],
        loaded: Sequence[str],
        minutes: float,
    ) -> None:
        """Create the step.

        Args:
            loaded: Names of those that it sends requests while they bake.
        """
        super().__init__(
            scope,
            "gate",
            tools=tools,
            prefix=prefix,
            environment=environment,
            role="gate",
            install_commands=[SETUP, *(["make browser"] if environment.tests == "e2e" else [])],
            env={
                **TESTS,
                **({GATED_VARIABLE: " ".join(gated)} if gated else {}),
                **({LOADED_VARIABLE: " ".join(loaded)} if loaded else {}),
                "SUITE": f"make {environment.tests}",
            },
            timeout=Duration.minutes(min(minutes + _GATE_SLACK_MINUTES, _LONGEST_BUILD_MINUTES)),
        )


class EnvironmentTestStep(pipelines.CodeBuildStep):
    """Calls a deployed environment's services over HTTP, or drives them in a browser."""

    def __init__(
        self,
        suite: Literal["integration", "e2e"],
        *,
        tools: Tools,
        url: CfnOutput,
        environment: str,
    ) -> None:
        """Create the step."""
        browser = suite == "e2e"
        super().__init__(
            "E2ETests" if browser else "IntegrationTests",
            input=tools.source,
            additional_inputs={TOOLS: tools.archive},
            env={**TESTS, **FROM_TOOLS, ENVIRONMENT_VARIABLE: environment},
            install_commands=[SETUP, *(["make browser"] if browser else [])],
            commands=[f"make {suite}"],
            env_from_cfn_outputs={"BASE_URL": url},
        )
