"""``nova.toml`` as frozen, validated models.

The file is the only place where a user states what exists: the source, the environments in promotion order and the
services. :func:`load_config` reads all of it, reports every fault at once, and nothing below the entry point reads the
file, the environment or a context key again.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from nova_infra.errors import ConfigError

CONFIG_FILE = "nova.toml"

MAX_SERVICES = 45
"""A load balancer has 100 target groups and 100 rules, and a service needs two target groups while it is replaced:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html."""

MIN_BAKE_MINUTES = 3
"""As long as the slowest deployment alarm, CPU, needs to fire. Shorter, and it could never roll anything back."""

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

# Set by the platform itself: a user's value would be overwritten, or break the service.
_RESERVED_VARIABLES = re.compile(r"PORT|STOP_TIMEOUT|NOVA_.*|AWS_.*|ECS_.*")


def _fault(fault: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("nova", "{fault}: {remedy}", {"fault": fault, "remedy": remedy})


def _text(pattern: str, fault: str, remedy: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Constraints of a text that must match a pattern, in words that name the remedy."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise _fault(fault, remedy)
        return value

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$"})


@cache
def aws_regions() -> frozenset[str]:
    """Every AWS region that the installed AWS SDK knows."""
    # The file is read as it is: asking the SDK for it takes half a second.
    partitions = json.loads((resources.files("botocore") / "data" / "partitions.json").read_text(encoding="utf-8"))
    names = (name for partition in partitions["partitions"] for name in partition["regions"])
    return frozenset(name for name in names if not name.endswith("-global"))


def _region(value: str) -> str:
    if value not in aws_regions():
        raise _fault("is not an AWS region", "write one such as us-east-1 or ap-northeast-1")
    return value


def _cidr(value: str) -> str:
    try:
        network = IPv4Network(value)
    except ValueError:
        raise _fault("is not an IPv4 network", "write its first address and prefix length, as in 10.0.0.0/16") from None
    if not 16 <= network.prefixlen <= 24:
        raise _fault("has no room for the subnets or is larger than a VPC", "choose a prefix length from /16 to /24")
    if not network.is_private:
        raise _fault("is not a private range", "choose one within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    return value


Account = Annotated[
    str,
    *_text(r"\d{12}", "is not an AWS account", 'write its 12 digits in quotes, as in account = "111122223333"'),
]
Region = Annotated[str, AfterValidator(_region)]
Cidr = Annotated[str, AfterValidator(_cidr)]
Name = Annotated[
    str,
    *_text(
        r"[a-z](-?[a-z0-9])*",
        "is not a name that AWS resources can carry",
        "use lower-case letters, digits and single hyphens, starting with a letter",
    ),
]
PathPattern = Annotated[
    str,
    *_text(
        r"/[\w\-.$/~\"'@:+&*?]{0,127}",
        "is not a path pattern",
        "start it with /, keep it under 128 characters, and use no spaces",
    ),
]
Email = Annotated[
    str, *_text(r"[^@\s]+@[^@\s]+\.[^@\s]+", "is not an e-mail address", "write one such as team@example.com")
]
Variable = Annotated[
    str,
    *_text(
        r"[A-Za-z_]\w*",
        "is not the name of an environment variable",
        "use letters, digits and underscores, starting with a letter",
    ),
]


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Platform(_Model):
    """What the whole installation shares."""

    name: Annotated[Name, Field(max_length=12)] = "nova"
    """Prefix of every physical name: stacks, clusters, alarms, repositories. Default: nova."""


class Slack(_Model):
    """A Slack channel, in a workspace that Amazon Q Developer in chat applications has been authorized for."""

    workspace: Annotated[str, *_text(r"T[A-Z0-9]{8,12}", "is not a Slack workspace", "write its id, as in T0123456789")]
    channel: Annotated[str, *_text(r"[CG][A-Z0-9]{8,12}", "is not a Slack channel", "write its id, as in C0123456789")]


class Notifications(_Model):
    """Who is told. Default: nobody but the topic's later subscribers."""

    emails: tuple[Email, ...] = ()
    """Addresses; each has to confirm its subscription once."""
    slack: Slack | None = None
    """The channel that gets the messages. Default: none."""


class Toolchain(_Model):
    """The account that holds the pipeline and the image repositories."""

    account: Account
    region: Region
    notifications: Notifications = Notifications()
    """Who is told that the pipeline failed or waits for an approval."""


