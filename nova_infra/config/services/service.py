"""``[[services]]``: what is delivered."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nova_infra.config.services.container import Container, Health
from nova_infra.config.services.job import Job, Schedule
from nova_infra.config.services.runtime import Rollout, Scaling
from nova_infra.config.services.surroundings import Connection, Permission, Secret, Sidecar, Surroundings
from nova_infra.config.services.web import Host, Targets, Thresholds, Web
from nova_infra.config.services.worker import Queue, Worker
from nova_infra.config.values.fields import Model, Name, Variable, refusal

Kind = Literal["web", "worker", "job"]

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
        return {**defaults_of(name, bool(data.get("hosts"))), **data} if data.get("kind", "web") == "web" else data

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> Self:
        for kind, model in ONLY_OF.items():
            for key in model.model_fields if kind != self.kind else ():
                if key in self.model_fields_set and key not in ONLY_OF[self.kind].model_fields:
                    raise refusal(f"{key} belongs to a service of kind {kind}", f'remove it, or write kind = "{kind}"')
        return self


def defaults_of(name: str, hosts: bool) -> dict[str, Any]:
    """The keys of a web service whose default depends on its name.

    Args:
        name: The service's name.
        hosts: Whether it has hosts of its own.
    """
    priority = 1 + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % 50_000
    return {"paths": () if hosts else (f"/{name}/*",), "priority": priority}
