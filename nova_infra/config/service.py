"""``[[services]]``: what is delivered."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from nova_infra.config.fields import Model, Name, PathPattern, Variable, matching, refusal

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


class Targets(Model):
    """What autoscaling holds each task to."""

    cpu_percent: Annotated[int, Field(ge=10, le=90)] = 60
    """Default: 60."""
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Requests per task and minute. Default: 1000."""


class Thresholds(Model):
    """When a service's alarms fire. That of CPU is fixed: one task at 90 % for three minutes."""

    error_percent: Annotated[float, Field(gt=0, le=50)] = 5
    """Share of 5xx answers in a minute, in percent. Default: 5."""
    unanswered_percent: Annotated[float, Field(gt=0, le=100)] = 5
    """Share of requests that get no answer, in two minutes of four, in percent. 100 switches it off, as a service of
    WebSockets must: the load balancer counts no answer to a request for one. Default: 5."""
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Requests per minute below which errors, unanswered requests and latency say nothing. Default: 20."""
    latency_ms: Annotated[int, Field(ge=10, le=60_000)] = 2000
    """95th percentile of the response time, for two minutes of four. Default: 2000."""
    memory_percent: Annotated[int, Field(ge=10, le=100)] = 90
    """Share of a task's memory, in one minute of three. Default: 90."""


class Service(Model):
    """One container service. Its sources are in ``services/<name>/``."""

    name: Annotated[Name, Field(max_length=40)]
    paths: Annotated[tuple[PathPattern, ...], Field(min_length=1, max_length=5)] = Field(default_factory=tuple)
    """Path patterns that the load balancer forwards to it. Default: ``/<name>/*``."""
    priority: Annotated[int, Field(ge=1, le=50_000)] = Field(default_factory=int)
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
    environment: dict[Variable, str] = Field(default={})
    """Further environment variables of the container."""
    secrets: dict[
        Variable,
        Annotated[
            str, *matching(r"[\w/+=.@-]{1,512}", "is not the name of a secret", "write its name, as in nova/token")
        ],
    ] = Field(default={})
    """Environment variables whose values come from Secrets Manager: variable = name of a secret in each environment."""
    requests: (
        Annotated[
            str,
            *matching(
                r"(?!/)(?!.*\.\./).{1,300}\.(http|rest|har)",
                "is not a file of requests in this project",
                'write its path, as in requests = "load/recorded.har"',
            ),
        ]
        | None
    ) = None
    """A HAR or .http file of requests that its users send, for the rehearsal, relative to ``nova.toml``. Default:
    ``services/<name>/requests.http`` or ``.har`` if there is one, else its OpenAPI document, else its paths."""
    targets: Targets = Targets()
    alarms: Thresholds = Thresholds()

    # The two fields above have no other default than these.
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
            raise refusal(f"is not a memory that Fargate offers with cpu = {cpu}", f"choose one of {choices}")
        return memory

    @field_validator("environment", "secrets")
    @classmethod
    def _free_variables(cls, variables: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        for name in variables:
            if _RESERVED_VARIABLES.fullmatch(name):
                raise refusal(f"sets {name}, which the platform sets", "choose another name")
            if info.field_name == "secrets" and name in info.data.get("environment", ()):
                raise refusal(f"sets {name}, which environment also sets", "remove one of the two")
        return variables
