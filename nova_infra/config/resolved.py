"""One service in one environment: overrides merged, placeholders filled in, and where each value comes from.

The most specific value wins, key by key: ``[services.environments.NAME]``, then ``[[services]]``, then
``[[environments]]``, then the default.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from nova_infra.config.environment import Environment
from nova_infra.config.services.runtime import Rollout, Scaling
from nova_infra.config.services.service import GRPC_HEALTH, ONLY_OF, Service, defaults_of
from nova_infra.config.services.smoke import is_reachable, smoke_paths

PLACEHOLDERS = ("account", "region", "environment")
"""What ``{…}`` in a value may name."""

SHARED = ("scaling", "rollout")
"""What an environment says for all of its services."""
_FILLED = ("environment", "secrets", "permissions", "connects_to", "hosts", "sidecars", "queue")
"""Keys whose texts may have placeholders."""
_UNUSED = {
    "web": re.compile(r"(?!)"),
    "worker": re.compile(
        r"before_deploy|health\.path|targets\.(?!cpu_percent)|alarms\.(?!memory_percent)"
        r"|rollout\.(?!strategy|bake_minutes)"
    ),
    "job": re.compile(r"before_deploy|health|scaling|rollout"),
}
"""Kind to the keys that say nothing of it, as they begin."""


_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Resolved:
    """A service in an environment.

    Attributes:
        environment: The environment, with the rollout and the scaling of this service.
    """

    service: Service
    environment: Environment


def resolved(service: Service, environment: Environment) -> Resolved:
    """The service in one environment.

    Raises:
        pydantic.ValidationError: An override contradicts what it is merged with.
    """
    return _resolved(_Same(service), _Same(environment))


def usable(services: Mapping[int, Service], environment: Environment) -> dict[int, Resolved]:
    """The services in one environment by their place in the file, except those refused there: that is reported."""
    found: dict[int, Resolved] = {}
    for index, service in services.items():
        with contextlib.suppress(ValidationError):
            found[index] = resolved(service, environment)
    return found


def on_public_load_balancer(
    services: Mapping[int, Service], environment: Environment
) -> Iterator[tuple[int, Resolved]]:
    """Place and settings of the services on an environment's public load balancer, without those that are faulty."""
    for index, found in usable(services, environment).items():
        if found.service.kind == "web" and not found.service.internal:
            yield index, found


@dataclass(frozen=True, eq=False)
class _Same(Generic[_Model]):
    """A model as a key, equal to itself alone: to compare two takes longer than to resolve them."""

    model: _Model

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.model is other.model

    def __hash__(self) -> int:
        return id(self.model)


# Each of a dozen rules asks for every service in every environment, and so do stacks and commands.
@lru_cache(maxsize=4096)
def _resolved(one: _Same[Service], where: _Same[Environment]) -> Resolved:
    service, environment = one.model, where.model
    data = _merged(given(service), given(service.environments.get(environment.name)))
    data.pop("environments", None)
    shared = {key: _merged(given(getattr(environment, key)), data.get(key) or {}) for key in SHARED}
    data |= {key: filled(data[key], environment) for key in _FILLED if key in data}
    # Validated as in the file, so that a fault has the key's path there.
    data |= {key: value for key, value in shared.items() if key in data}
    final = Service.model_validate(data, context={"region": environment.region})
    rollout = Rollout.model_validate(shared["rollout"])
    if not is_reachable(final):  # No suite can tell its new revision from the old one.
        rollout = rollout.model_copy(update={"load": None, **({"gate": None} if rollout.gate == "suite" else {})})
    host = environment.shared_host
    if host is not None and final.kind == "web" and not (final.internal or final.hosts):
        # By its paths alone, it would take requests of others on the listener that it shares with them.
        final = final.model_copy(update={"hosts": (host,)})
    update = {"scaling": Scaling.model_validate(shared["scaling"]), "rollout": rollout}
    return Resolved(final, environment.model_copy(update=update))


def suite_gated(services: Iterable[Service], environment: Environment) -> tuple[str, ...]:
    """Names of the services whose new revisions wait for an environment's test suite."""
    return tuple(name for name, rollout in _asking_suite(services, environment) if rollout.gate == "suite")


