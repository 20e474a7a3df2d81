"""``[[services]]``: one service of any kind, its overrides by environment, its rule's priority, paths, hosts."""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from nova_infra.config.services.container import Container, Health
from nova_infra.config.services.job import Job, JobSchedule
from nova_infra.config.services.runtime import Rollout, Scaling
from nova_infra.config.services.surroundings import Connection, Permission, Secret, Sidecar, Surroundings
from nova_infra.config.services.web import Host, Targets, Thresholds, Web
from nova_infra.config.services.worker import Queue, Worker
from nova_infra.config.values.fields import Model, Name, Variable

Kind = Literal["web", "worker", "job"]

_LAST = 50_000
"""The greatest priority of a rule: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html."""
_WHOLE_HOSTS = 40_000
"""After this one come the rules of services that take every path of their hosts."""

GRPC_HEALTH = "/grpc.health.v1.Health/Check"
"""The standard's method: https://grpc.io/docs/guides/health-checking/."""
GRPC_WITHOUT_HEALTH = "/AWS.ALB/healthcheck"
"""A load balancer's own default, which no service has: a container that speaks gRPC answers UNIMPLEMENTED, which is 12.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html"""

ONLY_OF: dict[str, type[Model]] = {"web": Web, "worker": Worker, "job": Job}
"""Kind to the model whose keys only services of that kind may have."""


class Overrides(Model):
    """``[services.environments.NAME]``: overrides of one environment. Tables are merged by key, lists replaced."""

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
    priority: Annotated[int, Field(ge=1, le=50_000)] | None = None
    """Instead of the service's. On an existing load balancer, it must not be that of somebody else's rule."""
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
    schedule: JobSchedule | None = None
    """Instead of the service's."""


class Service(Container, Surroundings, Web, Worker, Job):
    """One container service. Its sources are in ``services/<name>/``, unless ``image`` names a ready one."""

    name: Annotated[Name, Field(max_length=40)]
    kind: Kind = "web"
    """What it is: a web service behind the load balancer, a worker that takes messages from a queue, or a job that
    runs on a schedule and ends. Default: web."""
    scaling: Scaling | None = None
    """How many tasks it runs. Keys that are left out come from the environment. Default: as the environment says."""
    rollout: Rollout | None = None
    """How a new revision takes over. Keys that are left out come from the environment. Default: as the environment
    says."""
    environments: dict[Name, Overrides] = Field(default={})
    """Values that differ in an environment, by its name. Default: nothing."""

    # These two have no other default than these.
    @model_validator(mode="before")
    @classmethod
    def _defaults_from_the_name(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(name := data.get("name"), str):
            return data
        if data.get("kind", "web") != "web":
            return data
        data = {**defaults_of(name, data.get("hosts"), data.get("paths")), **data}
        health = data.get("health", {})
        if data.get("protocol") == "grpc" and isinstance(health, dict):
            data["health"] = {"path": GRPC_HEALTH, **health}
        return data

    def priority_in(self, environment: str) -> int:
        """Priority of its rule in an environment, by the environment's name."""
        override = self.environments.get(environment)
        return self.priority if override is None or override.priority is None else override.priority


def defaults_of(name: str, hosts: Any, paths: Any) -> dict[str, Any]:
    """The keys of a web service whose default depends on others."""
    drawn = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    # What takes every path of its hosts comes after what takes some, and what takes every request after both.
    if paths and not (isinstance(paths, list | tuple) and {"/*", "*"} & set(map(str, paths))):
        priority = 1 + drawn % _WHOLE_HOSTS
    elif hosts:
        priority = 1 + _WHOLE_HOSTS + drawn % (_LAST - _WHOLE_HOSTS - 1)
    else:
        priority = _LAST if paths else 1 + drawn % _WHOLE_HOSTS
    return {"paths": () if hosts else (f"/{name}/*",), "priority": priority}
