"""Reads a directory of Copilot's manifests; reports all that is wrong with them, by file and line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

import yaml

from nova_infra.documents.yamls import MOST_VALUES, compose, is_boundless, values
from nova_infra.errors import NovaError
from nova_infra.scaffold.copilot.answers import TYPES, Path

_LETTERS = {name: letter for letter, name in TYPES.items()}


@dataclass
class Manifest:
    """One manifest.

    Attributes:
        letter: Its type, as in ``TYPES``.
        texts: Each value that is neither a map nor a list, as it is written.
        faults: What is wrong with it, to which converting adds.
        used: The values that have been converted.
    """

    file: str
    letter: str
    data: dict[str, Any]
    lines: dict[Path, int]
    texts: dict[Path, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    used: set[Path] = field(default_factory=set)

    def fault(self, path: Path, what: str) -> None:
        """Report a value: what is wrong with it, and what to do."""
        self.faults.append(f"{self.file}:{self.line(path)}: {dotted(path)}: {what}")

    def line(self, path: Path) -> int:
        """Line of the value, or of the next one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def get(self, *path: str) -> Any:
        """The value at a place, or None."""
        value: Any = self.data
        for part in path:
            if isinstance(value, list) and part.startswith("["):
                number = int(part.strip("[]"))
                value = value[number] if number < len(value) else None
            else:
                value = value.get(part) if isinstance(value, dict) else None
        return value


@dataclass(frozen=True)
class Workspace:
    """All that Copilot keeps in a repository.

    Attributes:
        others: Files that belong to Copilot but are not manifests, such as add-ons, relative to the directory.
    """

    application: str | None
    workloads: list[Manifest]
    environments: list[Manifest]
    pipelines: list[Manifest]
    others: list[str]

    def manifests(self) -> Iterator[Manifest]:
        """All of them."""
        yield from (*self.workloads, *self.environments, *self.pipelines)


def read_workspace(directory: File) -> Workspace:
    """All manifests below a directory.

    Args:
        directory: The directory named ``copilot``, or the one that holds it.
    """
    root = directory.parent if directory.name == "copilot" else directory
    copilot = root / "copilot"
    if not copilot.is_dir():
        raise NovaError(f"{directory}: has no directory copilot/ with manifests: name the one that has")
    faults: list[str] = []
    found: dict[str, list[Manifest]] = {"workload": [], "environment": [], "pipeline": []}
    for path in sorted([*copilot.glob("**/manifest.yml"), *copilot.glob("pipeline.yml")]):
        manifest = _read(path, str(path.relative_to(root)), faults)
        if manifest is not None:
            kind = {"E": "environment", "P": "pipeline"}.get(manifest.letter, "workload")
            found[kind].append(manifest)
    for kind, manifests in found.items():
        names: dict[str, Manifest] = {}
        for manifest in manifests:
            name = manifest.data["name"]
            if name in names:
                manifest.fault(("name",), f"{name!r} is also the name of {names[name].file}: give each {kind} its own")
                faults += manifest.faults
            names.setdefault(name, manifest)
    if not faults and not found["workload"]:
        faults.append(f"{copilot}: has no manifest of a service or job: name the directory of another application")
    if faults:
        raise NovaError("\n".join(faults))
    others = sorted(
        str(path.relative_to(root))
        for path in copilot.rglob("*")
        if path.is_file() and {"addons", "overrides"} & set(path.relative_to(copilot).parts[:-1])
    )
    return Workspace(
        _application(copilot / ".workspace"), found["workload"], found["environment"], found["pipeline"], others
    )


def _application(path: File) -> str | None:
    try:
        text = path.read_text(encoding="utf-8")
        root = compose(text)
        data = None if is_boundless(root) else values(root)
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError):
        return None
    name = data.get("application") if isinstance(data, dict) else None
    return name if isinstance(name, str) else None


def _read(path: File, file: str, faults: list[str]) -> Manifest | None:
    try:
        node = compose(path.read_text(encoding="utf-8"))
        if is_boundless(node):
            faults.append(f"{file}:1: has more than {MOST_VALUES} values once its aliases are written out: use fewer")
            return None
        loaded = _Loaded(file)
        data = loaded.value(node, ()) if node is not None else None
    except OSError as error:
        faults.append(f"{file}:1: cannot be read: {error.strerror}: correct its permissions")
        return None
    except UnicodeDecodeError:
        faults.append(f"{file}:1: is not UTF-8: save it as UTF-8")
        return None
    except RecursionError:
        faults.append(f"{file}:1: is nested too deeply: flatten it")
        return None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = " ".join(str(getattr(error, "problem", None) or "cannot be read").split())
        faults.append(f"{file}:{mark.line + 1 if mark else 1}: is not valid YAML: {what}: fix that line")
        return None
    faults += loaded.faults
    if not isinstance(data, dict):
        faults.append(f"{file}:1: is not a map of keys: write `name:` and `type:` first")
        return None
    letter = _letter(file, data, loaded.lines, faults)
    if letter is None:
        return None
    return Manifest(file, letter, data, loaded.lines, loaded.texts)


def _letter(file: str, data: dict[str, Any], lines: dict[Path, int], faults: list[str]) -> str | None:
    pipeline = (
        "pipelines" in file.split("/") or file.endswith("pipeline.yml") or ("stages" in data and "source" in data)
    )
    letter = "P" if pipeline else _LETTERS.get(str(data.get("type")))
    if letter is None:
        line = lines.get(("type",), 1)
        what = f"{data['type']!r} is not a type of Copilot's" if "type" in data else "is missing"
        faults.append(f"{file}:{line}: type: {what}: write one of {', '.join(sorted(set(_LETTERS) - {'Pipeline'}))}")
    name = data.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"\S+", name):
        line = lines.get(("name",), 1)
        what = "is missing" if name is None else f"{name!r} is not a name"
        faults.append(f"{file}:{line}: name: {what}: write lower-case letters, digits and hyphens")
        return None
    return letter


class _Loaded:
    """Plain values of a YAML document, and where they are. Keys stay texts: YAML 1.1 would read ``on`` as true."""

    def __init__(self, file: str) -> None:
        self.lines: dict[Path, int] = {}
        self.texts: dict[Path, str] = {}
        self.faults: list[str] = []
        self._file = file
        self._constructor = yaml.SafeLoader("")

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return self._map(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each, (*path, f"[{number}]")) for number, each in enumerate(node.value)]
        self.texts[path] = str(node.value)
        if node.tag.startswith("!"):  # CloudFormation's, whose value only a deployment knows
            return {node.tag: node.value}
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._fault(node, "cannot be read as a value: put it in quotes")
            return None

    def _map(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, each in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(key, "is not a plain key: write a name")
            elif key.tag == "tag:yaml.org,2002:merge":
                own = dict(self.texts)
                for source in each.value if isinstance(each, yaml.SequenceNode) else [each]:
                    more = self.value(source, path)
                    merged = {**(more if isinstance(more, dict) else {}), **merged}
                    own = {**self.texts, **own}
                self.texts = own
            elif key.value in values:
                self._fault(key, f"{key.value!r} is given twice: keep one of the two")
            else:
                values[key.value] = self.value(each, (*path, key.value))
                self.lines[(*path, key.value)] = key.start_mark.line + 1
        return {**merged, **values}

    def _fault(self, node: yaml.Node, what: str) -> None:
        self.faults.append(f"{self._file}:{node.start_mark.line + 1}: {what}")


def dotted(path: Path) -> str:
    """A place as users write it: ``http.alias[0].name``."""
    return ".".join(path).replace(".[", "[")
