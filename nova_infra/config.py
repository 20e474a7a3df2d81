"""``nova.toml`` as frozen, validated models.

The file is the only place where a user states what exists: the source, the environments in promotion order and the
services. :func:`load_config` reads all of it, reports every fault at once, and nothing below the entry point reads the
file, the environment or a context key again.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from nova_infra.errors import ConfigError

CONFIG_FILE = "nova.toml"

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
FARGATE_MEMORY_MIB: dict[int, range | tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}


def _matching(pattern: str, fault: str, remedy: str) -> AfterValidator:
    """A validator that refuses a string which does not match, in words that name the remedy."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise PydanticCustomError("nova", "{fault}: {remedy}", {"fault": fault, "remedy": remedy})
        return value

    return AfterValidator(check)


Account = Annotated[
    str, _matching(r"\d{12}", "is not an AWS account", "write its 12 digits in quotes, as in account = \"111122223333\"")
]
Region = Annotated[
    str, _matching(r"[a-z]{2}(-[a-z]+)+-\d", "is not an AWS region", "write one such as us-east-1 or ap-northeast-1")
]
Name = Annotated[
    str,
    _matching(
        r"[a-z](-?[a-z0-9])*",
        "is not a name that AWS resources can carry",
        "use lower-case letters, digits and single hyphens, starting with a letter",
    ),
]
PathPattern = Annotated[
    str, _matching(r"/\S{0,127}", "is not a path pattern", "start it with / and keep it under 128 characters")
]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Platform(_Model):
    """What the whole installation shares."""

    name: Annotated[Name, Field(max_length=12)] = "nova"
    """Prefix of every physical name: stacks, clusters, alarms, repositories."""


class Toolchain(_Model):
    """The account that holds the pipeline and the image repositories."""

    account: Account
    region: Region


class Source(_Model):
    """Where the pipeline takes the code from. Exactly one of ``connection_arn`` and ``token_secret`` is needed."""

    repository: Annotated[
        str, _matching(r"[\w.-]+/[\w.-]+", "is not a repository", "write owner/name, as in org/nova-platform")
    ]
    branch: str = "main"
    connection_arn: str | None = None
    """ARN of a CodeConnections connection. Preferred: nothing secret is stored."""
    token_secret: str | None = None
    """Name of a Secrets Manager secret that holds a GitHub token."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.connection_arn is None) == (self.token_secret is None):
            raise PydanticCustomError(
                "nova", "needs exactly one way to authenticate: set connection_arn or token_secret, not both"
            )
        return self


class Rollout(_Model):
    """How a new revision takes over from the old one. The strategies are ECS's own."""

    strategy: Literal["rolling", "canary", "linear", "blue-green"] = "rolling"
    percent: Annotated[float, Field(ge=0.1, le=100)] = 10
    """Share of traffic, in percent: the canary's, or one step of a linear rollout. Rolling and blue-green ignore it."""
    step_bake_minutes: Annotated[int, Field(ge=0, le=1440)] = 5
    """How long the canary, or each linear step, bakes before traffic moves on."""
    bake_minutes: Annotated[int, Field(ge=0, le=1440)] = 5
    """How long both revisions stay up after the last shift, with the alarms still watching."""


class Scaling(_Model):
    """How many tasks each service runs."""

    min_tasks: Annotated[int, Field(ge=1, le=1000)] = 1
    max_tasks: Annotated[int, Field(ge=1, le=1000)] = 4

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_tasks > self.max_tasks:
            raise PydanticCustomError(
                "nova", "has min_tasks above max_tasks: raise max_tasks or lower min_tasks"
            )
        return self


class Network(_Model):
    """The environment's VPC."""

    cidr: str = "10.0.0.0/16"
    zones: Annotated[int, Field(ge=2, le=3)] = 2
    nat_gateways: Annotated[int, Field(ge=1, le=3)] = 1


class Environment(_Model):
    """One environment; their order in the file is the promotion order."""

    name: Name
    account: Account
    region: Region
    tests: Literal["integration", "e2e"] | None = None
    """The suite that must pass after a deployment, before the next environment is touched."""
    approval: bool = False
    """Whether a person has to approve before this environment is deployed."""
    rollout: Rollout = Rollout()
    scaling: Scaling = Scaling()
    network: Network = Network()


