"""Refuses contradictions between rehearsal dependencies, and connections that no dependency stands in for."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nova_infra.config.environment import Environment
from nova_infra.config.rehearsal.dependency import Dependency
from nova_infra.config.resolved import filled, usable
from nova_infra.config.services.service import Service
from nova_infra.config.values.repeats import repeated


@dataclass(frozen=True)
class _Place:
    """A host and port that a service connects to."""

    host: str
    port: int
    service: str


def rehearsal_contradictions(
    dependencies: Mapping[int, Dependency],
    environments: Mapping[int, Environment],
    services: Mapping[int, Service],
    *,
    complete: bool,
) -> Iterator[str]:
    """Every contradiction, as the key's path, what is wrong and what to do.

    Args:
        complete: Whether these are all: nobody knows what a service connects to that is refused itself.
    """
    key = "rehearsal.dependencies"
    for index, name, _ in repeated({index: each.name for index, each in dependencies.items()}):
        yield f"{key}[{index}].name: {name!r} is used twice: give each its own name"
    provided: dict[str, int] = {}
    places = list(_places(environments, services))
    taken: dict[tuple[str, int], int] = {}
    for index, dependency in dependencies.items():
        for variable in dependency.provides:
            if (first := provided.setdefault(variable, index)) != index:
                yield (
                    f"{key}[{index}].provides.{variable}: {dependencies[first].name} provides it already: "
                    "remove one of the two, or rename it"
                )
        for number, host in enumerate(dependency.stands_for):
            where = f"{key}[{index}].stands_for[{number}]"
            at = f"{host} at port {dependency.port}"
            if (first := taken.setdefault((host, dependency.port), index)) != index:
                yield f"{where}: {dependencies[first].name} stands for {at}, too: remove one of the two"
            yield from _stands(where, dependency, host, names_of(host, environments), places, complete=complete)


def _stands(
    where: str, dependency: Dependency, host: str, names: set[str], places: list[_Place], *, complete: bool
) -> Iterator[str]:
    ports = sorted({place.port for place in places if place.host in names})
    if not ports and complete:
        yield f'{where}: no service connects to {host}: add connects_to = ["{host}:{dependency.port}"], or remove it'
    elif ports and dependency.port not in ports:
        shown = " and ".join(map(str, ports))
        yield (
            f"{where}: services connect to {host} at port {shown}, but {dependency.name} listens at "
            f"{dependency.port}: correct one of the two"
        )


def names_of(host: str, environments: Mapping[int, Environment]) -> set[str]:
    """What a host is called in each environment: ``{environment}``, ``{region}`` and ``{account}`` are filled in."""
    return {str(filled(host, environment)) for environment in environments.values()} or {host}


def uncovered(
    dependencies: Mapping[int, Dependency], environments: Mapping[int, Environment], services: Mapping[int, Service]
) -> list[str]:
    """What services connect to that no dependency stands for, a clause for each host and port."""
    stood = {
        (name, dependency.port)
        for dependency in dependencies.values()
        for host in dependency.stands_for
        for name in names_of(host, environments)
    }
    missing: dict[tuple[str, int], dict[str, None]] = {}
    for place in _places(environments, services):
        if (place.host, place.port) not in stood:
            missing.setdefault((place.host, place.port), {})[place.service] = None
    return [
        f"{' and '.join(users)} {'connects' if len(users) == 1 else 'connect'} to {host}:{port}, but nothing "
        f'stands in for it here: add [[rehearsal.dependencies]] with stands_for = ["{host}"]'
        for (host, port), users in missing.items()
    ]


def _places(environments: Mapping[int, Environment], services: Mapping[int, Service]) -> Iterator[_Place]:
    for environment in environments.values():
        for each in usable(services, environment).values():
            for connection in each.service.connects_to:
                host, _, port = connection.rpartition(":")
                yield _Place(host, int(port), each.service.name)


_SECRET = re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY|\bgh[pousr]_\w{30,}")


def dependency_secrets(dependencies: Mapping[int, Dependency]) -> Iterator[str]:
    """Variables of dependencies that hold a secret of the world outside; a made-up password is none."""
    for index, dependency in dependencies.items():
        for table, variables in (("environment", dependency.environment), ("provides", dependency.provides)):
            for name, value in variables.items():
                if _SECRET.search(value):
                    yield (
                        f"rehearsal.dependencies[{index}].{table}.{name}: holds a real secret, which everybody could "
                        "read: make one up for this machine"
                    )
