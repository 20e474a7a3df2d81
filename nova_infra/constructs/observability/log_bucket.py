"""The S3 bucket for load balancers' access logs and flow logs; ``log_retention_days`` says how long."""

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, NIST, acknowledge
from nova_infra.constructs.private_bucket import private_bucket


class LogBucket(Construct):
    """A private, versioned bucket whose objects expire."""

    def __init__(self, scope: Construct, construct_id: str, *, retention_days: int) -> None:
        """Create the bucket."""
        super().__init__(scope, construct_id)
        # Load balancers cannot write to a bucket that is encrypted with a customer's key.
        encryption = s3.BucketEncryption.S3_MANAGED
        self.bucket = private_bucket(self, expires=cdk.Duration.days(retention_days), encryption=encryption)
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
