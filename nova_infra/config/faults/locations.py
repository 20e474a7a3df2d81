"""Finds the place in ``nova.toml`` that caused a fault where several tables contribute to a value."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nova_infra.config.environment import Environment
from nova_infra.config.resolved import SHARED, given
from nova_infra.config.services.service import Service
from nova_infra.config.wording import fault_of, follows_from_another, shortened
from nova_infra.toml import key_path

_PARTNERS: Mapping[str, tuple[str, ...]] = {
    "memory": ("cpu",),
    "health.timeout": ("health.interval",),
    "scaling.max_tasks": ("scaling.min_tasks",),
    "scaling.spot.base": ("scaling.max_tasks", "scaling.schedules"),
    "rollout.percent": ("rollout.strategy",),
    "rollout.gate": ("rollout.strategy",),
    "secrets": ("environment",),
    "time_zone": ("schedule",),
    "queue.dead": ("queue.name",),
    "queue.existing": ("queue.name", "queue.dead"),
    "paths": ("hosts",),
    "sidecars": ("memory", "cpu"),
}
"""What a value can contradict: the fault may be in either."""


class KeyPlace:
    """The tables that a service in an environment is made of, the most specific one first."""

    def __init__(self, index: int, service: Service, place: int, environment: Environment) -> None:
        """Remember what each table has."""
        self.key = f"services[{index}]"
        self._layers: list[tuple[str, Mapping[str, Any]]] = [
            (f"{self.key}.environments.{environment.name}", given(service.environments.get(environment.name))),
            (self.key, given(service)),
            (f"environments[{place}]", {key: given(getattr(environment, key)) for key in SHARED}),
        ]

    def line(self, line: str) -> str:
        """A fault of the service as it is in the environment, at the key that was written."""
        path, _, text = line.partition(": ")
        if path == self.key or not path.startswith(f"{self.key}."):
            return line
        path = path.removeprefix(f"{self.key}.")
        layer, found = self._written(path)
        return f"{layer}.{found}: {text}" if found == path else f"{layer}.{found}: contradicts {path}, which {text}"

    def faults(self, error: ValidationError, prefix: str = "") -> Iterator[str]:
        """What a model says of the merged tables, each fault at the key that was written.

        Args:
            prefix: Path of the model under the service, with a dot at its end.
        """
        for each in error.errors(include_url=False):
            if not follows_from_another(each):
                yield self._of_a_model(f"{prefix}{key_path([part for part in each['loc'] if part != '[key]'])}", each)

    def _of_a_model(self, path: str, error: ErrorDetails) -> str:
        layer, found = self._written(path)
        value = error["input"]
        plain = not isinstance(value, dict | list | tuple)
        if found == path:
            others = [
                f"{key}.{partner} is {shortened(its)}"
                for partner in _PARTNERS.get(path, ())
                for key, table in self._layers
                if (its := _at(table, partner)) is not None and key != layer and not isinstance(its, Mapping)
            ][:1]
            fault = fault_of(error, f", where {others[0]}" if others else "")
            said = f"{shortened(value)} " if plain else ""
            return f"{layer}.{path}: {said}{fault}"
        fault = fault_of(error)
        own = _at(dict(self._layers)[layer], found)
        shown = f"{shortened(own)} " if not isinstance(own, Mapping | tuple) else ""
        origin = next((key for key, table in self._layers if _at(table, path) is not None), self.key)
        against = f"{origin}.{path}" + (f" = {shortened(value)}" if plain else "")
        return f"{layer}.{found}: {shown}contradicts {against}, which {fault}"

    def _written(self, path: str) -> tuple[str, str]:
        """The table and the path in it that a fault is about."""
        partners = _PARTNERS.get(path, ())
        if re.search(r"(^|\.)environment\.", path):
            partners = ("connects_to",)
        for key, table in self._layers:
            for each in (path, *partners):
                if _at(table, each) is not None:
                    return key, each
        # A default, or a table as a whole.
        shorter = re.sub(r"(\.[^.\[]+|\[\d+\])$", "", path)
        for key, table in self._layers if shorter != path else ():
            if _at(table, shorter) is not None:
                return key, path
        return self.key, path


def _at(table: Any, path: str) -> Any:
    """What a table has at a path such as ``sidecars[0].image``; None for nothing."""
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(table, Mapping):
            table = table.get(part)
        elif isinstance(table, tuple) and part.isdigit() and int(part) < len(table):
            table = table[int(part)]
        else:
            return None
    return table
