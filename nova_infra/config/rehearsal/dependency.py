"""Containers that a rehearsal starts in place of what production connects to, such as a database."""

import re
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from nova_infra.config.services.container import Check, Command, ImageReference
from nova_infra.config.values.fields import Model, ProjectPath, Variable, also, matching, refusal

# Each service has its own: a dependency cannot know them.
_RESERVED_VARIABLES = re.compile(r"PORT|STOP_TIMEOUT|NOVA_.*|ECS_.*")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ENDPOINTS = "AWS_ENDPOINT_URL"  # and one for each service, such as AWS_ENDPOINT_URL_SQS
PLACEHOLDERS = ("host", "port")
"""What ``{…}`` in a value of ``provides`` may name."""


class Ready(Model):
    """When a dependency is ready. Short forms: a list is the command, ``"/health"`` the path, a number the port."""

    command: Check | None = None
    """Runs in its container; it exits with 0 once it is ready."""
    path: Annotated[str, *matching(r"/\S{0,1023}", "is not a path", "start it with /, as in /health")] | None = None
    """Answers with a status below 400 once it is ready."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Accepts connections once it is ready. Default: the dependency's port, where there is no command or path."""
    seconds: Annotated[int, Field(ge=1, le=600)] = 60
    """How long it may take. Default: 60."""

    model_config = also({"type": ["string", "integer"]}, {"type": "array", "items": {"type": "string"}})

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        if data == "port":
            return {}
        if isinstance(data, str):
            return {"path": data}
        if isinstance(data, list | tuple):
            return {"command": tuple(data)}
        if isinstance(data, int) and not isinstance(data, bool):
            return {"port": data}
        return data

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.command is not None and (self.path is not None or self.port is not None):
            raise refusal("has both a command and a path or port", "keep one of them")
        return self


class Dependency(Model):
    """A container, such as a database, that the rehearsal starts once in each environment and removes afterwards."""

    name: Annotated[
        str,
        *matching(
            r"[a-z](-?[a-z0-9]){0,62}",
            "is not a name that a host can have",
            "use up to 63 lower-case letters, digits and single hyphens, starting with a letter",
        ),
    ]
    """Tasks reach it by this name."""
    image: ImageReference | None = None
    """Its image, by a tag other than latest, or a digest."""
    build: ProjectPath | None = None
    """Instead of an image, a directory with a Dockerfile, relative to the project."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """Where it listens."""
    command: Command | None = None
    """Default: the image's own."""
    environment: dict[Variable, str] = Field(default={})
    """Its environment variables. They are for this machine only: put no AWS credentials here."""
    ready: Ready = Ready()
    """A command, a path or a port: ``["pg_isready"]``, ``"/health"``, ``9000``. Default: its port."""
    provides: dict[Variable, str] = Field(default={})
    """Variables that point the services to it. ``{host}`` and ``{port}`` are filled in. In the rehearsal they override
    a service's own variables and secrets of the same name. ``AWS_ENDPOINT_URL`` is allowed only here: it then stands
    in for AWS, too."""
    max_connections: Annotated[int, Field(ge=1, le=1000000)] | None = None
    """How many connections it accepts in production. Default: what its ``command`` sets, otherwise PostgreSQL's 100 or
    MySQL's 151."""
    stands_for: tuple[
        Annotated[
            str,
            *matching(
                r"[A-Za-z0-9*]([\w.*{}-]*[\w}])?(/([12]?\d|3[0-2]))?",
                "is not a host",
                "write one of connects_to without its port, as in db.internal",
            ),
        ],
        ...,
    ] = ()
    """Hosts in ``connects_to`` that it stands in for, at its ``port``. Default: none."""

    @property
    def ports(self) -> frozenset[int]:
        """Where it listens, and where it is asked whether it is ready."""
        return frozenset({self.port, self.ready.port or self.port})

    @field_validator("provides")
    @classmethod
    def _usable_variables(cls, variables: dict[str, str]) -> dict[str, str]:
        for name, value in variables.items():
            if name.startswith(_ENDPOINTS) and not re.match(r"https?://", value):
                raise refusal(f"has no URL in {name}", 'write one such as "http://{host}:{port}"')
            if _RESERVED_VARIABLES.fullmatch(name):
                raise refusal(f"sets {name}, which the platform sets", "choose another name")
            for found in _PLACEHOLDER.findall(value):
                if found not in PLACEHOLDERS:
                    raise refusal(f"has {{{found}}} in {name}, which nothing fills in", "write {host} or {port}")
        return variables

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.image is None) == (self.build is None):
            fault = "has neither an image nor a build" if self.image is None else "has both an image and a build"
            raise refusal(fault, "write image = … or build = …")
        return self


class Rehearsal(Model):
    """Settings that only the rehearsal reads."""

    dependencies: tuple[Dependency, ...] = ()
    """Containers that it starts alongside the services. Default: none."""
