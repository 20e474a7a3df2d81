"""Reads ``nova.toml`` and reports everything that is wrong with it at once."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nova_infra.config.delivery import Delivery, Images, Platform, ReleaseSettings, Source, Toolchain
from nova_infra.config.environment import Environment
from nova_infra.config.faults.salvage import usable_services
from nova_infra.config.rehearsal.dependency import Dependency
from nova_infra.config.rehearsal.rules import dependency_secrets, rehearsal_contradictions
from nova_infra.config.root import CONFIG_FILE, Config, ValidParts
from nova_infra.config.rules.contradictions import contradictions
from nova_infra.config.rules.limits import limits
from nova_infra.config.rules.weaknesses import weaknesses
from nova_infra.config.services.service import Service
from nova_infra.config.wording import follows_from_another, in_one_line, key_of
from nova_infra.errors import ConfigError
from nova_infra.toml import TOO_DEEP, read_toml, unusable_values

_MOST = 200
"""How many faults are shown at once."""


def load_config(root: Path) -> Config:
    """Read and validate ``nova.toml`` and the service directories next to it.

    Raises:
        ConfigError: With one line per fault, each naming the key, what is wrong and what to do.
    """
    path = root / CONFIG_FILE
    try:
        data = read_toml(path)
    except FileNotFoundError:
        raise ConfigError(f"{CONFIG_FILE}: not found in {root}: run the command in the project's directory") from None
    return parse_config(data, directory=root / "services")


def parse_config(data: Mapping[str, Any], *, directory: Path | None = None) -> Config:
    """Validate what ``nova.toml`` holds.

    Args:
        directory: The directory of the services, to be compared with the list. Default: not compared.
    """
    unusable = dict(unusable_values(data))
    faults = [f"{CONFIG_FILE}: {key}: {fault}" for key, fault in unusable.items()]
    if TOO_DEEP in unusable.values():  # nothing below could walk it
        raise ConfigError(_as_lines(faults))
    data = {key: _frozen(value) for key, value in data.items()}
    config = None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        faults += [
            in_one_line(each)
            for each in error.errors(include_url=False)
            if not follows_from_another(each) and (each["type"] == "extra_forbidden" or key_of(each) not in unusable)
        ]
    services, refused = usable_services(data.get("services"))
    parts = _parts(data, services)
    rehearsal = data.get("rehearsal")
    dependencies = _valid(Dependency, rehearsal.get("dependencies") if isinstance(rehearsal, dict) else None)
    found = chain(
        contradictions(parts),
        limits(parts),
        weaknesses(parts),
        rehearsal_contradictions(dependencies, parts.environments, services, complete=config is not None),
        dependency_secrets(dependencies),
    )
    faults += (f"{CONFIG_FILE}: {fault}" for fault in found if not refused.explains(fault))
    if directory is not None:
        faults += _directory_faults(data.get("services"), directory)
        faults += _missing_builds(dependencies, directory.parent)
    if faults or config is None:
        raise ConfigError(_as_lines(faults))
    return config


def _as_lines(faults: Sequence[str]) -> str:
    """The faults, each in a line; of more than anybody reads, the first ones."""
    more = len(faults) - _MOST
    shown = [*faults[:_MOST], f"{CONFIG_FILE}: has {more:,} more faults: fix these first"] if more > 0 else faults
    return "\n".join(shown)


def _parts(data: Mapping[str, Any], services: Mapping[int, Service]) -> ValidParts:
    environments = data["environments"] if isinstance(data.get("environments"), tuple) else ()
    names = [each.get("name") if isinstance(each, dict) else None for each in environments]
    texts = [name for name in names if isinstance(name, str)]
    return ValidParts(
        platform=_valid(Platform, [data.get("platform", {})]).get(0, Platform()),
        toolchain=_valid(Toolchain, [data.get("toolchain")]).get(0),
        source=_valid(Source, [data.get("source")]).get(0),
        delivery=_valid(Delivery, [data.get("delivery", {})]).get(0),
        images=_valid(Images, [data.get("images", {})]).get(0),
        release=_valid(ReleaseSettings, [data.get("release", {})]).get(0, ReleaseSettings()),
        environments=_valid(Environment, data.get("environments")),
        environment_count=len(environments),
        environment_names=frozenset(texts) if len(texts) == len(names) else None,
        services=services,
    )


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


def _missing_builds(dependencies: Mapping[int, Dependency], root: Path) -> Iterator[str]:
    for index, each in dependencies.items():
        if each.build is not None and not (root / each.build / "Dockerfile").is_file():
            yield (
                f"{CONFIG_FILE}: rehearsal.dependencies[{index}].build: {each.build} has no Dockerfile: "
                "create it, or name an image"
            )


def _directory_faults(services: Any, directory: Path) -> Iterator[str]:
    entries = [entry for entry in services if isinstance(entry, dict)] if isinstance(services, tuple) else []
    named = {entry["name"]: entry for entry in entries if isinstance(entry.get("name"), str)}
    present = {dockerfile.parent.name for dockerfile in directory.glob("*/Dockerfile")}
    for name, entry in sorted(named.items()):
        own = entry.get("dockerfile", f"services/{name}/Dockerfile")
        # A name that cannot be one has been reported, and so has a path that leads out of the project.
        usable = re.fullmatch(r"[a-z0-9-]+", name) and isinstance(own, str) and ".." not in own
        if usable and "image" not in entry and not (directory.parent / own).is_file():
            yield f"{CONFIG_FILE}: services: {name!r} has no {own}: create it, name an image, or remove the entry"
        context = entry.get("context")
        if isinstance(context, str) and ".." not in context and not (directory.parent / context).is_dir():
            yield f"{CONFIG_FILE}: services: {name!r} has the context {context}, which is not a directory: create it"
    for name in sorted(present - named.keys()):
        yield (
            f"{CONFIG_FILE}: services: services/{name} has no entry: "
            f'add [[services]] name = "{name}", or remove the directory'
        )
