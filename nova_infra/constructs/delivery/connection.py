"""Who may read the source through a CodeConnections connection."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import pipelines

_BY_OLD_NAME = "codestar-connections:UseConnection"
_BY_NEW_NAME = "codeconnections:UseConnection"


def grant_connection(pipeline: pipelines.CodePipeline, connection_arn: str) -> None:
    """Let every role that CDK lets use the connection by its old name use it by the new one.

    CDK grants ``codestar-connections:UseConnection`` alone, which a connection that was made since the service has been
    renamed refuses (awslabs/landing-zone-accelerator-on-aws#828): neither the source nor a build could read anything.

    Args:
        pipeline: The pipeline, after ``build_pipeline()``.
        connection_arn: The connection.
    """
    stack = cdk.Stack.of(pipeline)
    for node in pipeline.node.find_all():
        if isinstance(node, iam.Policy) and _BY_OLD_NAME in str(stack.resolve(node.document)):
            node.add_statements(iam.PolicyStatement(actions=[_BY_NEW_NAME], resources=[connection_arn]))
