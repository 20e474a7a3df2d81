"""Where a service's images are kept."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct


class ImageRegistry(Construct):
    """An ECR repository with immutable tags that the environments' accounts may pull from.

    Attributes:
        repository: The repository.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, pull_accounts: Sequence[str], keep_images: int = 200
    ) -> None:
        """Create the repository.

        Args:
            scope: Parent.
            construct_id: Id under the parent.
            name: Name of the repository.
            pull_accounts: Accounts whose tasks run the images.
            keep_images: Number of images to keep, newest first. What is older can no longer be rolled back to.
        """
        super().__init__(scope, construct_id)
        self.repository = ecr.Repository(
            self,
            "Repository",
            repository_name=name,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[ecr.LifecycleRule(max_image_count=keep_images)],
        )
        for account in pull_accounts:
            self.repository.grant_pull(iam.AccountPrincipal(account))