class Source(_Model):
    """Where the pipeline takes the code from. Exactly one of ``connection_arn`` and ``token_secret`` is needed."""

    repository: Annotated[
        str, *_text(r"[\w.-]+/[\w.-]+", "is not a repository", "write owner/name, as in org/nova-platform")
    ]
    branch: Annotated[
        str, *_text(r"[\w./-]{1,255}", "is not a branch", "write its name without spaces, as in main")
    ] = "main"
    """The branch that is delivered. Default: main."""
    connection_arn: (
        Annotated[
            str,
            *_text(
                r"arn:[\w-]+:(codeconnections|codestar-connections):[\w-]+:\d{12}:connection/[\w-]+",
                "is not a connection",
                "copy its ARN from the console: arn:aws:codeconnections:…:connection/…",
            ),
        ]
        | None
    ) = None
    """ARN of a CodeConnections connection. Preferred: nothing secret is stored, and pushes can be filtered."""
    token_secret: (
        Annotated[
            str,
            *_text(r"[\w/+=.@-]{1,512}", "is not the name of a secret", "write its name, as in github-token"),
        ]
        | None
    ) = None
    """Name of a Secrets Manager secret that holds a GitHub token, in the toolchain's account."""
    ignore_paths: Annotated[
        tuple[Annotated[str, *_text(r"\S{1,255}", "is not a pattern of paths", "write one such as docs/**")], ...],
        Field(max_length=8),
    ] = ("docs/**", "**/*.md")
    """A push that changes nothing else is not delivered. Only with a connection. Default: documentation."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.connection_arn is None) == (self.token_secret is None):
            raise _fault("needs exactly one way to authenticate", "set connection_arn or token_secret, not both")
        if self.token_secret is not None and "ignore_paths" in self.model_fields_set:
            raise _fault("has ignore_paths, which a token cannot filter by", "remove it, or use connection_arn")
        return self


class Rollout(_Model):
    """How a new revision takes over from the old one. The strategies are ECS's own."""

    strategy: Literal["rolling", "canary", "linear", "blue-green"] = "rolling"
    """Default: rolling."""
    percent: Annotated[float, Field(ge=0.1, le=100)] = 10
    """Share of traffic, in percent: the canary's, or one step of a linear rollout. Rolling and blue-green ignore it.
    Default: 10."""
    step_bake_minutes: Annotated[int, Field(ge=MIN_BAKE_MINUTES, le=1440)] = 5
    """How long the canary, or each linear step, bakes before traffic moves on. Default: 5."""
    bake_minutes: Annotated[int, Field(ge=MIN_BAKE_MINUTES, le=1440)] = 5
    """How long both revisions stay up after the last shift, with the alarms still watching. Default: 5."""

    @field_validator("percent")
    @classmethod
    def _a_step_of_its_strategy(cls, percent: float, info: ValidationInfo) -> float:
        strategy = info.data.get("strategy")
        if strategy in ("canary", "linear") and percent == 100:
            raise _fault("moves all traffic at once", 'lower it, or write strategy = "blue-green"')
        if strategy == "linear" and percent < 3:
            raise _fault("is a smaller step than ECS takes", "write 3 or more")
        return percent

    def minutes(self) -> float:
        """Bake times in sum: the least that a deployment takes."""
        steps = {"canary": 1, "linear": -(-100 // self.percent) - 1}.get(self.strategy, 0)
        return steps * self.step_bake_minutes + self.bake_minutes


class Scaling(_Model):
    """How many tasks each service runs."""

    min_tasks: Annotated[int, Field(ge=1, le=1000)] = 1
    """Default: 1."""
    max_tasks: Annotated[int, Field(ge=1, le=1000)] = 4
    """Default: 4. A deployment runs up to twice as many for its duration."""

    @field_validator("max_tasks")
    @classmethod
    def _not_below_min(cls, max_tasks: int, info: ValidationInfo) -> int:
        if max_tasks < info.data.get("min_tasks", 0):
            raise _fault("is below min_tasks", "raise it, or lower min_tasks")
        return max_tasks


InterfaceEndpoint = Literal["ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages", "monitoring", "sts"]


class Network(_Model):
    """The environment's VPC. S3 is always reached through a gateway endpoint."""

    cidr: Cidr = "10.0.0.0/16"
    """No two environments may overlap. Default: 10.0.0.0/16."""
    zones: Annotated[tuple[Literal["a", "b", "c", "d", "e", "f"], ...], Field(min_length=2, max_length=3)] = ("a", "b")
    """Letters of two or three availability zones. They are named, not looked up, so that synthesis takes no credentials
    and a zone that AWS adds moves no subnet. Tokyo, for one, has a, c and d. Default: a, b."""
    nat_gateways: Annotated[int, Field(ge=0, le=3)] = 1
    """Fewer than zones saves money and shares their fate. With 0, tasks reach only this VPC and its endpoints: they
    cannot call each other through the public load balancer. Default: 1."""
    interface_endpoints: tuple[InterfaceEndpoint, ...] = ()
    """AWS services that are reached privately. Default: none; without NAT, what starting a task needs is required."""

    @field_validator("nat_gateways")
    @classmethod
    def _one_per_zone(cls, nat_gateways: int, info: ValidationInfo) -> int:
        if nat_gateways > len(info.data.get("zones", "abc")):
            raise _fault("is more than one for each zone", "lower it, or add a zone")
        return nat_gateways


class Domain(_Model):
    """The name that an environment is reached by. Its certificate and DNS record are made in the hosted zone."""

    name: Annotated[
        str,
        *_text(
            r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}",
            "is not a domain name",
            "write it in lower case and without a scheme, as in staging.example.com",
        ),
    ]
    zone_id: Annotated[
        str, *_text(r"Z[A-Z0-9]{5,31}", "is not a Route 53 hosted zone", "write its id, as in Z0123456789ABCDEFGHIJ")
    ]
    """Id of the public hosted zone, in the environment's account."""


class Window(_Model):
    """When a stage may be entered; outside of it the pipeline stops before the stage and can be retried."""

    cron: Annotated[
        str,
        *_text(
            r"\*( \S+){5,6}",
            "is not a schedule",
            "write * for the seconds, then minutes, hours, days, months and weekdays, as in * * 9-17 ? * MON-THU",
        ),
    ]
    """The minutes in which deployments may start."""
    time_zone: Annotated[
        str, *_text(r"[A-Za-z_]+(/[A-Za-z_+\-0-9]+)*", "is not a time zone", "write one such as Asia/Tokyo")
    ] = "UTC"
    """Default: UTC."""


class Environment(_Model):
    """One environment; their order in the file is the promotion order."""

    name: Annotated[Name, Field(max_length=16)]
    account: Account
    region: Region
    tests: Literal["integration", "e2e"] | None = None
    """The suite that must pass after a deployment, before the next environment is touched."""
    approval: bool = False
    """Whether a person has to approve before this environment is deployed. What needs approval is also protected from
    deletion. Default: false."""
    on_failure: Literal["stop", "retry", "rollback"] = "stop"
    """What the pipeline does when a deployment or test of this environment fails: stop there, retry the failed actions
    once, or deploy the last good execution again. A failed stack restores itself in every case. Default: stop."""
    window: Window | None = None
    """Default: deployments may start at any time."""
    domain: Domain | None = None
    """Needed, unless ``allow_plain_http``."""
    allow_plain_http: bool = False
    """Whether the environment may be reached without TLS. Only for one without a domain. Default: false."""
    waf: bool = False
    """Whether AWS's managed firewall rules filter the requests. Default: false."""
    exec: bool = False
    """Whether ECS Exec can open a shell in a container, whose root file system is writable then. Default: false."""
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365] = 30
    """How long logs of the services, the load balancer and the network are kept. Default: 30."""
    rollout: Rollout = Rollout()
    scaling: Scaling = Scaling()
    network: Network = Network()
    notifications: Notifications = Notifications()
    """Who is told about alarms."""

    @field_validator("allow_plain_http")
    @classmethod
    def _one_protocol(cls, allowed: bool, info: ValidationInfo) -> bool:
        if allowed and info.data.get("domain") is not None:
            raise _fault("contradicts the domain, which is served with TLS", "remove allow_plain_http, or the domain")
        return allowed


