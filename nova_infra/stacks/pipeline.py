"""The CodePipeline: its stages in order with their approvals, its logs, its alert topic. It updates itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_codestarnotifications as notifications
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import pipelines
from constructs import Construct

from nova_infra.checks.acknowledge import acknowledge
from nova_infra.config import Config, Environment
from nova_infra.config.group import deployment_minutes
from nova_infra.config.resolved import suite_asked, suite_gated, suite_loaded
from nova_infra.config.values.regions import has_notification_rules
from nova_infra.constructs.images.image_publishing import origin_logins
from nova_infra.constructs.images.vulnerability_alerts import VulnerabilityAlerts
from nova_infra.constructs.observability.alert_topic import AlertTopic
from nova_infra.constructs.observability.encryption_key import EncryptionKey
from nova_infra.constructs.observability.publisher import Publisher
from nova_infra.constructs.observability.retention import log_group
from nova_infra.constructs.pipeline.artifact_store import ArtifactStore, write_only
from nova_infra.constructs.pipeline.asset_publishing import PublishStep, early, has_assets, publish_early
from nova_infra.constructs.pipeline.built_assembly import WANTED, Tool, carry_cli, hand_over
from nova_infra.constructs.pipeline.conditions import add_stage_conditions, run_beside
from nova_infra.constructs.pipeline.connection import deliver_pushes, grant_connection, sign_pushes, source_of
from nova_infra.constructs.pipeline.grants import acknowledge_grants
from nova_infra.constructs.pipeline.steps import (
    BUILD_IMAGE,
    BuildStep,
    EnvironmentTestStep,
    GateStep,
    ImageStep,
    ReleaseStep,
    Tools,
)
from nova_infra.constructs.pipeline.update_approval import UpdateApproval
from nova_infra.constructs.statements import allow
from nova_infra.machine.pythons import DELIVERED
from nova_infra.names import (
    REGISTRY_STACK,
    alert_topic_name,
    boundary_name,
    environment_prefix,
    pipeline_log_group,
    pipeline_name,
    repository_name,
    stack_name,
)
from nova_infra.stacks.environment import EnvironmentStacks
from nova_infra.stacks.services.infrastructure import Extension

_KEPT = logs.RetentionDays.THREE_MONTHS


@dataclass(frozen=True)
class ToolVersions:
    """The CDK CLI, cdk-assets, and the digest of what steps run of the project."""

    cdk: Tool
    cdk_assets: Tool
    own: str


class NovaPipelineStack(cdk.Stack):
    """Source, Build, ApprovePipeline, UpdatePipeline, Images, then each environment in promotion order.

    Attributes:
        topic: Where failures and waiting approvals are announced.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: Config,
        image_tags: Mapping[str, str],
        extensions: Mapping[str, Extension],
        tool_versions: ToolVersions,
    ) -> None:
        """Create the pipeline and its stages.

        Args:
            image_tags: Service name to image tag, for every service.
            extensions: Service name to what makes its own resources, for those that have some.
        """
        super().__init__(
            scope,
            construct_id,
            env=cdk.Environment(account=config.toolchain.account, region=config.toolchain.region),
            termination_protection=True,
        )
        self._limit_roles(config)
        name = pipeline_name(config.platform.name)
        self._key, self.topic = self._encrypted_topic(name, config)
        builds = log_group(self, "Logs", _KEPT, self._key, name=pipeline_log_group(config.platform.name))
        artifacts = ArtifactStore(self, "Artifacts", key=self._key).bucket
        source = source_of(config.source)
        build = BuildStep(source=source, tools_digest=tool_versions.own)
        self.pipeline = self._pipeline(
            name,
            synth=build,
            artifacts=artifacts,
            log_group=builds,
            tool_versions=tool_versions,
            several_accounts=any(e.account != config.toolchain.account for e in config.environments),
        )
        published = self._published(config)
        images = self._add_images(config, build.tools, published)
        for each in config.environments:
            stage = cdk.Stage(self, each.stage)
            stacks = EnvironmentStacks(
                stage, config=config, environment=each, image_tags=image_tags, extensions=extensions
            )
            deployment = self._add_environment(
                each, stage, stacks.platform.url_output, config=config, tools=build.tools
            )
            if each not in early(config.environments) and has_assets(deployment):
                prefix = environment_prefix(config.platform.name, each.name)
                tool = tool_versions.cdk_assets
                deployment.add_pre(PublishStep(self.pipeline, deployment, environment=each, prefix=prefix, tool=tool))
        self.pipeline.build_pipeline()
        self._limit_synthesis(artifacts)
        self._approve_updates(construct_id, builds)
        hand_over(self.pipeline, steps=["Brief", "Preflight", "Publish", "Gate", "Verify"])
        publish_early(self.pipeline, config.environments, tool_versions.cdk_assets)
        carry_cli(self.pipeline, tool_versions.cdk)
        self._add_conditions(config)
        if config.source.connection_arn is not None:
            deliver_pushes(self.pipeline.pipeline, config.source)
            grant_connection(self.pipeline, config.source.connection_arn, repository=config.source.repository)
        else:
            sign_pushes(self.pipeline)
        self._announce(name)
        if config.images.scanning == "enhanced":
            repositories = repository_name(config.platform.name, "")
            VulnerabilityAlerts(self, "Vulnerabilities", repositories=repositories, topic=self.topic, key=self._key)
        acknowledge_grants(self.pipeline, artifacts=artifacts, images=images, published=published)

    def _limit_roles(self, config: Config) -> None:
        """Apply the permissions boundary to the pipeline's roles."""
        if config.toolchain.permissions_boundary:
            # Not those of the environments: their stages are apps of their own, which this does not reach.
            boundary = iam.ManagedPolicy.from_managed_policy_name(self, "Boundary", boundary_name(config.platform.name))
            iam.PermissionsBoundary.of(self).apply(boundary)

    def _encrypted_topic(self, name: str, config: Config) -> tuple[kms.IKey, sns.ITopic]:
        """The key of the pipeline's artifacts, logs and messages, and the topic of its alerts."""
        publishers = [Publisher.pipeline_events(self)]
        key = EncryptionKey(
            self,
            "Encryption",
            name=f"{name}: the pipeline's artifacts, logs and alert topic",
            publishers=publishers,
            log_groups=[pipeline_log_group(config.platform.name)],
        ).key
        alerts = AlertTopic(
            self,
            "Alerts",
            name=alert_topic_name(name),
            publishers=publishers,
            key=key,
            notifications=config.toolchain.notifications,
        )
        return key, alerts.topic

    def _published(self, config: Config) -> list[str]:
        """ARNs of what the image builds write to: the repositories, and the profiles that images are signed with."""
        name = repository_name(config.platform.name, "*")
        return [
            self.format_arn(service="ecr", resource="repository", resource_name=name),
            f"arn:{self.partition}:signer:{self.region}:{self.account}:/signing-profiles/*",
        ]

    def _add_images(self, config: Config, tools: Tools, published: Sequence[str]) -> list[ImageStep]:
        """Add one build for each architecture, one after the other."""
        repositories, profiles = published
        images = [
            ImageStep(
                tools=tools,
                repositories=repositories,
                profiles=profiles,
                architecture=architecture,
                logins=origin_logins(self, config),
            )
            for architecture in dict.fromkeys(service.architecture for service in config.services)
        ]
        for first, second in pairwise(images):
            second.add_step_dependency(first)
        self.pipeline.add_wave("Images", post=images)
        return images

    def _limit_synthesis(self, artifacts: s3.IBucket) -> None:
        """Let the synthesis write its own artifacts and delete nothing."""
        synth = self.pipeline.synth_project.role
        assert synth is not None, "CDK Pipelines gives every project a role"
        [synthesis, *_] = next(each for each in self.pipeline.pipeline.stages if each.stage_name == "Build").actions
        made = [str(each.artifact_name) for each in synthesis.action_properties.outputs or ()]
        write_only(synth, artifacts, artifacts=made)

    def _approve_updates(self, own_stack: str, log_group: logs.ILogGroup) -> None:
        """Ask for an approval of its own before the pipeline changes itself or the registry."""
        UpdateApproval(
            self.pipeline,
            "Update",
            stacks=[own_stack, REGISTRY_STACK],
            build_image=BUILD_IMAGE,
            logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)),
        )

    def _add_conditions(self, config: Config) -> None:
        for environment in config.environments:
            if asked := suite_asked(config.services, environment):
                prefix = environment_prefix(config.platform.name, environment.name)
                stacks = [stack_name(prefix, name) for name in asked]
                run_beside(self.pipeline.pipeline, stage=environment.stage, action="Gate", stacks=stacks)
            add_stage_conditions(self.pipeline.pipeline, stage=environment.stage, environment=environment)

    def _pipeline(
        self,
        name: str,
        *,
        synth: pipelines.IFileSetProducer,
        artifacts: s3.IBucket,
        log_group: logs.ILogGroup,
        tool_versions: ToolVersions,
        several_accounts: bool,
    ) -> pipelines.CodePipeline:
        return pipelines.CodePipeline(
            self,
            "Pipeline",
            pipeline_name=name,
            pipeline_type=codepipeline.PipelineType.V2,
            synth=synth,
            artifact_bucket=artifacts,
            # Artifacts are copied to environments in other regions: a key there lets other accounts read them.
            cross_account_keys=several_accounts,
            enable_key_rotation=several_accounts or None,
            # A failed deployment can be retried, and each stack costs one action instead of two.
            use_change_sets=False,
            # One project for all assets: the pipeline's own template then does not change when an asset does.
            publish_assets_in_parallel=False,
            use_pipeline_role_for_actions=True,
            cli_version=tool_versions.cdk.version,
            cdk_assets_cli_version=tool_versions.cdk_assets.version,
            # The CLI reads its options from such variables, too. A repository outlives its service: without this a name
            # that is used again would be refused.
            self_mutation_code_build_defaults=pipelines.CodeBuildOptions(
                build_environment=codebuild.BuildEnvironment(
                    environment_variables={
                        "CDK_IMPORT_EXISTING_RESOURCES": codebuild.BuildEnvironmentVariable(value="true")
                    }
                )
            ),
            code_build_defaults=pipelines.CodeBuildOptions(
                build_environment=codebuild.BuildEnvironment(build_image=BUILD_IMAGE),
                timeout=cdk.Duration.hours(1),
                # No cache: it would be a place where one build writes what another one runs.
                partial_build_spec=codebuild.BuildSpec.from_object(
                    # Otherwise the build image decides, whose default moves on.
                    {"phases": {"install": {"runtime-versions": {"python": DELIVERED}}}}
                ),
                logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log_group)),
            ),
        )

    def _add_environment(
        self,
        environment: Environment,
        stage: cdk.Stage,
        url: cdk.CfnOutput,
        *,
        config: Config,
        tools: Tools,
    ) -> pipelines.StageDeployment:
        prefix = environment_prefix(config.platform.name, environment.name)
        about = partial(ReleaseStep, self.pipeline, tools=tools, prefix=prefix, environment=environment)
        if environment.approval:
            # A stage of its own: one inside the environment's stage would ask again when that stage is rolled back.
            name = "Production" if environment == config.environments[-1] else environment.stage
            approval = pipelines.ManualApprovalStep(
                f"Approve{name}",
                comment=f"Assembly {WANTED}: the brief says what it changes, and preflight refuses another one.",
            )
            brief = about("brief", role="observer", more=self._may_brief(config))
            approval.add_step_dependency(brief)
            self.pipeline.add_wave(f"Approve{name}", post=[brief, approval])
        tests: list[pipelines.Step] = []
        if environment.tests is not None:
            tests = [EnvironmentTestStep(environment.tests, tools=tools, url=url, environment=environment.name)]
        verify = about("verify", role="release")
        for test in tests:
            # Not side by side: a new account may run one build at a time.
            test.add_step_dependency(verify)
        gates: list[pipelines.Step] = []
        if suite_asked(config.services, environment):
            minutes = deployment_minutes(config.release, config.services, environment)
            beside = partial(GateStep, self.pipeline, tools=tools, prefix=prefix)
            gated, loaded = suite_gated(config.services, environment), suite_loaded(config.services, environment)
            gates = [beside(environment=environment, gated=gated, loaded=loaded, minutes=minutes)]
        return self.pipeline.add_stage(
            stage,
            pre=[about("preflight", role="observer")] if environment.approval else [],
            post=[*gates, verify, *tests],
        )

    def _may_brief(self, config: Config) -> list[iam.PolicyStatement]:
        """Read which tests have passed, and send it to those who are asked for approvals."""
        pipeline = self.format_arn(service="codepipeline", resource=pipeline_name(config.platform.name))
        return [
            allow(["codepipeline:ListActionExecutions", "codepipeline:ListPipelineExecutions"], on=[pipeline]),
            allow(["sns:Publish"], on=[self.topic.topic_arn]),
            allow(["kms:Decrypt", "kms:GenerateDataKey"], on=[self._key.key_arn]),
        ]

    def _announce(self, name: str) -> None:
        if not has_notification_rules(self.region):
            reason = "It is only rehearsed: nova.toml refuses a pipeline in such a region"
            acknowledge(self.pipeline, reason, "Nova::NOVA-P07")
            return
        notifications.CfnNotificationRule(
            self,
            "Notifications",
            name=name,
            detail_type="FULL",
            resource=self.pipeline.pipeline.pipeline_arn,
            event_type_ids=[
                "codepipeline-pipeline-pipeline-execution-failed",
                "codepipeline-pipeline-manual-approval-needed",
            ],
            targets=[
                notifications.CfnNotificationRule.TargetProperty(target_type="SNS", target_address=self.topic.topic_arn)
            ],
        )
