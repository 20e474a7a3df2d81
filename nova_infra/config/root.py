"""The root model of ``nova.toml``: all its tables, and what follows from them, such as repositories of images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from nova_infra.config.delivery import Delivery, Images, Platform, ReleaseSettings, Source, Toolchain
from nova_infra.config.environment import Environment
from nova_infra.config.rehearsal.dependency import Rehearsal
from nova_infra.config.services.service import Service
from nova_infra.config.values.fields import Model
from nova_infra.errors import ConfigError
from nova_infra.names import early_repository_name, repository_name

CONFIG_FILE = "nova.toml"


@dataclass(frozen=True)
class ValidParts:
    """The parts of ``nova.toml`` that are valid by themselves, for the rules that compare them.

    Attributes:
        environments: By their place in the file.
        environment_count: How many environments there are, valid or not.
        environment_names: Their names, as far as they are texts; None where one has no name to go by.
        services: By their place in the file.
    """

    platform: Platform
    toolchain: Toolchain | None
    source: Source | None
    delivery: Delivery | None
    images: Images | None
    release: ReleaseSettings
    environments: Mapping[int, Environment]
    environment_count: int
    environment_names: frozenset[str] | None
    services: Mapping[int, Service]


class Config(Model):
    """All of ``nova.toml``."""

    platform: Platform = Platform()
    toolchain: Toolchain
    source: Source
    delivery: Delivery = Delivery()
    release: ReleaseSettings = ReleaseSettings()
    images: Images = Images()
    environments: Annotated[tuple[Environment, ...], Field(min_length=1)]
    services: Annotated[tuple[Service, ...], Field(min_length=1)]
    rehearsal: Rehearsal = Rehearsal()

    def environment(self, name: str) -> Environment:
        """The environment of that name."""
        for environment in self.environments:
            if environment.name == name:
                return environment
        raise ConfigError(
            f"environment: {name!r} is not one of {', '.join(e.name for e in self.environments)}: "
            f"choose one of them, or add it to {CONFIG_FILE}"
        )

    @property
    def early_branch(self) -> str | None:
        """The branch that is delivered only to the first environment; None where there is none."""
        return self.delivery.early_branch if self.delivery.engine == "github-actions" else None

    def takes_early_images(self, environment: str) -> bool:
        """Whether an environment runs what the early branch builds, from repositories that no other one pulls from."""
        return self.early_branch is not None and environment == self.environments[0].name

    def repository(self, service: str, environment: str) -> str:
        """Name of the repository that an environment pulls a service's images from; ``*`` for those of all services."""
        name = early_repository_name if self.takes_early_images(environment) else repository_name
        return name(self.platform.name, service)

    def service(self, name: str) -> Service:
        """The service of that name."""
        for service in self.services:
            if service.name == name:
                return service
        choices = ", ".join(s.name for s in self.services)
        raise ConfigError(f"service: {name!r} is not one of {choices}: choose one of them")
