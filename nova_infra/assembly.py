"""Reads a synthesized cloud assembly: its stacks, their templates, image assets, and its digest."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nova_infra.errors import RefusedError

Template = dict[str, Any]
"""A CloudFormation template as parsed JSON."""

SCHEMA_MAJOR_VERSIONS = range(50, 60)
"""Versions of the cloud assembly's manifest that this interpreter was written against."""


_NAME = re.compile(r"[A-Za-z0-9][\w./:-]*(?: \([\w./-]+\))?", re.ASCII)


class AssemblyError(RefusedError):
    """A directory is not an assembly, or not one that can be rehearsed."""


@dataclass(frozen=True)
class AssembledStack:
    """A stack as an assembly's manifest describes it.

    Attributes:
        artifact_id: Its id in the manifest that lists it.
        template_path: Its template, relative to the assembly.
        dependencies: Artifact ids of what has to be deployed before.
        display_name: What the CDK CLI calls it: its construct path.
    """

    artifact_id: str
    name: str
    account: str
    region: str
    template_path: str
    dependencies: tuple[str, ...]
    display_name: str


@dataclass(frozen=True)
class DockerAsset:
    """An image whose sources are in an assembly."""

    directory: Path
    dockerfile: str
    arguments: Mapping[str, str]


@dataclass(frozen=True)
class Assembly:
    """A directory that ``cdk synth`` wrote.

    Attributes:
        directory: The directory with ``manifest.json``.
    """

    directory: Path

    def template(self, path: str) -> Template:
        """The template at a path relative to the assembly.

        Raises:
            AssemblyError: There is no such template.
        """
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise AssemblyError(f"{path!r}: leads out of {self.directory}: run `make synth`")
        try:
            template = _read_json(self.directory / path)
        except FileNotFoundError:
            raise AssemblyError(
                f"{path}: named by the pipeline but not in {self.directory}: run `make synth`"
            ) from None
        resources = template.get("Resources", {})
        if not isinstance(resources, dict):
            raise AssemblyError(f"{self.directory / path}: is not a CloudFormation template: run `make synth`")
        for name, resource in resources.items():
            parts = resource if isinstance(resource, dict) else {}
            if not isinstance(parts.get("Type"), str) or not isinstance(parts.get("Properties", {}), dict):
                raise AssemblyError(f"{self.directory / path}: {name} is not a resource: run `make synth`")
        return template

    def stacks(self) -> list[AssembledStack]:
        """All stacks, those of nested assemblies included."""
        return list(_stacks(self.directory, PurePosixPath()))

    def docker_assets(self) -> dict[str, DockerAsset]:
        """The images whose sources it holds, by their tags."""
        found = {}
        for path in sorted(self.directory.rglob("*.assets.json")):
            try:
                images = _read_json(path).get("dockerImages", {})
                for tag, image in images.items():
                    if directory := image["source"].get("directory"):
                        source = image["source"]
                        dockerfile, arguments = (
                            source.get("dockerFile", "Dockerfile"),
                            source.get("dockerBuildArgs", {}),
                        )
                        found[tag] = DockerAsset((path.parent / directory).resolve(), dockerfile, arguments)
            except (AttributeError, KeyError, TypeError):
                raise AssemblyError(f"{path}: was not written by `cdk synth`: run `make synth`") from None
        return found

    def templates(self, prefix: str) -> dict[str, Template]:
        """Stack name to template, of one environment.

        Args:
            prefix: ``<platform>-<environment>``, with which the names of its stacks begin.

        Raises:
            AssemblyError: The directory is not an assembly, or the environment is not in it.
        """
        found = {
            stack.name: self.template(stack.template_path)
            for stack in self.stacks()
            if stack.name.startswith(f"{prefix}-")
        }
        if not found:
            raise AssemblyError(f"{self.directory}: holds no stack of {prefix}: run `make synth`")
        return found

    def templates_by_owner(self, prefixes: Mapping[str, str]) -> dict[str, list[Template]]:
        """The templates of each environment, and under ``delivery`` those of no environment."""
        found: dict[str, list[Template]] = {name: [] for name in (*prefixes, "delivery")}
        for stack in self.stacks():
            owners = [name for name, prefix in prefixes.items() if stack.name.startswith(f"{prefix}-")]
            owner = max(owners, key=lambda name: len(prefixes[name]), default="delivery")
            found[owner].append(self.template(stack.template_path))
        return {name: templates for name, templates in found.items() if templates}

    def pipelines(self) -> list[str]:
        """Paths of the templates of stacks that hold a pipeline."""
        try:
            manifest = _read_json(self.directory / "manifest.json")
        except FileNotFoundError:
            raise AssemblyError(f"{self.directory}: holds no manifest.json: run `make synth`") from None
        version = str(manifest.get("version"))
        if not version.split(".")[0].isdigit() or int(version.split(".")[0]) not in SCHEMA_MAJOR_VERSIONS:
            raise AssemblyError(
                f"{self.directory}: is an assembly of version {version}, but Nova reads "
                f"{SCHEMA_MAJOR_VERSIONS.start} to {SCHEMA_MAJOR_VERSIONS.stop - 1}: run `make synth`"
            )
        paths = _template_files(manifest, self.directory)
        return [path for path in paths if resources_of_type(self.template(path), "AWS::CodePipeline::Pipeline")]

    def pipeline_template(self) -> Template:
        """The template of the one stack that holds a pipeline.

        Raises:
            AssemblyError: The directory is not an assembly, is one of another version, or holds no pipeline.
        """
        found = self.pipelines()
        if not found:
            raise AssemblyError(
                f"{self.directory}: no stack in it holds a pipeline, and only what a pipeline delivers can be "
                "rehearsed: in a Nova project run `make synth`; for any other app add --app"
            )
        if len(found) > 1:
            names = " and ".join(sorted(str(path) for path in found))
            raise AssemblyError(f"{self.directory}: {names} each hold a pipeline: synthesize one of them at a time")
        return self.template(found[0])


