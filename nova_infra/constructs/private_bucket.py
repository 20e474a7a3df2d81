"""A bucket that only TLS reaches and whose objects expire: for logs and for a pipeline's artifacts."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct


def private_bucket(
    scope: Construct, *, expires: cdk.Duration, encryption: s3.BucketEncryption, key: kms.IKey | None = None
) -> s3.Bucket:
    """A private, versioned bucket, which stays when its stack is deleted.

    Args:
        key: Encrypts the objects. Default: a key of S3's own.
    """
    day = cdk.Duration.days(1)
    return s3.Bucket(
        scope,
        "Bucket",
        encryption=encryption,
        encryption_key=key,
        bucket_key_enabled=True if key else None,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=True,
        # Also where its stack's creation fails: a load balancer has written its test file by then, and CloudFormation
        # deletes no bucket that holds something.
        removal_policy=cdk.RemovalPolicy.RETAIN,
        lifecycle_rules=[
            s3.LifecycleRule(
                expiration=expires, noncurrent_version_expiration=day, abort_incomplete_multipart_upload_after=day
            )
        ],
    )
