"""The self-mutating pipeline from a push to production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_iam as iam
from aws_cdk import pipelines
from constructs import Construct

from nova_infra.config import Config, Environment, Source
from nova_infra.images import repository_name
from nova_infra.stages import EnvironmentStage

SETUP = ["make setup"]


@dataclass(frozen=True)
class ToolVersions:
    """Versions of the command-line tools that the pipeline installs, read from ``package.json``."""

    cdk: str
    cdk_assets: str


class NovaPipelineStack(cdk.Stack):
    """Source, Build, UpdatePipeline, Images, then each environment in promotion order.

    What a step does is a make target or a ``nova`` command, so that a mended step needs no deployment of the pipeline:
    it mutates only after its Build stage has succeeded (aws/aws-cdk#36120).

    Attributes:
        pipeline: The CDK pipeline.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: Config,
        image_tags: Mapping[str, str],
        tool_versions: ToolVersions,
    ) -> None:
        """Create the pipeline and its stages.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            config: The configuration.
            image_tags: Service name to image tag, for every service.
            tool_versions: Versions of the CDK CLI and of cdk-assets.
        """
        super().__init__(
            scope,
            construct_id,
            env=cdk.Environment(account=config.toolchain.account, region=config.toolchain.region),
        )
        source = _source(config.source)
        self.pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            pipeline_name=f"{config.platform.name}-platform",
            pipeline_type=codepipeline.PipelineType.V2,
            synth=pipelines.CodeBuildStep(
                "Synth",
                input=source,
                install_commands=SETUP,
                commands=["make lint", "make types", "make unit", "make synth"],
                primary_output_directory="cdk.out",
            ),
            # The key lets the environments' accounts read the artifacts; one account alone needs none.
            cross_account_keys=any(e.account != config.toolchain.account for e in config.environments),
            enable_key_rotation=True if any(e.account != config.toolchain.account for e in config.environments) else None,
            # A failed deployment can be retried, and each stack costs one action instead of two.
            use_change_sets=False,
            # One project for all assets: the pipeline's own template then does not change when an asset does.
            publish_assets_in_parallel=False,
            use_pipeline_role_for_actions=True,
            cli_version=tool_versions.cdk,
            cdk_assets_cli_version=tool_versions.cdk_assets,
            code_build_defaults=pipelines.CodeBuildOptions(
                build_environment=codebuild.BuildEnvironment(build_image=codebuild.LinuxBuildImage.STANDARD_8_0)
            ),
        )
        self.pipeline.add_wave(
            "Images", post=[self._image_step(service.name, config=config, source=source) for service in config.services]
        )
        for environment in config.environments:
            if environment.approval:
                # A stage of its own: one inside the environment's stage would ask again when that stage is rolled back.
                name = "Production" if environment == config.environments[-1] else stage_name(environment)
                self.pipeline.add_wave(f"Approve{name}", post=[pipelines.ManualApprovalStep(f"Approve{name}")])
            stage = EnvironmentStage(
                self, stage_name(environment), config=config, environment=environment, image_tags=image_tags
            )
            self.pipeline.add_stage(stage, post=_tests(environment, stage=stage, source=source))

    def _image_step(self, service: str, *, config: Config, source: pipelines.IFileSetProducer) -> pipelines.Step:
        repository = self.format_arn(
            service="ecr", resource="repository", resource_name=repository_name(config.platform.name, service)
        )
        return pipelines.CodeBuildStep(
            service,
            input=source,
            install_commands=SETUP,
            commands=[f"nova image build {service}"],
            # Docker needs the privilege; no other project has it.
            build_environment=codebuild.BuildEnvironment(privileged=True),
            role_policy_statements=[
                iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
                iam.PolicyStatement(
                    actions=[
                        "ecr:BatchCheckLayerAvailability",
                        "ecr:BatchGetImage",
                        "ecr:CompleteLayerUpload",
                        "ecr:DescribeImages",
                        "ecr:GetDownloadUrlForLayer",
                        "ecr:InitiateLayerUpload",
                        "ecr:PutImage",
                        "ecr:UploadLayerPart",
                    ],
                    resources=[repository],
                ),
            ],
        )


def stage_name(environment: Environment) -> str:
    """Name of the environment's stage in the pipeline: ``dev`` is ``Dev``, ``prod-eu`` is ``ProdEu``."""
    return "".join(part.capitalize() for part in environment.name.split("-"))


def _source(source: Source) -> pipelines.CodePipelineSource:
    if source.connection_arn is not None:
        return pipelines.CodePipelineSource.connection(
            source.repository,
            source.branch,
            connection_arn=source.connection_arn,
            # A clone instead of an archive keeps git's executable bits, which image tags depend on.
            code_build_clone_output=True,
        )
    assert source.token_secret is not None, "the model requires one of the two"
    return pipelines.CodePipelineSource.git_hub(
        source.repository, source.branch, authentication=cdk.SecretValue.secrets_manager(source.token_secret)
    )


def _tests(
    environment: Environment, *, stage: EnvironmentStage, source: pipelines.IFileSetProducer
) -> list[pipelines.Step]:
    url = stage.stacks.platform.url_output
    match environment.tests:
        case "integration":
            return [
                pipelines.CodeBuildStep(
                    "IntegrationTests",
                    input=source,
                    install_commands=SETUP,
                    commands=["make integration"],
                    env_from_cfn_outputs={"API_BASE_URL": url},
                )
            ]
        case "e2e":
            return [
                pipelines.CodeBuildStep(
                    "E2ETests",
                    input=source,
                    install_commands=[*SETUP, "make browser"],
                    commands=["make e2e"],
                    env_from_cfn_outputs={"BASE_URL": url},
                )
            ]
        case None:
            return []
