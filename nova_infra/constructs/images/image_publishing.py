"""IAM permissions to build and publish images, to log in to registries, and to read scan findings."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from nova_infra.config import Config
from nova_infra.constructs.statements import allow


def image_publishing(repository_arns: Sequence[str]) -> list[iam.PolicyStatement]:
    """The statements of such a role, without those of signing.

    Args:
        repository_arns: The only repositories that it may read and write.
    """
    return [
        allow(
            # Inspector lists the findings for ECR, which answers with them:
            # https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-enhanced-iam.html
            ["ecr:GetAuthorizationToken", "inspector2:ListCoverage", "inspector2:ListFindings"],
            on=["*"],
        ),
        allow(
            [
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
            on=list(repository_arns),
        ),
    ]


def image_signing(profiles: str) -> iam.PolicyStatement:
    """What such a role needs so that ECR signs what it pushes.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/managed-signing.html

    Args:
        profiles: ARN of the signing profiles: CloudFormation names the one that is used.
    """
    return allow(["signer:GetSigningProfile", "signer:SignPayload"], on=[profiles])


def origin_logins(stack: cdk.Stack, config: Config) -> list[iam.PolicyStatement]:
    """What such a role needs to copy images from registries that take a login.

    Args:
        config: The configuration, whose services name the secrets of the logins.
    """
    logins = [service.credentials for service in config.services if service.credentials is not None]
    allowed = {
        "secretsmanager:GetSecretValue": dict.fromkeys(_secret_arn(stack, config, each.secret) for each in logins),
        "kms:Decrypt": dict.fromkeys(each.key for each in logins if each.key is not None),
    }
    return [allow([action], on=[*resources]) for action, resources in allowed.items() if resources]


def _secret_arn(stack: cdk.Stack, config: Config, name: str) -> str:
    if name.startswith("arn:"):
        return name
    # Secrets Manager adds six characters to every name.
    where = f"arn:{stack.partition}:secretsmanager:{config.toolchain.region}:{config.toolchain.account}"
    return f"{where}:secret:{name}-??????"