class Service(_Model):
    """One container service. Its sources are in ``services/<name>/``."""

    name: Name
    paths: tuple[PathPattern, ...] = ()
    """Path patterns that the load balancer forwards to it. Default: ``/<name>/*``."""
    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384] = 256
    """CPU units; 1024 are one vCPU."""
    memory: int = 512
    """MiB; Fargate offers only certain pairs with ``cpu``."""
    port: Annotated[int, Field(ge=1024, le=65535)] = 8080
    environment: dict[str, str] = {}
    """Further environment variables of the container."""

    @model_validator(mode="before")
    @classmethod
    def _default_paths(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        paths = data.get("paths") or [f"/{data.get('name')}/*"]
        return data | {"paths": tuple(paths) if isinstance(paths, list) else paths}

    @model_validator(mode="after")
    def _fargate_size(self) -> Self:
        memory = FARGATE_MEMORY_MIB[self.cpu]
        if self.memory not in memory:
            raise PydanticCustomError(
                "nova",
                "has a size that Fargate does not offer: with cpu = {cpu}, set memory to one of {choices}",
                {"cpu": self.cpu, "choices": ", ".join(map(str, memory))},
            )
        return self


class Config(_Model):
    """All of ``nova.toml``."""

    platform: Platform = Platform()
    toolchain: Toolchain
    source: Source
    environments: Annotated[tuple[Environment, ...], Field(min_length=1)]
    services: Annotated[tuple[Service, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _lists_to_tuples(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        for key, names in (
            ("environments", [e.name for e in self.environments]),
            ("services", [s.name for s in self.services]),
        ):
            for name in _repeated(names):
                raise PydanticCustomError(
                    "nova", "{key} has {name!r} twice: give each its own name", {"key": key, "name": name}
                )
        for path in _repeated([path for service in self.services for path in service.paths]):
            owners = " and ".join(s.name for s in self.services if path in s.paths)
            raise PydanticCustomError(
                "nova",
                "services has the path {path!r} twice, in {owners}: the load balancer would only ever reach the first; "
                "give each service its own paths",
                {"path": path, "owners": owners},
            )
        return self

    def environment(self, name: str) -> Environment:
        """The environment of that name.

        Raises:
            ConfigError: There is none.
        """
        for environment in self.environments:
            if environment.name == name:
                return environment
        raise ConfigError(
            f"environment: {name!r} is not one of {', '.join(e.name for e in self.environments)}: "
            f"choose one of them, or add [[environments]] name = \"{name}\" to {CONFIG_FILE}"
        )

    def service(self, name: str) -> Service:
        """The service of that name.

        Raises:
            ConfigError: There is none.
        """
        for service in self.services:
            if service.name == name:
                return service
        raise ConfigError(f"service: {name!r} is not one of {', '.join(s.name for s in self.services)}: choose one of them")


def load_config(root: Path) -> Config:
    """Read and validate ``nova.toml`` and the service directories beside it.

    Args:
        root: The directory that holds ``nova.toml`` and ``services/``.

    Raises:
        ConfigError: With one line per fault, each naming the key, what is wrong and what to do.
    """
    path = root / CONFIG_FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{CONFIG_FILE}: not found in {root}: run the command in the project's directory") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{CONFIG_FILE}: is not UTF-8: save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{CONFIG_FILE}: is not valid TOML: {error}: mend that line") from None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError("\n".join(_line(e) for e in error.errors(include_url=False))) from None
    if faults := _directory_faults(config, root / "services"):
        raise ConfigError("\n".join(faults))
    return config


def _directory_faults(config: Config, directory: Path) -> list[str]:
    names = {service.name for service in config.services}
    present = {dockerfile.parent.name for dockerfile in directory.glob("*/Dockerfile")}
    return [
        f"{CONFIG_FILE}: services: {name!r} has no services/{name}/Dockerfile: create it, or remove the entry"
        for name in sorted(names - present)
    ] + [
        f"{CONFIG_FILE}: services: services/{name} has no entry: add [[services]] name = \"{name}\", or remove the directory"
        for name in sorted(present - names)
    ]


def _repeated(values: list[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


_REMEDIES = {
    "missing": "is missing: add it",
    "extra_forbidden": "is not a key that Nova knows: remove it, or correct its spelling",
    "string_type": "is not text: put it in quotes",
    "int_type": "is not a whole number: write it without quotes or decimals",
    "bool_type": "is neither true nor false: write one of them, without quotes",
    "tuple_type": "is not a list: write it in brackets, or as [[…]] tables",
    "too_short": "is empty: add at least one entry",
}


def _line(error: ErrorDetails) -> str:
    """One fault as one line: the key's path, the value where it helps, what is wrong and what to do."""
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    known = _REMEDIES.get(error["type"])
    if known:
        fault = known
    elif error["type"] == "nova":
        fault = error["msg"]
    else:
        message = error["msg"].removeprefix("Input ")
        fault = f"{message}: change it accordingly"
    value = error["input"]
    shown = f" {value!r}" if isinstance(value, (str, int, float, bool)) else ""
    return " ".join(f"{CONFIG_FILE}: {f'{key}:' if key else ''}{shown} {fault}".split())
