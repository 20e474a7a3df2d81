"""Checks the name of a new service, and that no directory or Python module has it."""

import importlib.util
import keyword
import sys
from pathlib import Path

from pydantic import ValidationError

from nova_infra.config import CONFIG_FILE, Service
from nova_infra.config.rules.contradictions import RESERVED_SERVICES
from nova_infra.config.wording import in_one_line
from nova_infra.errors import NovaError

# The project's own modules, and paths that every service answers.
_RESERVED = frozenset({*RESERVED_SERVICES, "app", "conftest", "nova-kit", "nova-infra", "health", "ready"})


def module_name(name: str) -> str:
    """The Python package of a service."""
    return name.replace("-", "_")


def require_name(root: Path, name: str, *, package: bool = True) -> None:
    """Make sure that a service of that name can be added to a project, and its Python package if it has one."""
    require_usable(name, package=package)
    if (root / "services" / name).exists():
        raise NovaError(f"services/{name}: already exists: choose another name, or remove it")


def require_usable(name: str, *, package: bool = True) -> None:
    """Make sure that a service may have that name in any project."""
    try:
        Service.model_validate({"name": name})
    except ValidationError as error:
        # Its paths come from its name, and may be wrong, too.
        [fault, *_] = sorted(error.errors(include_url=False), key=lambda each: each["loc"] != ("name",))
        raise NovaError(in_one_line(fault).removeprefix(f"{CONFIG_FILE}: ")) from None
    if name in _RESERVED:
        raise NovaError(f"name: {name!r} is reserved by the platform: choose another one, such as {name}-service")
    if not package:
        return
    # Python would import the other one in its place, here or there.
    module = module_name(name)
    if module in sys.stdlib_module_names or keyword.iskeyword(module) or importlib.util.find_spec(module):
        raise NovaError(
            f"name: {name!r} is also a Python module or keyword: choose another one, such as {name}-service"
        )
