"""The CDK app: which stacks exist for a configuration and a context (environment, image tag, canary share)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks
from pydantic import ValidationError

from nova_infra.checks.plugin import NovaChecks
from nova_infra.checks.stages import Promotion
from nova_infra.config import Config, Environment, Overrides, Rollout, Service, shortened
from nova_infra.config.resolved import resolved
from nova_infra.config.values.fields import aws_regions
from nova_infra.constructs.pipeline.built_assembly import Tool
from nova_infra.errors import ConfigError
from nova_infra.github import github_accounts
from nova_infra.images.tags import checked_tag, image_tags
from nova_infra.machine.tools import digest_of_tools
from nova_infra.names import EARLY_REGISTRY_STACK, REGISTRY_STACK
from nova_infra.stacks.environment import EnvironmentStacks
from nova_infra.stacks.github import GitHubStack
from nova_infra.stacks.pipeline import NovaPipelineStack, ToolVersions
from nova_infra.stacks.registry import EarlyRegistryStack, RegistryStack
from nova_infra.stacks.services.infrastructure import load_extensions


def build_app(
    config: Config,
    *,
    root: Path,
    environment: str | None = None,
    image_tag: str | None = None,
    canary_percentage: str | None = None,
    rehearsed: bool = False,
    outdir: Path | None = None,
) -> cdk.App:
    """Create the app and its stacks.

    Args:
        root: The project's directory: its ``services/`` give the image tags, its ``package.json`` the tool versions and
            its ``cdk.json`` the feature flags.
        environment: Name of the one environment to synthesize; without it, the registry, what delivers, and all.
        image_tag: Tag for every service's image, instead of each one's content tag.
        canary_percentage: Share of traffic, in percent, that canary environments give the new revision first. 100 means
            no canary: everything moves at once, still baked and watched.
        rehearsed: Whether the assembly is to be rehearsed and not deployed: it then holds a pipeline, also where GitHub
            Actions delivers, by the same steps.
        outdir: Where the assembly goes. Default: where the CDK CLI says, else ``cdk.out``.

    Raises:
        ConfigError: A context value is not usable.
    """
    if image_tag is not None:
        image_tag = checked_tag("imageTag", image_tag)
    if canary_percentage is not None:
        config = with_canary_percentage(config, canary_percentage)
    if rehearsed:
        config = _with_pipeline(config)
    selected = config.environment(environment) if environment is not None else None
    names = (each.name for each in config.services)
    tags = image_tags(root, config) if image_tag is None else dict.fromkeys(names, image_tag)
    extensions = load_extensions(root, config)
    app = _empty_app(root, outdir, config)
    if selected is not None:
        EnvironmentStacks(app, config=config, environment=selected, image_tags=tags, extensions=extensions)
        return app
    registry = RegistryStack(app, REGISTRY_STACK, config=config)
    if config.delivery.engine == "codepipeline":
        pipeline = NovaPipelineStack(
            app,
            "NovaPipelineStack",
            config=config,
            image_tags=tags,
            extensions=extensions,
            tool_versions=read_tool_versions(root),
        )
        # The pipeline updates itself by deploying its stack, and what that depends on: without this a new service has
        # no repository when its first image is built.
        pipeline.add_stack_dependency(registry)
        return app
    _add_github_roles(app, config, registry)
    for each in config.environments:
        stage = cdk.Stage(app, each.stage)
        EnvironmentStacks(stage, config=config, environment=each, image_tags=tags, extensions=extensions)
    return app


def _empty_app(root: Path, outdir: Path | None, config: Config) -> cdk.App:
    """An app with the checks of every synthesis. It reads the feature flags, so that it needs no CLI for them."""
    app = cdk.App(
        outdir=str(outdir) if outdir else None,
        context=_read_json(root / "cdk.json")["context"],
        analytics_reporting=False,
        stack_traces=False,  # they would name CDK's own files, and take a second
        tree_metadata=False,  # for a tree view in editors; two seconds with 45 services
    )
    promotion = Promotion(
        config.toolchain.account, tuple((each.stage, each.account, each.approval) for each in config.environments)
    )
    cdk.Validations.of(app).add_plugins(NovaChecks(promotion), AwsSolutionsChecks(app), NIST80053R5Checks(app))
    return app


def _add_github_roles(app: cdk.App, config: Config, registry: RegistryStack) -> None:
    """Add the roles of GitHub's jobs in each account, and the repositories that only one of them deploys."""
    for account in github_accounts(config):
        roles = GitHubStack(app, f"NovaGitHubStack-{account}", account=account, config=config)
        if account == config.toolchain.account:
            registry.add_stack_dependency(roles)
            if config.early_branch is not None:
                EarlyRegistryStack(app, EARLY_REGISTRY_STACK, config=config).add_stack_dependency(roles)


