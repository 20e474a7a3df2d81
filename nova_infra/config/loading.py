"""Reads ``nova.toml`` and reports everything that is wrong with it at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nova_infra.config.contradictions import contradictions
from nova_infra.config.delivery import Delivery, Source, Toolchain
from nova_infra.config.environment import Environment
from nova_infra.config.root import CONFIG_FILE, Config
from nova_infra.config.service import Service
from nova_infra.config.wording import follows_from_another, in_one_line
from nova_infra.errors import ConfigError


def load_config(root: Path) -> Config:
    """Read and validate ``nova.toml`` and the service directories beside it.

    Args:
        root: The directory that holds ``nova.toml`` and ``services/``.

    Raises:
        ConfigError: With one line per fault, each naming the key, what is wrong and what to do.
    """
    path = root / CONFIG_FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{CONFIG_FILE}: not found in {root}: run the command in the project's directory") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{CONFIG_FILE}: is not UTF-8: save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{CONFIG_FILE}: is not valid TOML: {error}: fix that line") from None
    except RecursionError:
        raise ConfigError(f"{CONFIG_FILE}: is nested too deeply: flatten it") from None
    return parse_config(data, services=root / "services")


def parse_config(data: Mapping[str, Any], *, services: Path | None = None) -> Config:
    """Validate what ``nova.toml`` holds.

    Args:
        data: The file's content.
        services: The directory of the services, to be compared with the list. Default: not compared.

    Raises:
        ConfigError: With one line per fault, each naming the key, what is wrong and what to do.
    """
    data = {key: _frozen(value) for key, value in data.items()}
    config, faults = None, []
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        faults += [in_one_line(e) for e in error.errors(include_url=False) if not follows_from_another(e)]
    environments = data.get("environments")
    faults += (
        f"{CONFIG_FILE}: {fault}"
        for fault in contradictions(
            toolchain=_valid(Toolchain, [data.get("toolchain")]).get(0),
            source=_valid(Source, [data.get("source")]).get(0),
            delivery=_valid(Delivery, [data.get("delivery", {})]).get(0),
            environments=_valid(Environment, environments),
            environment_count=len(environments) if isinstance(environments, tuple) else 0,
            services=_valid(Service, data.get("services")),
        )
    )
    if services is not None:
        faults += _directory_faults(data.get("services"), services)
    if faults or config is None:
        raise ConfigError("\n".join(faults))
    return config


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
            yield f"{CONFIG_FILE}: services: {name!r} has the context {context}, which is no directory: create it"
    for name in sorted(present - named.keys()):
        yield (
            f"{CONFIG_FILE}: services: services/{name} has no entry: "
            f'add [[services]] name = "{name}", or remove the directory'
        )
