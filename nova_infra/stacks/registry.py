"""The image repositories and how ECR scans them."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from nova_infra.config import Config
from nova_infra.constructs.images.registry import ImageRegistry
from nova_infra.names import REGISTRY_ASSETS, registry_role_name, repository_name


class RegistryStack(cdk.Stack):
    """One image repository per service, in the toolchain account."""

    def __init__(self, scope: Construct, construct_id: str, *, config: Config) -> None:
        """Create the repositories.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            config: The configuration.
        """
        super().__init__(
            scope,
            construct_id,
            env=cdk.Environment(account=config.toolchain.account, region=config.toolchain.region),
            termination_protection=True,
            synthesizer=_by_a_role_of_its_own(config) if config.delivery.engine == "github-actions" else None,
        )
        if config.images.scanning == "enhanced":
            _scan_continuously(self, f"{config.platform.name}/*")
        accounts = sorted({environment.account for environment in config.environments} - {config.toolchain.account})
        for service in config.services:
            ImageRegistry(
                self,
                service.name,
                name=repository_name(config.platform.name, service.name),
                pull_accounts=accounts,
            )


def _by_a_role_of_its_own(config: Config) -> cdk.DefaultStackSynthesizer:
    """Has the caller deploy by a role that only makes repositories, instead of by CDK's, which may do anything."""
    toolchain, name = config.toolchain, registry_role_name(config.platform.name)
    return cdk.DefaultStackSynthesizer(
        bucket_prefix=REGISTRY_ASSETS,
        # Empty: by the credentials that the caller has.
        deploy_role_arn="",
        file_asset_publishing_role_arn="",
        lookup_role_arn="",
        use_lookup_role_for_stack_operations=False,
        cloud_formation_execution_role=f"arn:${{AWS::Partition}}:iam::{toolchain.account}:role/{name}",
    )


def _scan_continuously(scope: Construct, repositories: str) -> None:
    """Have Amazon Inspector scan images when they are pushed, and again whenever a vulnerability becomes known.

    It is the one setting of a whole registry: repositories that the pattern does not match are no longer scanned.
    """
    setting = ecr.CfnRegistryScanningConfiguration(
        scope,
        "Scanning",
        scan_type="ENHANCED",
        rules=[
            ecr.CfnRegistryScanningConfiguration.ScanningRuleProperty(
                scan_frequency="CONTINUOUS_SCAN",
                repository_filters=[
                    ecr.CfnRegistryScanningConfiguration.RepositoryFilterProperty(
                        filter=repositories, filter_type="WILDCARD"
                    )
                ],
            )
        ],
    )
    # It is the account's: deleted with `scanning = "basic"`, it would no longer be scanned for others either.
    setting.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
