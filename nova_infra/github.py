"""The names that GitHub Actions workflows and the roles they assume have to share. Imports no CDK."""

import math

from nova_infra.config import Config, Environment
from nova_infra.config.group import deployment_minutes
from nova_infra.names import (
    REGISTRY_ENVIRONMENT,
    deploy_role_name,
    early_image_role_name,
    environment_prefix,
    image_role_name,
    partition_of,
    repositories_role_name,
)

IMAGE_SESSION_SECONDS = 3600
_HOUR = 3600
_LONGEST = 12 * _HOUR
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-role-settings.html"""


def github_accounts(config: Config) -> list[str]:
    """The accounts that GitHub Actions works in: the toolchain's and every environment's, each once."""
    return list(dict.fromkeys([config.toolchain.account, *(each.account for each in config.environments)]))


def deploy_session_seconds(config: Config, environment: Environment) -> int:
    """How long the credentials of a deployment have to be good for: the slowest service waits for gates and bakes.

    The CDK CLI assumes its own roles again, for an hour each time, for as long as these credentials are valid.
    """
    minutes = deployment_minutes(config.release, config.services, environment)
    return min(math.ceil(minutes / 60) * _HOUR + _HOUR, _LONGEST)


def outputs(config: Config, environment: str | None = None, *, branch: str = "") -> dict[str, str]:
    """What a job has to know, as name and value.

    Args:
        environment: Name of the environment that the job deploys, or ``registry`` for the image repositories. Default:
            it builds images.
        branch: The branch that it runs for: the early branch's images are published by a role of their own.

    Raises:
        ConfigError: There is no such environment.
    """
    if environment is None:
        name = early_image_role_name if branch and branch == config.early_branch else image_role_name
        role = name(config.platform.name)
        return {
            "engine": config.delivery.engine,
            "role": f"arn:{partition_of(config.toolchain.region)}:iam::{config.toolchain.account}:role/{role}",
            "region": config.toolchain.region,
            "session-seconds": str(IMAGE_SESSION_SECONDS),
        }
    if environment == REGISTRY_ENVIRONMENT:
        known = outputs(config)
        place, _, _ = known["role"].rpartition("/")
        return {**known, "role": f"{place}/{repositories_role_name(config.platform.name)}"}
    chosen = config.environment(environment)
    role = deploy_role_name(environment_prefix(config.platform.name, chosen.name))
    return {
        "engine": config.delivery.engine,
        "role": f"arn:{partition_of(chosen.region)}:iam::{chosen.account}:role/{role}",
        "region": chosen.region,
        "session-seconds": str(deploy_session_seconds(config, chosen)),
    }