def _stacks(directory: Path, nested: PurePosixPath) -> Iterator[AssembledStack]:
    path = directory / nested / "manifest.json"
    try:
        artifacts = _read_json(path)["artifacts"]
        for artifact_id, artifact in artifacts.items():
            properties = artifact.get("properties", {})
            if artifact["type"] == "cdk:cloud-assembly":
                yield from _stacks(directory, _below(nested, properties["directoryName"]))
            elif artifact["type"] == "aws:cloudformation:stack":
                account, _, region = artifact.get("environment", "").removeprefix("aws://").partition("/")
                names = (properties.get("stackName", artifact_id), artifact.get("displayName", artifact_id))
                # They become arguments of programs and parts of reports: an assembly may be somebody else's.
                if not all(_NAME.fullmatch(name) for name in (artifact_id, *names)):
                    raise AssemblyError(f"{path}: {names[0]!r} is not the name of a stack: run `make synth`")
                yield AssembledStack(
                    artifact_id,
                    names[0],
                    account,
                    region,
                    str(_below(nested, properties["templateFile"])),
                    tuple(artifact.get("dependencies", ())),
                    names[1],
                )
    except FileNotFoundError:
        raise AssemblyError(f"{path}: is missing: run `make synth`") from None
    except (AttributeError, KeyError, TypeError):
        raise AssemblyError(f"{path}: was not written by `cdk synth`: run `make synth`") from None


def _below(directory: PurePosixPath, name: str) -> PurePosixPath:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise AssemblyError(f"{name!r}: leads out of the assembly: run `make synth`")
    return directory / name


def _template_files(manifest: dict[str, Any], directory: Path) -> list[str]:
    try:
        return [
            str(artifact["properties"]["templateFile"])
            for artifact in manifest.get("artifacts", {}).values()
            if artifact["type"] == "aws:cloudformation:stack"
        ]
    except (AttributeError, KeyError, TypeError):
        raise AssemblyError(
            f"{directory / 'manifest.json'}: was not written by `cdk synth`: run `make synth`"
        ) from None


def digest_of(templates: Mapping[str, Template]) -> str:
    """The digest of a set of templates, whichever files hold them: ``sha256:…``."""
    text = json.dumps(dict(templates), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def digest_of_files(directory: Path) -> str:
    """The digest of every file of an assembly as it was built: 64 hexadecimal digits.

    It is what the pipeline itself computes, by a command of its own: see ``update_approval.py``. Hidden files are left
    out, because GitHub keeps none in artifacts.
    """
    files = sorted(
        (
            path.relative_to(directory).as_posix().encode()
            for path in directory.rglob("*")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(directory).parts)
        ),
    )
    lines = (
        b"%b  ./%b\n" % (hashlib.sha256((directory / name.decode()).read_bytes()).hexdigest().encode(), name)
        for name in files
    )
    return hashlib.sha256(b"".join(lines)).hexdigest()


def resources_of_type(template: Template, resource_type: str) -> dict[str, dict[str, Any]]:
    """Logical id to resource, for the resources of one type."""
    return {
        logical_id: resource
        for logical_id, resource in template.get("Resources", {}).items()
        if resource["Type"] == resource_type
    }


_SECTIONS: Mapping[str, Mapping[str, Any]] = {
    "Parameters": {"Type!": str},
    "Mappings": {},
    "Conditions": {},
    "Resources": {"Type!": str, "Properties": Mapping, "Condition": str, "DependsOn": (str, list)},
    "Outputs": {"Value!": object, "Export": Mapping, "Condition": str},
}
"""Sections of named objects, and what some of the objects' properties are. A name that ends in ``!`` is needed."""


def readable(template: Template) -> tuple[Template, list[tuple[str, str]]]:
    """A template without what CloudFormation cannot read, and each place of that with its fault.

    Where it has a Transform, loops, as ``Fn::ForEach::Topics``, are left out as well, and no fault.
    """
    kept, faults = dict(template), list[tuple[str, str]]()
    for section in _SECTIONS.keys() & template.keys():
        entries, kept[section] = template[section], {}
        if not isinstance(entries, Mapping):
            faults.append((section, "is no object"))
            continue
        for name, entry in entries.items():
            if not str(name).startswith("Fn::") or "Transform" not in template:
                if fault := _fault(section, entry):
                    faults.append((f"{section}.{name}", fault))
                else:
                    kept[section][name] = entry
    return kept, sorted(faults)


def _fault(section: str, entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return "is no object"
    for key, kind in _SECTIONS[section].items():
        name = key.removesuffix("!")
        if name not in entry and key != name:
            return f"has no {name}"
        if name in entry and not isinstance(entry[name], kind):
            return f"has the {name} {entry[name]!r}"
    inner = entry.items() if section == "Mappings" else ()
    odd = [str(key) for key, each in inner if not isinstance(each, Mapping) and key != "Fn::Transform"]
    odd += ["an export without a Name"] if "Export" in entry and "Name" not in entry["Export"] else []
    return f"has {odd[0]}, which is no object" if odd and section == "Mappings" else f"has {odd[0]}" if odd else ""


def _read_json(path: Path) -> Template:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # what is nested too deeply, or not text, was not synthesized either
        raise AssemblyError(f"{path}: is not JSON ({error}): run `make synth`") from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise AssemblyError(f"{path}: cannot be read ({error.strerror}): run `make synth`") from None
    if not isinstance(content, dict):
        raise AssemblyError(f"{path}: is not a JSON object: run `make synth`")
    return content
