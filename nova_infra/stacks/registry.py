"""The stack of the image repositories (ECR), their scanning, and the signing of images."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_signer as signer
from constructs import Construct

from nova_infra.config import Config
from nova_infra.constructs.images.registry import ImageRegistry
from nova_infra.names import (
    EARLY_REGISTRY_ASSETS,
    REGISTRY_ASSETS,
    early_registry_role_name,
    early_repository_name,
    registry_role_name,
    repository_name,
)

SIGNING_PLATFORM = "Notation-OCI-SHA384-ECDSA"
"""What AWS Signer calls signatures of images: https://docs.aws.amazon.com/signer/latest/developerguide/Welcome.html."""

# What a failed deployment has made would stand in the way of the next one: so it is deleted, or adopted by
# --import-existing-resources, which every deployment by GitHub's jobs says. Their role may not delete a repository.
_KEPT, _ADOPTED = cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE, cdk.RemovalPolicy.RETAIN


class RegistryStack(cdk.Stack):
    """One image repository per service, in the toolchain account: what production runs comes only from there."""

    def __init__(self, scope: Construct, construct_id: str, *, config: Config) -> None:
        platform = config.platform.name
        role = registry_role_name(platform)
        super().__init__(
            scope,
            construct_id,
            env=cdk.Environment(account=config.toolchain.account, region=config.toolchain.region),
            termination_protection=True,
            synthesizer=_by_a_role_of_its_own(config, REGISTRY_ASSETS, role)
            if config.delivery.engine == "github-actions"
            else None,
        )
        if config.images.scanning == "enhanced":
            early = [early_repository_name(platform, "*")] if config.early_branch else []
            _scan_continuously(self, [repository_name(platform, "*"), *early])
        _sign(self, repository_name(platform, "*"))
        # An early branch's environment pulls only from its own repositories.
        accounts = {each.account for each in config.environments if not config.takes_early_images(each.name)}
        for service in config.services:
            ImageRegistry(
                self,
                service.name,
                name=repository_name(platform, service.name),
                pull_accounts=sorted(accounts - {config.toolchain.account}),
                removal_policy=_ADOPTED if config.delivery.engine == "github-actions" else _KEPT,
            )


class EarlyRegistryStack(cdk.Stack):
    """One repository per service for what the early branch builds, where GitHub Actions delivers one."""

    def __init__(self, scope: Construct, construct_id: str, *, config: Config) -> None:
        platform = config.platform.name
        super().__init__(
            scope,
            construct_id,
            env=cdk.Environment(account=config.toolchain.account, region=config.toolchain.region),
            termination_protection=True,
            synthesizer=_by_a_role_of_its_own(config, EARLY_REGISTRY_ASSETS, early_registry_role_name(platform)),
        )
        for service in config.services:
            ImageRegistry(
                self,
                service.name,
                name=early_repository_name(platform, service.name),
                pull_accounts=sorted({config.environments[0].account} - {config.toolchain.account}),
                removal_policy=_ADOPTED,
            )


def _by_a_role_of_its_own(config: Config, assets: str, role: str) -> cdk.DefaultStackSynthesizer:
    """Has the caller deploy by a role that only makes repositories, instead of by CDK's, which may do anything."""
    return cdk.DefaultStackSynthesizer(
        bucket_prefix=assets,
        # Empty: by the credentials that the caller has.
        deploy_role_arn="",
        file_asset_publishing_role_arn="",
        lookup_role_arn="",
        use_lookup_role_for_stack_operations=False,
        cloud_formation_execution_role=f"arn:${{AWS::Partition}}:iam::{config.toolchain.account}:role/{role}",
    )


def _scan_continuously(scope: Construct, repositories: Sequence[str]) -> None:
    """Have Amazon Inspector scan images at each push and for new vulnerabilities: one setting per registry."""
    setting = ecr.CfnRegistryScanningConfiguration(
        scope,
        "Scanning",
        scan_type="ENHANCED",
        rules=[
            ecr.CfnRegistryScanningConfiguration.ScanningRuleProperty(
                scan_frequency="CONTINUOUS_SCAN",
                repository_filters=[
                    ecr.CfnRegistryScanningConfiguration.RepositoryFilterProperty(filter=each, filter_type="WILDCARD")
                    for each in repositories
                ],
            )
        ],
    )
    # It is the account's: deleted with `scanning = "basic"`, it would no longer be scanned for others either.
    setting.apply_removal_policy(cdk.RemovalPolicy.RETAIN)


def _sign(scope: Construct, repositories: str) -> None:
    """Have ECR sign what is pushed, with the pusher's leave: one setting per registry (ECR: managed-signing)."""
    profile = signer.CfnSigningProfile(scope, "SigningProfile", platform_id=SIGNING_PLATFORM)
    setting = ecr.CfnSigningConfiguration(
        scope,
        "Signing",
        rules=[
            ecr.CfnSigningConfiguration.RuleProperty(
                signing_profile_arn=profile.attr_arn,
                repository_filters=[
                    ecr.CfnSigningConfiguration.RepositoryFilterProperty(
                        filter=repositories, filter_type="WILDCARD_MATCH"
                    )
                ],
            )
        ],
    )
    # A profile that is deleted revokes nothing, but nobody could say any more by what images were signed. The one of a
    # failed deployment is in nobody's way: CloudFormation gives it its name.
    profile.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
    setting.apply_removal_policy(_KEPT)
