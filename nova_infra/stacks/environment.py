"""All stacks of one environment: the platform, one for each service, the overview; and their order."""

from collections.abc import Mapping

from constructs import Construct

from nova_infra.config import Config, Environment
from nova_infra.config.group import group, group_minutes
from nova_infra.config.resolved import resolved
from nova_infra.names import environment_prefix
from nova_infra.stacks.overview import OverviewStack
from nova_infra.stacks.platform import PlatformStack
from nova_infra.stacks.services.background import BackgroundStack
from nova_infra.stacks.services.infrastructure import Extension, extend
from nova_infra.stacks.services.web import WebServiceStack
from nova_infra.stacks.services.workload import WorkloadProps


class EnvironmentStacks:
    """The stacks of one environment, created directly in a scope.

    The pipeline wraps them in a stage; a direct deployment puts them in the app, where ``cdk deploy --all`` sees them.
    Either way they are the same stacks under the same names, with the same templates.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        config: Config,
        environment: Environment,
        image_tags: Mapping[str, str],
        extensions: Mapping[str, Extension],
    ) -> None:
        """Create the stacks.

        Args:
            image_tags: Service name to image tag, for every service.
            extensions: Service name to what makes its own resources, for those that have some.
        """
        prefix = environment_prefix(config.platform.name, environment.name)
        members = group(config.release, config.services, environment)
        self.platform = PlatformStack(
            scope,
            "platform",
            prefix=prefix,
            config=config,
            environment=environment,
            group={name: image_tags[name] for name in members},
        )
        minutes = dict.fromkeys(members, group_minutes(config.release, config.services, environment))
        self.services: dict[str, WebServiceStack | BackgroundStack] = {}
        for each in (resolved(service, environment) for service in config.services):
            name, kind = each.service.name, WebServiceStack if each.service.kind == "web" else BackgroundStack
            waits, tag = minutes.get(name, 0), image_tags[name]
            props = WorkloadProps(config, self.platform, each.environment, each.service, tag, group_minutes=waits)
            self.services[name] = kind(scope, props)
        for name, extension in extensions.items():
            self._extend(name, extension, environment)
        OverviewStack(
            scope, "overview", prefix=prefix, environment=environment, platform=self.platform, services=self.services
        )

    def _extend(self, name: str, extension: Extension, environment: Environment) -> None:
        """Add a service's own resources to its stack."""
        stack = self.services[name]
        extend(
            extension,
            stack,
            stack.task,
            name=name,
            environment=environment.name,
            platform=self.platform,
            security_group=stack.security_group,
        )
