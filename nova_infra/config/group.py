"""The services that ``together`` deploys as one, and how long a release's deployments may take."""

from collections.abc import Iterable, Iterator

from nova_infra.config.delivery import ReleaseSettings
from nova_infra.config.environment import Environment
from nova_infra.config.resolved import Resolved, resolved
from nova_infra.config.services.service import Service

BEFORE_DEPLOY_MINUTES = 60
"""What a command before the deployment may take.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html
"""


def group(release: ReleaseSettings, services: Iterable[Service], environment: Environment) -> tuple[str, ...]:
    """The names of the services that wait for one another; none where a release does not go together.

    A worker or a job takes no users, so nobody waits for it. A rolling service gets users task by task and cannot wait,
    so an environment whose own rollout is rolling has no group.
    """
    if not release.together or environment.rollout.strategy == "rolling":
        return ()
    return tuple(each.service.name for each in _members(services, environment))


def group_minutes(release: ReleaseSettings, services: Iterable[Service], environment: Environment) -> int:
    """How long a service waits for the others at most: until the slowest gate before the first user, and then some."""
    rollouts = (each.environment.rollout for each in _members(services, environment))
    return release.wait_minutes + max((each.gate_minutes for each in rollouts if each.gate), default=0)


def deployment_minutes(release: ReleaseSettings, services: Iterable[Service], environment: Environment) -> float:
    """How long the slowest deployment to an environment bakes and waits: for gates, for the others, for a command."""
    services = list(services)
    members = group(release, services, environment)
    waits = group_minutes(release, services, environment)

    def minutes(service: Service) -> float:
        rollout = resolved(service, environment).environment.rollout
        before = BEFORE_DEPLOY_MINUTES if service.before_deploy else 0
        return before + rollout.minutes() + rollout.waiting_minutes() + (waits if service.name in members else 0)

    return max(map(minutes, services))


def _members(services: Iterable[Service], environment: Environment) -> Iterator[Resolved]:
    for service in services:
        found = resolved(service, environment)
        if service.kind == "web" and found.environment.rollout.strategy != "rolling":
            yield found
