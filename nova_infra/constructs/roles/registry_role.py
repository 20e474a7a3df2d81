"""The role that CloudFormation deploys the image repositories with, for a GitHub job that has few permissions."""

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge, acknowledge_own_policy
from nova_infra.constructs.statements import allow, allow_passing
from nova_infra.names import bootstrap_bucket_name

# The resource types' handlers call these: https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-ecr.
# None deletes a repository or an image. Each update of a repository sets again whether its tags can be overwritten, to
# what the template says (UpdateHandler.java): without that action no policy would change, and no rollback would work.
_REPOSITORY_WRITES = (
    "ecr:CreateRepository",
    "ecr:DeleteLifecyclePolicy",
    "ecr:DeleteRepositoryPolicy",
    "ecr:DescribeRepositories",
    "ecr:GetLifecyclePolicy",
    "ecr:GetRepositoryPolicy",
    "ecr:ListTagsForResource",
    "ecr:PutImageScanningConfiguration",
    "ecr:PutImageTagMutability",
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
        self._allow(arn, bootstrap, _settings() if settings else ())

    def _allow(self, arn: str, bootstrap: str, more: Iterable[iam.PolicyStatement]) -> None:
        region = self._region
        policy = iam.Policy(
            self,
            "Policy",
            roles=[self.role],
            statements=[
                allow(list(_REPOSITORY_WRITES), on=[arn]),
                allow(
                    # AWS's key for ECR, whose id is not known before.
                    ["kms:CreateGrant", "kms:DescribeKey", "kms:RetireGrant"],
                    on=["*"],
                    only_if={"StringEquals": {"kms:ViaService": f"ecr.{region}.{cdk.Stack.of(self).url_suffix}"}},
                ),
                allow(["ssm:GetParameters"], on=[bootstrap]),
                *more,
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
            allow(
                # Without it, CloudFormation would act by the role that an administrator last deployed the stack by.
                ["cloudformation:CreateChangeSet"],
                on=stacks,
                only_if={"StringEquals": {"cloudformation:RoleArn": self.role.role_arn}},
            ),
            allow(
                [
                    "cloudformation:DeleteChangeSet",
                    "cloudformation:DescribeChangeSet",
                    "cloudformation:DescribeStackEvents",
                    "cloudformation:DescribeStacks",
                    "cloudformation:ExecuteChangeSet",
                    "cloudformation:GetTemplate",
                    "cloudformation:UpdateTerminationProtection",
                ],
                on=stacks,
            ),
            allow_passing([self.role.role_arn], to="cloudformation"),
            allow(["s3:GetBucketLocation", "s3:GetEncryptionConfiguration", "s3:ListBucket"], on=[bucket]),
            allow(["s3:GetObject", "s3:PutObject"], on=[f"{bucket}/{self._assets}*"]),
            allow(["ssm:GetParameter"], on=[self._arn("ssm", "parameter", "cdk-bootstrap/*")]),
        ]

    def comparison(self) -> iam.PolicyStatement:
        """What a job needs to see whether the registry's stack would change."""
        return allow(["cloudformation:DescribeStacks", "cloudformation:GetTemplate"], on=self._stacks())

    def _stacks(self) -> list[str]:
        return [self._arn("cloudformation", "stack", f"{self._stack}/*")]

    def _arn(self, service: str, resource: str, name: str) -> str:
        stack = cdk.Stack.of(self)
        return stack.format_arn(service=service, region=self._region, resource=resource, resource_name=name)


def _settings() -> list[iam.PolicyStatement]:
    """What a role needs to set how the whole registry scans and signs; Inspector's setting belongs to the account."""
    return [
        allow(
            [
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
            on=["*"],
        ),
        allow(
            ["iam:CreateServiceLinkedRole"],
            on=["*"],
            only_if={"StringEquals": {"iam:AWSServiceName": "inspector2.amazonaws.com"}},
        ),
    ]