def suite_loaded(services: Iterable[Service], environment: Environment) -> tuple[str, ...]:
    """Names of the services that an environment's test suite sends requests while they bake."""
    return tuple(name for name, rollout in _asking_suite(services, environment) if rollout.load == "suite")


def suite_asked(services: Iterable[Service], environment: Environment) -> tuple[str, ...]:
    """Names of the services whose new revisions an environment's test suite calls: for a gate, or as load."""
    return tuple(name for name, _ in _asking_suite(services, environment))


def _asking_suite(services: Iterable[Service], environment: Environment) -> Iterator[tuple[str, Rollout]]:
    for each in services:
        if each.kind == "web" and (rollout := resolved(each, environment).environment.rollout).asks_suite:
            yield each.name, rollout


def filled(value: Any, environment: Environment) -> Any:
    """The value with every ``{account}``, ``{region}`` and ``{environment}`` in it replaced."""
    if isinstance(value, str):
        values = {"account": environment.account, "region": environment.region, "environment": environment.name}
        return re.sub(rf"\{{({'|'.join(PLACEHOLDERS)})\}}", lambda match: values[match.group(1)], value)
    if isinstance(value, Mapping):
        return {key: filled(each, environment) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(filled(each, environment) for each in value)
    return value


@dataclass(frozen=True)
class Origin:
    """One value of a service in an environment.

    Attributes:
        source: Where it comes from: the table of ``nova.toml`` that has it, or ``default``.
    """

    key: str
    value: Any
    source: str


def origins(service: Service, environment: Environment, services: Iterable[Service]) -> Iterator[Origin]:
    """Every value that counts for a service in an environment, with where it comes from, among all services."""
    found = resolved(service, environment)
    override = f"[services.environments.{environment.name}]"
    layers: list[tuple[str, Mapping[str, Any]]] = [
        (override, given(service.environments.get(environment.name))),
        ("[[services]]", given(service)),
        ("[[environments]]", {key: given(getattr(environment, key)) for key in SHARED}),
    ]
    values = found.service.model_dump(exclude={"environments", *SHARED})
    values |= {key: getattr(found.environment, key).model_dump() for key in SHARED}
    if service.kind == "worker":
        values["rollout"]["strategy"] = "rolling"
        layers.insert(0, ('kind = "worker"', {"rollout": {"strategy": "rolling"}}))
    named = {**defaults_of(service.name, service.hosts, service.paths), "health.path": GRPC_HEALTH}
    if service.kind == "web":
        values["smoke"] = smoke_paths(found.service, found.environment, services)
    own = set(ONLY_OF[service.kind].model_fields)
    others = {key for model in ONLY_OF.values() for key in model.model_fields} - own
    for key, value in _leaves({key: value for key, value in values.items() if key not in others}, ""):
        if _UNUSED[service.kind].match(key):
            continue
        source = next((name for name, layer in layers if _has(layer, key.split("."))), "default")
        if value == named.get(key):
            source = "default"
        yield Origin(key, value, source)


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _written(value)


def _written(value: Any) -> Any:
    """A value without what its tables leave out: TOML has no null."""
    if isinstance(value, Mapping):
        return {key: _written(each) for key, each in value.items() if each is not None}
    return tuple(map(_written, value)) if isinstance(value, tuple) else value


def _has(layer: Any, path: list[str]) -> bool:
    for part in path:
        if not isinstance(layer, Mapping) or part not in layer:
            return False
        layer = layer[part]
    return True


def given(part: BaseModel | None) -> dict[str, Any]:
    """What the file says of a part: nothing of its defaults."""
    return part.model_dump(exclude_unset=True) if part is not None else {}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables as one: what the second one has wins, key by key in every table; other values are replaced."""
    both = {
        key: _merged(base[key], value) if isinstance(value, Mapping) and isinstance(base.get(key), Mapping) else value
        for key, value in over.items()
    }
    if "secrets" in both and "secrets" in base:  # one names one place: it is replaced as a whole
        both["secrets"] = {**(base["secrets"] or {}), **(over["secrets"] or {})}
    return {**base, **both}
