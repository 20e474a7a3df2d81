"""Acknowledges cdk-nag's findings on the policies that CDK generates for a pipeline, each with its reason."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import pipelines
from constructs import IConstruct

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, NIST, acknowledge, acknowledge_own_policy
from nova_infra.constructs.pipeline.artifact_store import expire_replica

_READ = ("kms:GenerateDataKey*", "kms:ReEncrypt*", "s3:GetBucket*", "s3:GetObject*", "s3:List*")
_WRITE = ("s3:Abort*", "s3:DeleteObject*")


def acknowledge_grants(
    pipeline: pipelines.CodePipeline,
    *,
    artifacts: s3.IBucket,
    images: Sequence[pipelines.CodeBuildStep],
    published: Sequence[str],
) -> None:
    """Accept what the roles of a pipeline and of its projects are granted.

    Args:
        published: ARNs of the repositories that they write to, and of what signs images there.
    """
    bucket = artifacts.node.default_child
    assert isinstance(bucket, cdk.CfnResource)
    stack = cdk.Stack.of(pipeline)
    partition, place = stack.partition, f"{stack.region}:{stack.account}"
    synthesis = pipeline.synth_project.node.path
    objects = f"Resource::<{stack.get_logical_id(bucket)}.Arn>/*"
    _accept_artifacts(pipeline.pipeline.role, objects, writes=True)
    for node in pipeline.node.find_all():
        if isinstance(node, iam.Policy):
            acknowledge_own_policy(node)
        if isinstance(node, codebuild.Project):
            own, role = node.node, node.role
            _accept_project(own.default_child, role, stack=stack, partition=partition, place=place)
            _accept_artifacts(role, objects, writes=own.path == synthesis)
    assets = pipeline.node.try_find_child("Assets")
    for node in assets.node.find_all() if assets is not None else ():
        if isinstance(node, iam.Role):
            _accept_assets(node, partition=partition, place=place)
    for support in pipeline.pipeline.cross_region_support.values():
        support.stack.termination_protection = stack.termination_protection
        _accept_replica(support.replication_bucket, pipeline.pipeline.role, stack=stack)
    said = "A login to ECR and the lists of Inspector have no narrower resource; one build makes and signs all images"
    for step in images:
        acknowledge(step.project, said, *(_iam5(f"Resource::{stack.resolve(each)}") for each in ("*", *published)))
    acknowledge(
        pipeline.self_mutation_project,
        "The pipeline deploys itself by CDK's bootstrap roles, which a condition on their tag narrows; "
        "listing stacks and buckets has no narrower resource",
        _iam5("Resource::*"),
        _iam5(f"Resource::arn:*:iam::{stack.account}:role/*"),
    )


def _accept_assets(role: iam.Role, *, partition: str, place: str) -> None:
    acknowledge(
        role,
        "CDK gives the projects that publish assets one role; what they log and report is not known before, "
        "and a login to ECR has no narrower resource",
        _iam5("Resource::*"),
        _iam5(f"Resource::arn:{partition}:logs:{place}:log-group:/aws/codebuild/*"),
        _iam5(f"Resource::arn:{partition}:codebuild:{place}:report-group/*"),
    )


def _accept_artifacts(role: iam.IRole | None, objects: str, *, writes: bool) -> None:
    assert role is not None, "CDK Pipelines gives every project a role"
    acknowledge(
        role,
        "The actions that S3 and KMS need to read and write artifacts of this pipeline's bucket, and of no other",
        _iam5(objects),
        *(_iam5(f"Action::{action}") for action in (*_READ, *(_WRITE if writes else ()))),
    )


def _accept_replica(bucket: s3.IBucket, role: iam.IRole, *, stack: cdk.Stack) -> None:
    # It has a name, which would be taken after a first deployment that failed.
    bucket.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
    expire_replica(bucket)
    acknowledge(
        bucket,
        "A copy of artifacts for one region, made again by every execution",
        f"{AWS_SOLUTIONS}-S1",
        f"{NIST}-S3BucketLoggingEnabled",
        f"{NIST}-S3BucketReplicationEnabled",
        f"{NIST}-S3BucketVersioningEnabled",
    )
    acknowledge(
        role, "Artifacts of this pipeline in that region", _iam5(f"Resource::{stack.resolve(bucket.bucket_arn)}/*")
    )
    if bucket.encryption_key is not None:
        acknowledge(role, "The replica's key has no ARN before it is deployed in its region", _iam5("Resource::*"))


def _accept_project(
    resource: IConstruct | None, role: iam.IRole | None, *, stack: cdk.Stack, partition: str, place: str
) -> None:
    assert isinstance(resource, cdk.CfnResource)
    name = f"<{stack.get_logical_id(resource)}>"
    assert role is not None, "CDK Pipelines gives every project a role"
    acknowledge(
        role,
        "Streams of the project's own log group, and its own test reports",
        _iam5(f"Resource::arn:{partition}:logs:{place}:log-group:/aws/codebuild/{name}:*"),
        _iam5(f"Resource::arn:{partition}:codebuild:{place}:report-group/{name}-*"),
    )


def _iam5(detail: str) -> str:
    return f"{AWS_SOLUTIONS}-IAM5[{detail}]"
