"""Reads a synthesized cloud assembly (``cdk.out``): its stacks, templates, image assets, and its digest."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Self

from nova_infra.documents.files import UnreadableFileError, read_text
from nova_infra.errors import RefusedError

Template = dict[str, Any]
"""A CloudFormation template as parsed JSON."""

SCHEMA_MAJOR_VERSIONS = range(36, 60)
"""Versions of the cloud assembly's manifest that it reads: what CDK wrote from July 2024 on, with 2.150, was tried."""

_NAME = re.compile(r"[A-Za-z0-9][\w./:-]*(?: \([\w./-]+\))?", re.ASCII)
_STACK = "aws:cloudformation:stack"
_OF_TEMPLATE = {
    *("templateFile", "stackName", "stackTemplateAssetObjectUrl", "validateOnSynth", "requiresBootstrapStackVersion"),
    *("additionalDependencies",),
}
"""What follows from a stack's template and from the version of CDK."""
_LOADS = ["sh", "-c", 'docker load -i "$1" | tail -n 1 | sed "s/Loaded image[^:]*: //g"', "cdk-tarball-image-asset"]
"""How CDK publishes a tarball of an image, whose name follows: nothing of it is run."""
_OF_IMAGE: dict[str, Any] = {"dockerFile": "Dockerfile", "dockerBuildArgs": {}, "dockerBuildTarget": "", "platform": ""}


class AssemblyError(RefusedError):
    """A directory is not an assembly, or not one that can be rehearsed."""

    @classmethod
    def of(cls, fault: str) -> Self:
        """A fault that another synthesis would remove, with the commands for it."""
        return cls(f"{fault}: run `make synth`, or `cdk synth` in an app without it")


@dataclass(frozen=True)
class AssembledStack:
    """A stack as an assembly's manifest describes it.

    Attributes:
        artifact_id: Its id in the manifest that lists it.
        template_path: Its template, relative to the assembly.
        dependencies: Artifact ids of what has to be deployed before.
        display_name: What the CDK CLI calls it: its construct path.
        settings: How it is deployed, apart from its template: by which roles, with which tags and protection.
    """

    artifact_id: str
    name: str
    account: str
    region: str
    template_path: str
    dependencies: tuple[str, ...]
    display_name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DockerAsset:
    """An image whose sources are in an assembly: of its last stage, and for its builder, unless it says which."""

    directory: Path
    dockerfile: str
    arguments: Mapping[str, str]
    target: str = ""
    platform: str = ""


