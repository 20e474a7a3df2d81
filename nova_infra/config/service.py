"""``[[services]]``: what is delivered."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nova_infra.config.container import Container, Health
from nova_infra.config.fields import Model, Name, Variable
from nova_infra.config.job import Job, Schedule
from nova_infra.config.runtime import Rollout, Scaling
from nova_infra.config.surroundings import Connection, Permission, Secret, Sidecar, Surroundings
from nova_infra.config.web import Host, Targets, Thresholds, Web
from nova_infra.config.worker import Queue, Worker

Kind = Literal["web", "worker", "job"]

GRPC_HEALTH = "/grpc.health.v1.Health/Check"
"""The standard's method: https://grpc.io/docs/guides/health-checking/."""

ONLY_OF: dict[str, type[Model]] = {"web": Web, "worker": Worker, "job": Job}
"""Kind to the model whose keys only services of that kind may have."""


class Overrides(Model):
    """``[services.environments.NAME]``: what differs in one environment.

    Its tables are merged with the service's, key by key; lists are replaced.
    """

    environment: dict[Variable, str] | None = None
    """Variables, added to the service's."""
    secrets: dict[Variable, Secret] | None = None
    """Secrets, added to the service's."""
    permissions: tuple[Permission, ...] | None = None
    """Instead of the service's."""
    connects_to: tuple[Connection, ...] | None = None
    """Instead of the service's."""
    sidecars: tuple[Sidecar, ...] | None = None
    """Instead of the service's."""
    hosts: tuple[Host, ...] | None = None
    """Instead of the service's."""
    health: Health | None = None
    """Merged with the service's."""
    cpu: Literal[256, 512, 1024, 2048, 4096, 8192, 16384] | None = None
    """Instead of the service's."""
    memory: int | None = None
    """Instead of the service's."""
    scaling: Scaling | None = None
    """Merged with the service's, and that with the environment's."""
    rollout: Rollout | None = None
    """Merged with the service's, and that with the environment's."""
    targets: Targets | None = None
    """Merged with the service's."""
    alarms: Thresholds | None = None
    """Merged with the service's."""
    queue: Queue | None = None
    """Merged with the service's."""
    schedule: Schedule | None = None
    """Instead of the service's."""


class Service(Container, Surroundings, Web, Worker, Job):
    """One container service. Its sources are in ``services/<name>/``, unless its ``image`` is ready."""

    name: Annotated[Name, Field(max_length=40)]
    kind: Kind = "web"
    """What it is: a web service behind the load balancer, a worker that takes messages from a queue, or a job that runs
    at its time and ends. Default: web."""
    scaling: Scaling | None = None
    """How many tasks it runs; what it leaves out is as the environment says. Default: as the environment says."""
    rollout: Rollout | None = None
    """How a new revision takes over; what it leaves out is as the environment says. Default: as the environment
    says."""
    environments: dict[Name, Overrides] = Field(default={})
    """What differs in an environment, by its name. Default: nothing."""

    # These two have no other default than these.
    @model_validator(mode="before")
    @classmethod
    def _defaults_from_the_name(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(name := data.get("name"), str):
            return data
        if data.get("kind", "web") != "web":
            return data
        data = {**defaults_of(name, bool(data.get("hosts"))), **data}
        health = data.get("health", {})
        if data.get("protocol") == "grpc" and isinstance(health, dict):
            data["health"] = {"path": GRPC_HEALTH, **health}
        return data


def defaults_of(name: str, hosts: bool) -> dict[str, Any]:
    """The keys of a web service whose default depends on its name.

    Args:
        name: The service's name.
        hosts: Whether it has hosts of its own.
    """
    priority = 1 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % 50_000
    return {"paths": () if hosts else (f"/{name}/*",), "priority": priority}