class Targets(_Model):
    """What autoscaling holds each task to."""

    cpu_percent: Annotated[int, Field(ge=10, le=90)] = 60
    """Default: 60."""
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Requests per task and minute. Default: 1000."""


class Thresholds(_Model):
    """When a service's alarms fire. That of CPU is fixed: 90 % for three minutes."""

    error_percent: Annotated[float, Field(gt=0, le=50)] = 5
    """Share of 5xx answers in a minute, in percent. Default: 5."""
    error_min_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Requests per minute below which the share says nothing. Default: 20."""
    latency_ms: Annotated[int, Field(ge=10, le=60_000)] = 2000
    """95th percentile of the response time, for two minutes of three. Default: 2000."""
    memory_percent: Annotated[int, Field(ge=10, le=100)] = 90
    """Share of the task's memory, for three minutes. Default: 90."""


class Service(_Model):
    """One container service. Its sources are in ``services/<name>/``."""

    name: Annotated[Name, Field(max_length=40)]
    paths: Annotated[tuple[PathPattern, ...], Field(min_length=1, max_length=5)]
    """Path patterns that the load balancer forwards to it. Default: ``/<name>/*``."""
    priority: Annotated[int, Field(ge=1, le=50_000)]
    """Place of its rule on the load balancer; lower ones are tried first. Default: drawn from the name, because a place
    in the file would change with the order of the services, and a changed rule resets the weights that ECS has set."""
    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384] = 256
    """CPU units; 1024 are one vCPU. Default: 256."""
    memory: int = 512
    """MiB; Fargate offers only certain pairs with ``cpu``. Default: 512."""
    architecture: Literal["x86-64", "arm64"] = "x86-64"
    """Default: x86-64."""
    port: Annotated[int, Field(ge=1024, le=65535)] = 8080
    """Where the container listens. Default: 8080."""
    environment: dict[Variable, str] = {}
    """Further environment variables of the container."""
    secrets: dict[
        Variable,
        Annotated[str, *_text(r"[\w/+=.@-]{1,512}", "is not the name of a secret", "write its name, as in nova/token")],
    ] = {}
    """Environment variables whose values come from Secrets Manager: variable = name of a secret in each environment."""
    targets: Targets = Targets()
    alarms: Thresholds = Thresholds()

    @model_validator(mode="before")
    @classmethod
    def _defaults_from_the_name(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(name := data.get("name"), str):
            return data
        priority = 1 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % 50_000
        return {"paths": (f"/{name}/*",), "priority": priority, **data}

    @field_validator("memory")
    @classmethod
    def _fargate_size(cls, memory: int, info: ValidationInfo) -> int:
        cpu = info.data.get("cpu")
        if cpu is not None and memory not in FARGATE_MEMORY_MIB[cpu]:
            choices = ", ".join(map(str, FARGATE_MEMORY_MIB[cpu]))
            raise _fault(f"is not a memory that Fargate offers with cpu = {cpu}", f"choose one of {choices}")
        return memory

    @field_validator("environment", "secrets")
    @classmethod
    def _free_variables(cls, variables: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        for name in variables:
            if _RESERVED_VARIABLES.fullmatch(name):
                raise _fault(f"sets {name}, which the platform sets", "choose another name")
            if info.field_name == "secrets" and name in info.data.get("environment", ()):
                raise _fault(f"sets {name}, which environment sets, too", "remove one of the two")
        return variables


class Config(_Model):
    """All of ``nova.toml``."""

    platform: Platform = Platform()
    toolchain: Toolchain
    source: Source
    environments: Annotated[tuple[Environment, ...], Field(min_length=1)]
    services: Annotated[tuple[Service, ...], Field(min_length=1)]

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
            f"choose one of them, or add it to {CONFIG_FILE}"
        )

    def service(self, name: str) -> Service:
        """The service of that name.

        Raises:
            ConfigError: There is none.
        """
        for service in self.services:
            if service.name == name:
                return service
        choices = ", ".join(s.name for s in self.services)
        raise ConfigError(f"service: {name!r} is not one of {choices}: choose one of them")


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
    except RecursionError:
        raise ConfigError(f"{CONFIG_FILE}: is nested too deeply: flatten it") from None
    return parse_config(data, services=root / "services")


def parse_config(data: Mapping[str, Any], *, services: Path | None = None) -> Config:
    """Validate what ``nova.toml`` holds.

    Args:
        data: The file's content.
        services: The directory of the services, to be compared with the list. Default: not compared.

    Raises:
        ConfigError: With one line per fault, each naming the key, what is wrong and what to do.
    """
    # Imported here because it describes the models of this module.
    from nova_infra.contradictions import contradictions

    data = {key: _frozen(value) for key, value in data.items()}
    config, faults = None, []
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        faults += [_line(e) for e in error.errors(include_url=False) if not _follows_from_another(e)]
    environments = data.get("environments")
    faults += (
        f"{CONFIG_FILE}: {fault}"
        for fault in contradictions(
            toolchain=next(iter(_valid(Toolchain, [data.get("toolchain")]).values()), None),
            environments=_valid(Environment, environments),
            environment_count=len(environments) if isinstance(environments, tuple) else 0,
            services=_valid(Service, data.get("services")),
        )
    )
    if services is not None:
        faults += _directory_faults(data.get("services"), services)
    if faults or config is None:
        raise ConfigError("\n".join(faults))
    return config


def _frozen(value: Any) -> Any:
    """The value with tuples for lists, as frozen models want them."""
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return {key: _frozen(each) for key, each in value.items()}
    return value


_Part = TypeVar("_Part", bound=BaseModel)


def _valid(model: type[_Part], items: Any) -> dict[int, _Part]:
    """The entries that are valid by themselves, by their place in the list: the others have been reported."""
    parts: dict[int, _Part] = {}
    for index, item in enumerate(items if isinstance(items, Iterable) and not isinstance(items, str | dict) else ()):
        try:
            parts[index] = model.model_validate(item)
        except ValidationError:
            continue
    return parts


def _directory_faults(services: Any, directory: Path) -> Iterator[str]:
    entries = services if isinstance(services, tuple) else ()
    names = {entry["name"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("name"), str)}
    present = {dockerfile.parent.name for dockerfile in directory.glob("*/Dockerfile")}
    for name in sorted(names - present):
        if re.fullmatch(r"[a-z0-9-]+", name):  # another one has been reported as no name at all
            yield f"{CONFIG_FILE}: services: {name!r} has no services/{name}/Dockerfile: create it, or remove the entry"
    for name in sorted(present - names):
        yield (
            f"{CONFIG_FILE}: services: services/{name} has no entry: "
            f'add [[services]] name = "{name}", or remove the directory'
        )


def _follows_from_another(error: ErrorDetails) -> bool:
    """Whether a list only seems too short, because entries of it have been refused."""
    return error["type"] == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]


