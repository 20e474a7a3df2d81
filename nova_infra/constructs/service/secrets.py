"""Secret values, from Secrets Manager or Parameter Store."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from nova_infra.config import Secret


def secret_value(scope: Construct, construct_id: str, secret: Secret) -> ecs.Secret:
    """What a container gets as one variable, read by the execution role when a task starts.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html

    Args:
        scope: Parent of what it is imported as.
        construct_id: Id under the parent.
        secret: Where the value is. With a customer's key, the execution role may decrypt with it.
    """
    key = kms.Key.from_key_arn(scope, f"{construct_id}Key", secret.key) if secret.key else None
    if secret.parameter is not None:
        return ecs.Secret.from_ssm_parameter(
            ssm.StringParameter.from_secure_string_parameter_attributes(
                scope, construct_id, parameter_name=secret.parameter, encryption_key=key
            )
        )
    assert secret.secret is not None, "the model requires one of the two"
    if secret.secret.startswith("arn:"):
        found = secretsmanager.Secret.from_secret_attributes(
            scope, construct_id, secret_complete_arn=secret.secret, encryption_key=key
        )
    elif key is None:
        found = secretsmanager.Secret.from_secret_name_v2(scope, construct_id, secret.secret)
    else:
        found = secretsmanager.Secret.from_secret_attributes(
            scope,
            construct_id,
            secret_partial_arn=cdk.Stack.of(scope).format_arn(
                service="secretsmanager",
                resource="secret",
                resource_name=secret.secret,
                arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
            ),
            encryption_key=key,
        )
    return ecs.Secret.from_secrets_manager(found, secret.field)