def read_tool_versions(root: Path) -> ToolVersions:
    """The command-line tools as the lock has them, and the digest of the project's own."""
    locked = _read_json(root / "package-lock.json")["packages"]

    def tool(name: str) -> Tool:
        found = locked[f"node_modules/{name}"]
        return Tool(name, found["version"], found["integrity"])

    return ToolVersions(tool("aws-cdk"), tool("cdk-assets"), own=digest_of_tools(root))


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def with_canary_percentage(config: Config, value: str) -> Config:
    """The configuration with another share of traffic for its canaries.

    Args:
        value: The share in percent; 100 means no canary: everything moves at once, still baked and watched.

    Raises:
        ConfigError: It is not a number from 0.1 to 100.
    """
    try:
        percent = float(value)
        # A rollout of its own, so that the limits are those of nova.toml. 100 means no canary, there as well.
        Rollout(strategy="blue-green", percent=percent)
    except (ValueError, ValidationError):
        raise ConfigError(
            f"canaryPercentage: {shortened(value)} is not a share of traffic: "
            "give a number from 0.1 to 100 with at most one decimal; 100 means no canary"
        ) from None
    environments = tuple(_with_canary(environment, percent) for environment in config.environments)
    services = tuple(_with_canaries(service, config.environments, percent) for service in config.services)
    return config.model_copy(update={"environments": environments, "services": services})


def _with_canary(environment: Environment, percent: float) -> Environment:
    if environment.rollout.strategy != "canary":
        return environment
    return environment.model_copy(update={"rollout": _as_canary(environment.rollout, percent)})


def _as_canary(rollout: Rollout, percent: float) -> Rollout:
    change: dict[str, object] = {"strategy": "blue-green"} if percent == 100 else {"percent": percent}
    return rollout.model_copy(update=change)


def _with_canaries(service: Service, environments: Sequence[Environment], percent: float) -> Service:
    """The service, which says in each environment by itself what its canary gets, where it says so at all."""
    overrides = dict(service.environments)
    for environment in environments:
        found = overrides.get(environment.name)
        if service.rollout is None and (found is None or found.rollout is None):
            continue
        rollout = resolved(service, environment).environment.rollout
        if rollout.strategy == "canary":
            changed = (found or Overrides()).model_copy(update={"rollout": _as_canary(rollout, percent)})
            overrides[environment.name] = changed
    return service.model_copy(update={"environments": overrides})


def _with_pipeline(config: Config) -> Config:
    """The configuration with a pipeline, over a connection that does not exist where none is named."""
    toolchain, source = config.toolchain, config.source
    if source.connection_arn is None and source.token_secret is None:
        nothing = "connection/00000000-0000-4000-8000-000000000000"
        arn = f"arn:{aws_regions()[toolchain.region]}:codeconnections:{toolchain.region}:{toolchain.account}:{nothing}"
        source = source.model_copy(update={"connection_arn": arn})
    delivery = config.delivery.model_copy(update={"engine": "codepipeline"})
    return config.model_copy(update={"source": source, "delivery": delivery})
