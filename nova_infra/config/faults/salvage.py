"""Validates a service again without its faulty keys, so that the rules still judge the rest."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from nova_infra.config.services.service import Service

_FOLLOW: Mapping[str, tuple[str, ...]] = {
    "hosts": ("paths", "priority"),
    "paths": ("hosts", "priority"),
    "priority": ("paths",),
    "cpu": ("memory",),
    "memory": ("cpu", "sidecars"),
    "schedule": ("time_zone", "allow_overlap", "timeout_seconds"),
    "scaling": ("min_tasks", "max_tasks", "cidr"),
    "connects_to": ("environment",),
}
"""Keys that may only seem to be wrong because another one was taken out."""


@dataclass(frozen=True)
class Refused:
    """Keys that were taken out.

    Attributes:
        keys: Those of each service, by its place in the file, and what follows from them; each with the name of the
            environment whose overrides had it, or none.
    """

    keys: Mapping[int, frozenset[tuple[str, str]]]

    def explains(self, fault: str) -> bool:
        """Whether a fault may be there only because a key was taken out.

        Args:
            fault: The path of the key, what is wrong and what to do.
        """
        found = re.match(r"services\[(\d+)\](?:\.environments\.([\w-]+))?", fault)
        keys = self.keys.get(int(found[1]), frozenset()) if found else frozenset().union(*self.keys.values())
        where = found[2] if found else None
        return any(
            re.search(rf"\b{re.escape(key)}\b", fault) for name, key in keys if not name or where in (None, name)
        )


def usable_services(items: Any) -> tuple[dict[int, Service], Refused]:
    """The services that are valid, without the keys that are refused, by their place in the list.

    Args:
        items: What the file has under ``services``.
    """
    services: dict[int, Service] = {}
    taken: dict[int, frozenset[tuple[str, str]]] = {}
    for index, item in enumerate(items if isinstance(items, Iterable) and not isinstance(items, str | dict) else ()):
        try:
            services[index] = Service.model_validate(item)
        except ValidationError as error:
            rest, keys = _without_faults(item, error)
            try:
                services[index] = Service.model_validate(rest)
                taken[index] = keys
            except ValidationError:
                continue  # Without its name, nothing more can be checked.
    return services, Refused(taken)


def _without_faults(item: Any, error: ValidationError) -> tuple[Any, frozenset[tuple[str, str]]]:
    """A service's table without the keys that are at fault, and those keys with what may follow from them."""
    if not isinstance(item, Mapping):
        return item, frozenset()
    rest: dict[str, Any] = dict(item)
    keys: set[tuple[str, str]] = set()
    for fault in error.errors(include_url=False):
        match [part for part in fault["loc"] if part != "[key]"]:
            case ["name" | "kind", *_]:  # without which the others mean something else
                return item, frozenset()
            case ["environments", str(name), str(key), *_] if "environments" in rest:
                environments = dict(rest["environments"])
                environments[name] = {each: value for each, value in environments[name].items() if each != key}
                rest["environments"] = environments
                keys.add((name, key))
            case [str(key), *_]:
                rest.pop(key, None)
                keys.add(("", key))
    return rest, frozenset(keys | {(name, other) for name, key in keys for other in _FOLLOW.get(key, ())})
