"""The pipeline's source: its triggers and path filters, and who may use the CodeConnections connection."""

from collections.abc import Iterator

import aws_cdk as cdk
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import pipelines

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, NIST, acknowledge
from nova_infra.config import Source
from nova_infra.constructs.statements import allow

_BY_OLD_NAME = "codestar-connections:UseConnection"
_BY_NEW_NAME = "codeconnections:UseConnection"


def grant_connection(pipeline: pipelines.CodePipeline, connection_arn: str, *, repository: str) -> None:
    """Limit the roles that CDK grants the connection to reading this repository.

    CDK grants ``codestar-connections:UseConnection`` alone, which a connection that was made since the service has been
    renamed refuses (awslabs/landing-zone-accelerator-on-aws#828): neither the source nor a build could read anything.
    Either name without a condition means writing to every repository that the connection reaches; see
    https://docs.aws.amazon.com/dtconsole/latest/userguide/security-iam.html.
    """
    stack = cdk.Stack.of(pipeline)
    allowed = allow([_BY_NEW_NAME], on=[connection_arn])
    denied = list(_denials(repository))
    for node in pipeline.node.find_all():
        if isinstance(node, iam.Policy) and _BY_OLD_NAME in str(stack.resolve(node.document)):
            node.add_statements(allowed, *denied)


def _denials(repository: str) -> Iterator[iam.PolicyStatement]:
    """Denies what no grant covers. A call that names no repository is not about another repository."""
    for action in (_BY_OLD_NAME, _BY_NEW_NAME):
        prefix = action.partition(":")[0]
        for conditions in (
            {
                "StringNotEquals": {f"{prefix}:FullRepositoryId": repository},
                "Null": {f"{prefix}:FullRepositoryId": "false"},
            },
            {"StringEquals": {f"{prefix}:ProviderPermissionsRequired": "read_write"}},
        ):
            yield iam.PolicyStatement(effect=iam.Effect.DENY, actions=[action], resources=["*"], conditions=conditions)


def source_of(source: Source) -> pipelines.CodePipelineSource:
    """The pipeline's source: by the connection, or by a token."""
    if source.connection_arn is not None:
        return pipelines.CodePipelineSource.connection(
            source.repository,
            source.branch,
            connection_arn=source.connection_arn,
            # A clone instead of an archive keeps git's executable bits, which image tags depend on, and the commit.
            code_build_clone_output=True,
        )
    assert source.token_secret is not None, "the model requires one of the two"
    # This action can only hand on an archive: without git there is no commit to tag images with.
    return pipelines.CodePipelineSource.git_hub(
        source.repository, source.branch, authentication=cdk.SecretValue.secrets_manager(source.token_secret)
    )


def sign_pushes(pipeline: pipelines.CodePipeline) -> None:
    """Give the webhook a secret of its own: with CDK's, GitHub would sign pushes with the token itself.

    AWS asks for one that nothing else uses, of at most 100 characters, which CloudFormation may read by a dynamic
    reference: https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_WebhookAuthConfiguration.html. Pushes
    signed with one of special characters are ignored (cloudposse/terraform-aws-cicd#89). Nothing says that GitHub hears
    of another secret of a webhook that it knows: so it is another webhook, in pipelines that had one without this.
    """
    [webhook] = (node for node in pipeline.node.find_all() if isinstance(node, codepipeline.CfnWebhook))
    webhook.override_logical_id("SignedWebhook")
    letters = secretsmanager.SecretStringGenerator(exclude_punctuation=True, password_length=64)
    secret = secretsmanager.Secret(
        cdk.Stack.of(pipeline), "Webhook", description="Signs what GitHub sends", generate_secret_string=letters
    )
    webhook.authentication_configuration = codepipeline.CfnWebhook.WebhookAuthConfigurationProperty(
        secret_token=secret.secret_value.unsafe_unwrap()
    )
    acknowledge(
        secret,
        "GitHub keeps a copy that a rotation would not reach, and it can do nothing but start the pipeline",
        f"{AWS_SOLUTIONS}-SMG4",
        f"{NIST}-SecretsManagerRotationEnabled",
        f"{NIST}-SecretsManagerUsingKMSKey",
    )


def deliver_pushes(pipeline: codepipeline.Pipeline, source: Source) -> None:
    """Start the pipeline on pushes to the branch, except those that change only ignored paths."""
    pipeline.add_trigger(
        provider_type=codepipeline.ProviderType.CODE_STAR_SOURCE_CONNECTION,
        git_configuration=codepipeline.GitConfiguration(
            source_action=pipeline.stages[0].actions[0],
            push_filter=[
                codepipeline.GitPushFilter(
                    branches_includes=[source.branch], file_paths_excludes=list(source.ignore_paths) or None
                )
            ],
        ),
    )
