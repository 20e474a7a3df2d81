"""The ECR repository for a service's images: immutable tags, lifecycle rules, and who may pull."""

import functools
from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct

UNTAGGED_DAYS = 7
"""How long an image without a tag is kept: nothing can be deployed from it. Not counted are those that an index with a
tag names, an image and what is attested of it: ECR removes none of them while the index is there.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html"""

_PULL = (
    *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
    "ecr:DescribeImageSigningStatus",
)
"""What an environment's account may do: pull, and see whether an image is signed."""


class ImageRegistry(Construct):
    """An ECR repository with immutable tags that the environments' accounts may pull from.

    What has a tag is kept. ECR can count images and knows their age, but not which of them an environment runs or may
    be rolled back to: production may run one that hundreds were pushed after.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        pull_accounts: Sequence[str],
        removal_policy: cdk.RemovalPolicy,
    ) -> None:
        """Create the repository."""
        super().__init__(scope, construct_id)
        self.repository = ecr.Repository(
            self,
            "Repository",
            repository_name=name,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            # By AWS's key for ECR, through grants of the repository: who may pull needs no leave to use the key.
            encryption=ecr.RepositoryEncryption.KMS,
            removal_policy=removal_policy,
            lifecycle_rules=[
                ecr.LifecycleRule(tag_status=ecr.TagStatus.UNTAGGED, max_image_age=cdk.Duration.days(UNTAGGED_DAYS))
            ],
        )
        if pull_accounts:
            # One statement for all: a grant for each account is most of the messages to CDK's Node process.
            self.repository.add_to_resource_policy(
                iam.PolicyStatement(principals=[*map(_principal, pull_accounts)], actions=[*_PULL])
            )


@functools.cache
def _principal(account: str) -> iam.AccountPrincipal:
    return iam.AccountPrincipal(account)
