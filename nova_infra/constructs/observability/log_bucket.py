"""The bucket for the logs of the load balancer and the network."""

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, NIST, acknowledge


class LogBucket(Construct):
    """A private, versioned bucket whose objects expire.

    Attributes:
        bucket: The bucket.
    """

    def __init__(self, scope: Construct, construct_id: str, *, retention_days: int) -> None:
        """Create the bucket.

        Args:
            retention_days: Days after which an object is deleted.
        """
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            # Load balancers cannot write to a bucket that is encrypted with a customer's key.
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(retention_days),
                    noncurrent_version_expiration=cdk.Duration.days(1),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
        )
        acknowledge(
            self.bucket, "Load balancers can only write with S3's own encryption", f"{NIST}-S3DefaultEncryptionKMS"
        )
        acknowledge(
            self.bucket,
            "It holds logs only, and what reads them is in CloudTrail: a log of the log, or a copy, would add nothing",
            f"{AWS_SOLUTIONS}-S1",
            f"{NIST}-S3BucketLoggingEnabled",
            f"{NIST}-S3BucketReplicationEnabled",
        )