_REMEDIES = {
    "missing": "is missing: add it",
    "extra_forbidden": "is not a key that Nova knows: remove it, or correct its spelling",
    "string_type": "is not text: put it in quotes",
    "int_type": "is not a whole number: write it without quotes or decimals",
    "float_type": "is not a number: write it without quotes",
    "finite_number": "is not a number that can be used: write a plain one",
    "bool_type": "is neither true nor false: write one of them, without quotes",
    "tuple_type": "is not a list: write it in brackets, or as [[…]] tables",
    "dict_type": "is not a table: write it as { key = value } or as a [table]",
    "model_type": "is not a table: write it as { key = value } or as a [table]",
    "model_attributes_type": "is not a table: write it as { key = value } or as a [table]",
}


def _line(error: ErrorDetails) -> str:
    """One fault as one line: the key's path, the value where it helps, what is wrong and what to do."""
    location = [part for part in error["loc"] if part != "[key]"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    context = error.get("ctx", {})
    match error["type"]:
        case "nova":
            fault = error["msg"]
        case "literal_error":
            fault = f"is not one of the choices: write {context['expected']}"
        case "too_short":
            fault = f"has too few entries: write at least {context['min_length']}"
        case "too_long":
            fault = f"has too many entries: write at most {context['max_length']}"
        case "string_too_long":
            fault = f"is too long: write at most {context['max_length']} characters"
        case kind:
            message = error["msg"].removeprefix("Input ")
            fault = _REMEDIES.get(kind, f"is out of range: it {message}")
    value = error["input"]
    shown = "" if isinstance(value, dict | list | tuple) or error["type"] == "missing" else shortened(value)
    return " ".join(f"{CONFIG_FILE}: {f'{key}:' if key else ''} {shown} {fault}".split())


def shortened(value: object) -> str:
    """The value as one reads it in the file, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def schema() -> str:
    """``docs/nova.schema.json``, by which editors complete and explain ``nova.toml``."""
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(schema(), end="")
