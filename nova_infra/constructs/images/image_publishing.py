"""The permissions for building images, publishing them and reading scan findings."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam


def image_publishing(repository_arns: Sequence[str]) -> list[iam.PolicyStatement]:
    """The statements of such a role, without those of signing.

    Args:
        repository_arns: The only repositories that it may read and write.
    """
    return [
        iam.PolicyStatement(
            # Inspector lists the findings for ECR, which answers with them:
            # https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-enhanced-iam.html
            actions=["ecr:GetAuthorizationToken", "inspector2:ListCoverage", "inspector2:ListFindings"],
            resources=["*"],
        ),
        iam.PolicyStatement(
            actions=[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:CompleteLayerUpload",
                "ecr:DescribeImageScanFindings",
                "ecr:DescribeImageSigningStatus",
                "ecr:DescribeImages",
                "ecr:DescribeRepositories",
                "ecr:GetDownloadUrlForLayer",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ],
            resources=list(repository_arns),
        ),
    ]


def image_signing(profiles: str) -> iam.PolicyStatement:
    """What such a role needs so that ECR signs what it pushes.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/managed-signing.html

    Args:
        profiles: ARN of the signing profiles: CloudFormation names the one that is used.
    """
    return iam.PolicyStatement(actions=["signer:GetSigningProfile", "signer:SignPayload"], resources=[profiles])
