"""The role that CloudFormation deploys the image repositories with, for a GitHub job that has few permissions."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge, acknowledge_own_policy
from nova_infra.names import bootstrap_bucket_name

# The resource types' handlers call these: https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-ecr.
# None deletes a repository or an image, or makes tags mutable.
_REPOSITORY_WRITES = (
    "ecr:CreateRepository",
    "ecr:DeleteLifecyclePolicy",
    "ecr:DeleteRepositoryPolicy",
    "ecr:DescribeRepositories",
    "ecr:GetLifecyclePolicy",
    "ecr:GetRepositoryPolicy",
    "ecr:ListTagsForResource",
    "ecr:PutImageScanningConfiguration",
    "ecr:PutLifecyclePolicy",
    "ecr:SetRepositoryPolicy",
    "ecr:TagResource",
    "ecr:UntagResource",
)


class RegistryRole(Construct):
    """Creates repositories, and may set how they are scanned and signed, and nothing else, only for CloudFormation.

    CDK's own deploy role would do, but whoever may assume it may deploy anything to the account, perhaps production's.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        stack: str,
        assets: str,
        repositories: str,
        region: str,
        settings: bool,
    ) -> None:
        """Create the role.

        Args:
            assets: What the names of that stack's templates begin with in the bootstrap bucket.
            settings: Whether it also sets what holds for the whole registry.
        """
        super().__init__(scope, construct_id)
        self._region, self._stack, self._assets = region, stack, assets
        arn = self._arn("ecr", "repository", repositories)
        bootstrap = self._arn("ssm", "parameter", "cdk-bootstrap/*")
        self.role = iam.Role(
            self,
            "Role",
            role_name=name,
            description="Creates the image repositories for CloudFormation, and deletes none",
            assumed_by=iam.ServicePrincipal("cloudformation.amazonaws.com"),
        )
        policy = iam.Policy(
            self,
            "Policy",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(
                    actions=list(_REPOSITORY_WRITES),
                    resources=[arn],
                ),
                iam.PolicyStatement(
                    # AWS's key for ECR, whose id is not known before.
                    actions=["kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant"],
                    resources=["*"],
                    conditions={"StringEquals": {"kms:ViaService": f"ecr.{region}.{cdk.Stack.of(self).url_suffix}"}},
                ),
                iam.PolicyStatement(actions=["ssm:GetParameters"], resources=[bootstrap]),
                *(_settings() if settings else ()),
            ],
        )
        acknowledge_own_policy(policy)
        acknowledge(
            policy,
            "Repositories get names later; a registry's setting and AWS's own key have no name",
            *(f"{AWS_SOLUTIONS}-IAM5[Resource::{each}]" for each in ("*", arn, bootstrap)),
        )

    def deployment(self) -> list[iam.PolicyStatement]:
        """What else a job needs to deploy the registry's stack with this role and no other."""
        stack, stacks = cdk.Stack.of(self), self._stacks()
        bucket = f"arn:{stack.partition}:s3:::{bootstrap_bucket_name(stack.account, self._region)}"
        return [
            iam.PolicyStatement(
                actions=["cloudformation:CreateChangeSet"],
                resources=stacks,
                # Without it, CloudFormation would act by the role that an administrator last deployed the stack by.
                conditions={"StringEquals": {"cloudformation:RoleArn": self.role.role_arn}},
            ),
            iam.PolicyStatement(
                actions=[
                    "cloudformation:DeleteChangeSet",
                    "cloudformation:DescribeChangeSet",
                    "cloudformation:DescribeStackEvents",
                    "cloudformation:DescribeStacks",
                    "cloudformation:ExecuteChangeSet",
                    "cloudformation:GetTemplate",
                    "cloudformation:UpdateTerminationProtection",
                ],
                resources=stacks,
            ),
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[self.role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}},
            ),
            iam.PolicyStatement(
                actions=["s3:GetBucketLocation", "s3:GetEncryptionConfiguration", "s3:ListBucket"], resources=[bucket]
            ),
            iam.PolicyStatement(actions=["s3:GetObject", "s3:PutObject"], resources=[f"{bucket}/{self._assets}*"]),
            iam.PolicyStatement(
                actions=["ssm:GetParameter"], resources=[self._arn("ssm", "parameter", "cdk-bootstrap/*")]
            ),
        ]

    def comparison(self) -> iam.PolicyStatement:
        """What a job needs to see whether the registry's stack would change."""
        return iam.PolicyStatement(
            actions=["cloudformation:DescribeStacks", "cloudformation:GetTemplate"], resources=self._stacks()
        )

    def _stacks(self) -> list[str]:
        return [self._arn("cloudformation", "stack", f"{self._stack}/*")]

    def _arn(self, service: str, resource: str, name: str) -> str:
        stack = cdk.Stack.of(self)
        return stack.format_arn(service=service, region=self._region, resource=resource, resource_name=name)


def _settings() -> list[iam.PolicyStatement]:
    """What a role needs to set how the whole registry scans and signs; Inspector's setting belongs to the account."""
    return [
        iam.PolicyStatement(
            actions=[
                # No more than setting it to nothing: CloudFormation undoes a first deployment that fails.
                "ecr:DeleteSigningConfiguration",
                "ecr:GetRegistryScanningConfiguration",
                "ecr:GetSigningConfiguration",
                "ecr:PutRegistryScanningConfiguration",
                "ecr:PutSigningConfiguration",
                "inspector2:Enable",
                "inspector2:ListAccountPermissions",
                "signer:GetSigningProfile",
                "signer:ListTagsForResource",
                "signer:PutSigningProfile",
            ],
            resources=["*"],
        ),
        iam.PolicyStatement(
            actions=["iam:CreateServiceLinkedRole"],
            resources=["*"],
            conditions={"StringEquals": {"iam:AWSServiceName": "inspector2.amazonaws.com"}},
        ),
    ]
