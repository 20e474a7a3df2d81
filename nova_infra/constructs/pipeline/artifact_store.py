"""The S3 bucket for the artifacts that a pipeline's stages pass on, and its replicas in other regions."""

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, NIST, acknowledge
from nova_infra.constructs.private_bucket import private_bucket

KEPT_FOR = cdk.Duration.days(90)
"""A stage can be rolled back to an execution as long as its artifacts are there."""

_SHORTENED = 8
"""How much of an artifact's name its key is sure to contain: CodePipeline keeps ten characters, undocumented."""


class ArtifactStore(Construct):
    """An encrypted, versioned bucket whose objects expire once no rollback needs them."""

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey) -> None:
        """Create the bucket.

        Args:
            key: Encrypts the artifacts. The deployments' accounts get leave to use it.
        """
        super().__init__(scope, construct_id)
        self.bucket = private_bucket(self, expires=KEPT_FOR, encryption=s3.BucketEncryption.KMS, key=key)
        acknowledge(
            self.bucket,
            "Only the pipeline reads and writes here; CloudTrail data events record who did, where one needs to know",
            f"{AWS_SOLUTIONS}-S1",
            f"{NIST}-S3BucketLoggingEnabled",
        )
        acknowledge(
            self.bucket,
            "Every artifact can be made again from its commit",
            f"{NIST}-S3BucketReplicationEnabled",
        )


def expire_replica(bucket: s3.IBucket) -> None:
    """Keep CDK's copies of artifacts in another region no longer than the artifacts themselves."""
    replica = bucket.node.default_child
    assert isinstance(replica, s3.CfnBucket)
    rule = s3.CfnBucket.RuleProperty(status="Enabled", expiration_in_days=KEPT_FOR.to_days())
    replica.lifecycle_configuration = s3.CfnBucket.LifecycleConfigurationProperty(rules=[rule])


def write_only(role: iam.IRole, bucket: s3.IBucket, *, artifacts: Iterable[str]) -> None:
    """Let a role that CDK lets write to the whole bucket write its own artifacts, and delete nothing.

    CodePipeline puts an artifact under the pipeline's and the artifact's name, both shortened, and a random one. So
    what the role wrote for an earlier execution stays within its reach: it may list the bucket.
    """
    own = [bucket.arn_for_objects(f"*/{name[:_SHORTENED]}*") for name in artifacts]
    for statement in (
        iam.PolicyStatement(effect=iam.Effect.DENY, actions=["s3:DeleteObject*"], resources=["*"]),
        iam.PolicyStatement(effect=iam.Effect.DENY, actions=["s3:PutObject*"], not_resources=own),
    ):
        role.add_to_principal_policy(statement)
