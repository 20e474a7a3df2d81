"""When the pipeline publishes assets of services' own constructs: after the approval, where there is one.

CDK Pipelines publishes all of them before anything is deployed, under names that Build chooses, and uploads nothing
under a name that is taken. So what a release that nobody approved had left in production's bucket would be what a later
release deploys.
"""

import json
from collections.abc import Iterable, Sequence

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import pipelines

from nova_infra.checks.permissions.edges.run_steps import PUBLISH
from nova_infra.config import Environment
from nova_infra.constructs.pipeline.built_assembly import Tool
from nova_infra.constructs.statements import allow
from nova_infra.machine.pythons import DELIVERED
from nova_infra.names import BOOTSTRAP_QUALIFIER, step_role_name


def early(environments: Sequence[Environment]) -> Sequence[Environment]:
    """The environments before the first one that waits for an approval."""
    return environments[: next((place for place, each in enumerate(environments) if each.approval), None)]


class PublishStep(pipelines.CodeBuildStep):
    """Publishes an environment's assets after its approval, from the assembly that was approved."""

    def __init__(
        self,
        pipeline: pipelines.CodePipeline,
        deployment: pipelines.StageDeployment,
        *,
        environment: Environment,
        prefix: str,
        tool: Tool,
    ) -> None:
        """Create the step."""
        stack = cdk.Stack.of(pipeline)
        roles = f"arn:{stack.partition}:iam::{environment.account}:role/cdk-{BOOTSTRAP_QUALIFIER}"
        place = f"{environment.account}-{environment.region}"
        assert pipeline.synth.primary_output is not None, "the assembly"
        super().__init__(
            "Publish",
            input=pipeline.synth.primary_output,
            install_commands=tool.install(),
            commands=[_program(stack, [environment], '"$CODEBUILD_SRC_DIR"/buildspec-*Asset.yaml')],
            build_environment=codebuild.BuildEnvironment(privileged=_has_images(deployment)),
            role=iam.Role(
                pipeline,
                f"{environment.stage}PublishRole",
                role_name=step_role_name(prefix, "publish"),
                assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"),
            ),
            role_policy_statements=[
                allow(["sts:AssumeRole"], on=[f"{roles}-{kind}-publishing-role-{place}" for kind in ("file", "image")])
            ],
        )
        for each in deployment.pre:
            # Not before a preflight that may refuse, nor side by side: a new account may run one build at a time.
            self.add_step_dependency(each)


def has_assets(deployment: pipelines.StageDeployment) -> bool:
    """Whether anything but templates has to be published before a stage is deployed."""
    return any(stack.assets for stack in deployment.stacks)


def _has_images(deployment: pipelines.StageDeployment) -> bool:
    assets = (asset for stack in deployment.stacks for asset in stack.assets)
    return any(asset.asset_type == pipelines.AssetType.DOCKER_IMAGE for asset in assets)


def publish_early(pipeline: pipelines.CodePipeline, environments: Sequence[Environment], tool: Tool) -> None:
    """Limit CDK's own steps to the environments before an approval, and to a program of ours.

    CDK's projects would run whatever a file in the assembly says. It still says which assets there are: listed in the
    template, each change of one would be a change of the pipeline.
    """
    first = early(environments)
    later = _roles(environments) - _roles(first)
    accounts = {each.account for each in first}
    assets = pipeline.node.try_find_child("Assets")
    for node in assets.node.find_all() if assets is not None else ():
        if isinstance(node, codebuild.CfnProject):
            listed = cdk.Stack.of(node).resolve(node.source)["buildSpec"]
            phases = {
                "install": {"runtime-versions": {"python": DELIVERED}, "commands": tool.install()},
                "build": {"commands": [_program(cdk.Stack.of(pipeline), first, listed)]},
            }
            node.add_property_override("Source.BuildSpec", json.dumps({"version": "0.2", "phases": phases}, indent=2))
        if isinstance(node, iam.Role) and later:
            # Of an account that an earlier environment is in, too, only the roles of another region.
            named = {(account, name if account in accounts else "*") for account, name in later}
            roles = [f"arn:{cdk.Aws.PARTITION}:iam::{account}:role/{name}" for account, name in sorted(named)]
            denied = iam.PolicyStatement(effect=iam.Effect.DENY, actions=["sts:AssumeRole"], resources=roles)
            node.add_to_principal_policy(denied)


def _roles(environments: Iterable[Environment]) -> set[tuple[str, str]]:
    """The account and the name of the roles by which CDK deploys to environments."""
    return {(each.account, f"cdk-{BOOTSTRAP_QUALIFIER}-*-role-{each.account}-{each.region}") for each in environments}


def _program(stack: cdk.Stack, environments: Iterable[Environment], lists: str) -> str:
    stages = (stack.node.find_child(each.stage) for each in environments)
    directories = ",".join(each.artifact_id for each in stages if isinstance(each, cdk.Stage))
    return f'python3 -I - "$CODEBUILD_SRC_DIR" {directories or "none"} {lists} {PUBLISH}'
