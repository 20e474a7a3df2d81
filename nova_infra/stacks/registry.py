"""The image repositories."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from nova_infra.config import Config
from nova_infra.constructs.image_registry import ImageRegistry
from nova_infra.images import repository_name


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
        )
        accounts = sorted({environment.account for environment in config.environments} - {config.toolchain.account})
        for service in config.services:
            ImageRegistry(
                self,
                service.name,
                name=repository_name(config.platform.name, service.name),
                pull_accounts=accounts,
            )