@dataclass(frozen=True)
class Assembly:
    """A directory that ``cdk synth`` wrote: the one with ``manifest.json``."""

    directory: Path

    def template(self, path: str) -> Template:
        """The template at a path relative to the assembly.

        Raises:
            AssemblyError: There is no such template.
        """
        try:
            template = _read_json(self.directory / _below(PurePosixPath(), path))
        except FileNotFoundError:
            raise AssemblyError.of(f"{path}: named by the pipeline but not in {self.directory}") from None
        resources = template.get("Resources", {})
        if not isinstance(resources, dict):
            raise AssemblyError.of(f"{self.directory / path}: is not a CloudFormation template")
        for name, resource in resources.items():
            parts = resource if isinstance(resource, dict) else {}
            if not isinstance(parts.get("Type"), str) or not isinstance(parts.get("Properties", {}), dict):
                raise AssemblyError.of(f"{self.directory / path}: {name} is not a resource")
        return template

    def stacks(self) -> list[AssembledStack]:
        """All stacks, those of nested assemblies included."""
        everything = _artifacts(self.directory, PurePosixPath())
        return [_stack(self.directory, *each) for each in everything if each[2]["type"] == _STACK]

    def commands(self) -> dict[str, list[str]]:
        """The commands that publishing each list of assets runs, but for those that load a tarball of an image."""
        found = {}
        for path, name, listed in self.asset_lists():
            with _synthesized(path):
                assets = [each for kind in ("files", "dockerImages") for each in listed.get(kind, {}).values()]
                commands = [command for each in assets if (command := each["source"].get("executable"))]
                found[name] = [" ".join(each) for each in commands if each[:-1] != _LOADS]
        return {name: commands for name, commands in found.items() if commands}

    def uploads(self) -> dict[str, set[str]]:
        """Bucket and key of each file to upload, to the digests of what it is: of a directory, of all that it holds."""
        found: dict[str, set[str]] = {}
        for path, _, listed in self.asset_lists():
            with _synthesized(path):
                for each in (each for each in listed.get("files", {}).values() if "path" in each["source"]):
                    held = self._held(path.parent / each["source"]["path"])
                    for to in each["destinations"].values():
                        found.setdefault(f"{to['bucketName']}/{to['objectKey']}", set()).add(held)
        return found

    def misled(self) -> list[str]:
        """Names of the stacks that the CDK CLI would deploy from another template than the file that others read."""
        uploads, found = self.uploads(), []
        for nested, name, artifact in _artifacts(self.directory, PurePosixPath()):
            stack = _stack(self.directory, nested, name, artifact) if artifact["type"] == _STACK else None
            if stack and (url := artifact.get("properties", {}).get("stackTemplateAssetObjectUrl")):
                read = self._held(self.directory / stack.template_path)
                found += [stack.name] if uploads.get(str(url).removeprefix("s3://")) != {read} else []
        return found

    def _held(self, source: Path) -> str:
        if not source.resolve().is_relative_to(self.directory.resolve()):
            raise AssemblyError(f"{source}: is outside of the assembly: synthesize all stacks with their assets")
        if not source.is_file() and not source.is_dir():
            raise AssemblyError.of(f"{source}: is uploaded, and is neither a file nor a directory")
        return hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else digest_of_files(source)

    def asset_lists(self) -> Iterator[tuple[Path, str, dict[str, Any]]]:
        """Each list of assets: its file, its name with the nested assembly that it is in, and what it says."""
        for nested, name, artifact in _artifacts(self.directory, PurePosixPath()):
            if artifact["type"] == "cdk:asset-manifest":
                path = self.directory / _below(nested, artifact["properties"]["file"])
                with _synthesized(path):
                    yield path, str(nested / name), _read_json(path)

    def docker_assets(self) -> dict[str, DockerAsset]:
        """The images whose sources it holds, by their tags."""
        found = {}
        for path, _, listed in self.asset_lists():
            with _synthesized(path):
                for tag, image in listed.get("dockerImages", {}).items():
                    if directory := (source := image["source"]).get("directory"):
                        parts = [(path.parent / directory).resolve(), *map(source.get, _OF_IMAGE, _OF_IMAGE.values())]
                        found[tag] = asset = DockerAsset(*parts)
                        if not (file := asset.directory / asset.dockerfile).is_file():
                            raise AssemblyError.of(f"{path}: builds an image from {file}, which is not there")
        return found

    def templates(self, prefix: str) -> dict[str, Template]:
        """Stack name to template, of one environment.

        Args:
            prefix: ``<platform>-<environment>``, with which the names of its stacks begin.

        Raises:
            AssemblyError: The directory is not an assembly, or the environment is not in it.
        """
        stacks = [stack for stack in self.stacks() if stack.name.startswith(f"{prefix}-")]
        found = {stack.name: self.template(stack.template_path) for stack in stacks}
        if not found:
            raise AssemblyError.of(f"{self.directory}: holds no stack of {prefix}")
        return found

    def pipelines(self) -> list[str]:
        """Paths of the templates of stacks that hold a pipeline."""
        try:
            manifest = _read_json(self.directory / "manifest.json")
        except FileNotFoundError:
            raise AssemblyError.of(f"{self.directory}: holds no manifest.json") from None
        version = str(manifest.get("version"))
        if not version.split(".")[0].isdigit() or int(version.split(".")[0]) not in SCHEMA_MAJOR_VERSIONS:
            known = f"{SCHEMA_MAJOR_VERSIONS.start} to {SCHEMA_MAJOR_VERSIONS.stop - 1}"
            remedy = f"but Nova reads {known}: synthesize it with a later aws-cdk-lib, or update Nova"
            raise AssemblyError(f"{self.directory}: is an assembly of version {version}, {remedy}")
        with _synthesized(self.directory / "manifest.json"):
            artifacts = [each for each in manifest.get("artifacts", {}).values() if each["type"] == _STACK]
            paths = [str(each["properties"]["templateFile"]) for each in artifacts]
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


