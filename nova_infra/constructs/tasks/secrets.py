"""A container's secret variables and its image's login, from Secrets Manager or Parameter Store."""

from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from nova_infra.config import Login, Secret
from nova_infra.constructs.statements import allow


def secret_value(scope: Construct, construct_id: str, secret: Secret, role: iam.IRole) -> ecs.Secret:
    """What a container gets as one variable, read by the execution role when a task starts.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html

    Args:
        role: The execution role, which may decrypt with the customer's key, if there is one.
    """
    if secret.key is not None:
        # CDK grants it on a key's own policy, which an imported key does not let it change.
        role.add_to_principal_policy(allow(["kms:Decrypt"], on=[secret.key]))
    if secret.parameter is not None:
        return ecs.Secret.from_ssm_parameter(
            ssm.StringParameter.from_secure_string_parameter_attributes(
                scope, construct_id, parameter_name=secret.parameter
            )
        )
    assert secret.secret is not None, "the model requires one of the two"
    return ecs.Secret.from_secrets_manager(_found(scope, construct_id, secret.secret), secret.field)


def registry_login(scope: Construct, construct_id: str, login: Login, role: iam.IRole) -> secretsmanager.ISecret:
    """The login that the execution role gives the registry of an image: JSON with ``username`` and ``password``.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html

    Args:
        role: The execution role, which may read the secret and decrypt with the customer's key, if there is one.
    """
    if login.key is not None:
        role.add_to_principal_policy(allow(["kms:Decrypt"], on=[login.key]))
    return _found(scope, construct_id, login.secret)


def _found(scope: Construct, construct_id: str, name: str) -> secretsmanager.ISecret:
    by_arn, by_name = secretsmanager.Secret.from_secret_complete_arn, secretsmanager.Secret.from_secret_name_v2
    return (by_arn if name.startswith("arn:") else by_name)(scope, construct_id, name)
