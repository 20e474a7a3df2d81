"""Writes a new service: its directory from ``service_template/`` and its entry in ``nova.toml``, both or neither."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
import sys
import tempfile
import tomllib
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from nova_infra.config import CONFIG_FILE, Service, load_config, parse_config
from nova_infra.config.wording import in_one_line
from nova_infra.errors import NovaError

#: Directories in ``services/`` that are no services, the project's own modules, and paths that every service answers.
_RESERVED = frozenset({"kit", "tests", "app", "conftest", "nova-kit", "nova-infra", "health", "ready"})

_MAX_SUMMARY = 100

# Where each file of the template goes, relative to the service's directory.
_FILES = {
    "Dockerfile.template": "Dockerfile",
    "pyproject.toml.template": "pyproject.toml",
    "requirements.txt": "requirements.txt",
    "src/__init__.py.template": "src/@module@/__init__.py",
    "src/main.py.template": "src/@module@/main.py",
    "tests/test_main.py.template": "tests/test_@module@.py",
}


def add_service(root: Path, name: str, summary: str) -> list[str]:
    """Add a service to a project.

    Args:
        root: The directory that holds ``nova.toml`` and ``services/``.
        name: Its name, which is also the first segment of its paths.
        summary: What it does, in one sentence.

    Returns:
        What was written, as paths relative to ``root``.

    Raises:
        NovaError: The name or the summary cannot be used, or a file cannot be written. Nothing has changed then.
    """
    load_config(root)
    _require_name(root, name)
    _require_summary(summary)
    config = root / CONFIG_FILE
    target = root / "services" / name
    text = _with_entry(config.read_bytes().decode(), name)
    files = service_files(name, summary)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as directory:
            made = Path(directory, name)
            for path, content in files.items():
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_text(content, encoding="utf-8")
            made.rename(target)
            try:
                _replace(config, text)
            except BaseException:
                target.rename(made)
                raise
    except OSError as error:
        raise NovaError(f"{error.filename}: cannot be written: {error.strerror}: mend its permissions") from None
    return [CONFIG_FILE, *sorted(f"services/{name}/{path}" for path in files)]


def service_files(name: str, summary: str) -> dict[str, str]:
    """What a new service consists of: each file's content by its path in the service's directory."""
    template = resources.files(__package__) / "service_template"
    return {
        _filled(path, name, summary): _filled((template / source).read_text(encoding="utf-8"), name, summary)
        for source, path in _FILES.items()
    } | {_filled("src/@module@/py.typed", name, summary): ""}


def _filled(text: str, name: str, summary: str) -> str:
    values = {"@name@": name, "@module@": _module(name), "@summary@": summary}
    return re.sub("|".join(values), lambda match: values[match.group()], text)


def _module(name: str) -> str:
    return name.replace("-", "_")


def _require_name(root: Path, name: str) -> None:
    try:
        Service.model_validate({"name": name})
    except ValidationError as error:
        [fault, *_] = error.errors(include_url=False)
        raise NovaError(in_one_line(fault).removeprefix(f"{CONFIG_FILE}: ")) from None
    if name in _RESERVED:
        raise NovaError(f"name: {name!r} is taken by the platform itself: choose another one, such as {name}-service")
    if (root / "services" / name).exists():
        raise NovaError(f"services/{name}: exists already: choose another name, or remove it")
    # Python would import the other one in its place, here or there.
    module = _module(name)
    if module in sys.stdlib_module_names or keyword.iskeyword(module) or importlib.util.find_spec(module):
        raise NovaError(f"name: {name!r} is a Python module or word, too: choose another one, such as {name}-service")


def _require_summary(summary: str) -> None:
    if not re.fullmatch(r"[A-Z][A-Za-z0-9 ,;:()'/+-]+\.", summary) or len(summary) > _MAX_SUMMARY:
        raise NovaError(
            f"summary: {summary!r} is not one plain sentence: start with a capital, use up to {_MAX_SUMMARY} letters, "
            "digits and simple punctuation, and end with a full stop"
        )


def _with_entry(text: str, name: str) -> str:
    """Return ``nova.toml`` with the service at its end; everything else, comments included, stays as it is."""
    end = "\r\n" if "\r\n" in text else "\n"
    text += ("" if text.endswith("\n") else end) + end.join(["", "[[services]]", f'name = "{name}"', ""])
    try:
        parse_config(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        raise NovaError(f"{CONFIG_FILE}: services: is not a list of [[services]] tables: write it as such") from None
    return text


def _replace(path: Path, text: str) -> None:
    """Write a file in one step: whoever reads it meanwhile sees the old one or the new one."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_bytes(text.encode())
        shutil.copymode(path, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