def _artifacts(directory: Path, nested: PurePosixPath) -> Iterator[tuple[PurePosixPath, str, dict[str, Any]]]:
    """What is in an assembly and in those that it holds: where, its id, and its entry in the manifest there."""
    path = directory / nested / "manifest.json"
    with _synthesized(path):
        for artifact_id, artifact in _read_json(path)["artifacts"].items():
            kind = artifact["type"]
            yield nested, artifact_id, artifact
            if kind == "cdk:cloud-assembly":
                yield from _artifacts(directory, _below(nested, artifact["properties"]["directoryName"]))


def _stack(directory: Path, nested: PurePosixPath, artifact_id: str, artifact: dict[str, Any]) -> AssembledStack:
    path, properties = directory / nested / "manifest.json", artifact.get("properties", {})
    with _synthesized(path):
        account, _, region = artifact.get("environment", "").removeprefix("aws://").partition("/")
        names = (properties.get("stackName", artifact_id), artifact.get("displayName", artifact_id))
        # They become arguments of programs and parts of reports: an assembly may be somebody else's.
        if not all(_NAME.fullmatch(name) for name in (artifact_id, *names)):
            raise AssemblyError.of(f"{path}: {names[0]!r} is not the name of a stack")
        return AssembledStack(
            artifact_id,
            names[0],
            account,
            region,
            str(_below(nested, properties["templateFile"])),
            tuple(map(str, artifact.get("dependencies", ()))),
            names[1],
            {"region": region, **{key: value for key, value in properties.items() if key not in _OF_TEMPLATE}},
        )


@contextmanager
def _synthesized(path: Path) -> Iterator[None]:
    """Refuse a file that is missing, or that CDK would not have written so."""
    try:
        yield
    except FileNotFoundError:
        raise AssemblyError.of(f"{path}: is missing") from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise AssemblyError.of(f"{path}: was not written by `cdk synth`") from None


def _below(directory: PurePosixPath, name: str) -> PurePosixPath:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise AssemblyError.of(f"{name!r}: leads out of the assembly")
    return directory / name


def digest_of(templates: Mapping[str, Template]) -> str:
    """The digest of a set of templates, whichever files hold them: ``sha256:…``."""
    text = json.dumps(dict(templates), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def digest_of_files(directory: Path) -> str:
    """The digest of every file of an assembly as it was built: 64 hexadecimal digits.

    It is what the pipeline itself computes, by a command of its own: see ``update_approval.py``. Each line ends with a
    zero, because names may hold anything else, which some versions of that command escape.
    """
    files = sorted((os.fsencode(path.relative_to(directory)), path) for path in _files(directory))
    lines = (b"%b  ./%b\0" % (hashlib.sha256(path.read_bytes()).hexdigest().encode(), name) for name, path in files)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _files(directory: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """All files below a directory, also where links lead: a link to what is above ends there, as with ``find -L``."""
    own = (directory.stat().st_dev, directory.stat().st_ino)
    for path in directory.iterdir() if own not in above else ():
        if path.is_dir():
            yield from _files(path, above | {own})
        elif path.is_file():
            yield path


def resources_of_type(template: Template, resource_type: str) -> dict[str, dict[str, Any]]:
    """Logical id to resource, for the resources of one type."""
    return {name: each for name, each in template.get("Resources", {}).items() if each["Type"] == resource_type}


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
        content = json.loads(read_text(path), parse_constant=int)  # refuses NaN, as JSON does
    except UnreadableFileError as error:
        raise AssemblyError.of(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:  # what is nested too deeply was not synthesized either
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise AssemblyError.of(f"{path}: is not JSON ({why})") from None
    if not isinstance(content, dict):
        raise AssemblyError.of(f"{path}: is not a JSON object")
    return content
