"""Converts one manifest to a ``[[services]]`` table with its overrides by environment."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from nova_infra.config import FARGATE_MEMORY_MIB, Overrides
from nova_infra.scaffold.copilot.converting import messages, scaling, traffic
from nova_infra.scaffold.copilot.converting.variables import filled, is_map, sentence, variables_of
from nova_infra.scaffold.copilot.reading.manifests import Manifest
from nova_infra.scaffold.copilot.reading.part import Part, TomlTable, left_over
from nova_infra.scaffold.copilot.reading.values import filled_in, words

_KINDS = {"L": "web", "B": "web", "R": "web", "W": "worker", "J": "job"}
_ARCHITECTURES = {"arm64": "arm64", "arm": "arm64", "x86_64": "x86-64", "amd64": "x86-64"}
_ENVIRONMENT = "{environment}"
_STOP = "ContainerDefinitions[0].StopTimeout"
_SERVICE_NAME = re.compile(r"[a-z](-?[a-z0-9])*")

# What a table of one environment may change: the rest is one and the same in every environment.
_BY_ENVIRONMENT = set(Overrides.model_fields)


@dataclass
class Workload:
    """A converted manifest.

    Attributes:
        table: The ``[[services]]`` table, whose ``environments`` are tables of their own.
        hosts: Host names by environment, each with the hosted zone where the manifest names it; ``*`` for all.
        unknown: What only a shell knows, and without which it cannot be delivered: one line each.
    """

    name: str
    table: TomlTable
    exec_in: set[str] = field(default_factory=set)
    log_days: dict[str, int] = field(default_factory=dict)
    hosts: dict[str, dict[str, str | None]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def convert(manifest: Manifest, application: str, environments: list[str]) -> Workload | None:
    """One service or job, or None for a static site."""
    name = manifest.data["name"]
    if not _SERVICE_NAME.fullmatch(name) or len(name) > 40:
        manifest.fault(("name",), f"{name!r}: write at most 40 lower-case letters, digits and single hyphens")
    if manifest.letter == "S":
        return None
    manifest.used |= {("name",), ("type",)}
    result = Workload(name, TomlTable({"name": name, "kind": _kind(manifest)}))
    _convert(Part(manifest), result, result.table, "*", application)
    overrides = manifest.get("environments")
    if overrides is not None and not isinstance(overrides, dict):
        manifest.fault(("environments",), "is not a map: write environments by their names")
        overrides = None
    inner: dict[str, Any] = {}
    notes = left_over(manifest)
    for environment, override in (overrides or {}).items():
        prefix = ("environments", environment)
        if override is None:
            continue
        if not isinstance(override, dict):
            manifest.fault(prefix, "is not a map: write keys of the manifest below it")
            continue
        if environment not in environments:
            notes.append(
                f"{manifest.file}:{manifest.line(prefix)}: {environment} is not an environment: not converted."
            )
            continue
        table = _override(manifest, result, environment, application)
        if table.values:
            inner[environment] = table
        else:
            notes += table.notes
    result.table.notes += notes
    _place_host_names(result, inner, environments)
    traffic.cut_paths(manifest, result.table, inner.values())
    replaced = {name: each.get("count") for name, each in (overrides or {}).items() if isinstance(each, dict)}
    scaling.separate_spot(Part(manifest), result.table, inner, replaced, environments)
    if inner:
        result.table.values["environments"] = TomlTable(inner)
    return result


def _override(manifest: Manifest, result: Workload, environment: str, application: str) -> TomlTable:
    """What a manifest says of one environment."""
    prefix, table = ("environments", environment), TomlTable()
    _convert(Part(manifest, prefix), result, table, environment, application)
    lines = table.notes if _names_image(Part(manifest)) else result.unknown
    for key in [key for key in table.values if key not in _BY_ENVIRONMENT]:
        if table.values.pop(key) != result.table.values.get(key):
            lines.append(
                f"{manifest.file}:{manifest.line(prefix)}: `{key}` is one and the same in all environments: "
                "deliver a second service, or let a variable tell them apart."
            )
    table.notes += left_over(manifest, prefix)
    return table


def _fill_hosts(part: Part, table: TomlTable, hosts: dict[str, str | None], application: str, environment: str) -> None:
    """Fill in what Copilot fills in; the environment's name stays open where a host name is for every one."""
    for host, zone in list(hosts.items()):
        del hosts[host]
        try:
            name = filled_in(host, application)
        except ValueError as error:
            table.notes.append(part.note("http", "alias", what=sentence(error)))
            continue
        hosts[name if environment == "*" else name.replace(_ENVIRONMENT, environment)] = zone
    if "hosts" in table.values:
        table.values["hosts"] = list(hosts)


def _place_host_names(result: Workload, inner: dict[str, Any], environments: list[str]) -> None:
    """Lead a host name to one environment: the last one that has none of its own, whose domain it gives the name.

    One that has the environment's name in it leads to each that has none of its own.
    """
    every = result.hosts.get("*", {})
    if any(_ENVIRONMENT in host for host in every) and "hosts" in result.table.values:
        for name in environments:
            if not result.hosts.get(name):
                found = {host.replace(_ENVIRONMENT, name): zone for host, zone in every.items() if _ENVIRONMENT in host}
                result.hosts[name] = found
                inner.setdefault(name, TomlTable()).values["hosts"] = list(found)
        result.hosts["*"] = {host: zone for host, zone in every.items() if _ENVIRONMENT not in host}
        del result.table.values["hosts"]
        result.table.put("hosts", list(result.hosts["*"]))
    if len(environments) > 1 and (hosts := result.table.values.pop("hosts", None)):
        others = [name for name in environments if not result.hosts.get(name)]
        if others:
            inner.setdefault(others[-1], TomlTable()).values["hosts"] = hosts
            result.hosts[others[-1]] = result.hosts["*"]


def _kind(manifest: Manifest) -> str:
    if manifest.letter == "B" and not manifest.get("http") and manifest.get("image", "port") is None:
        return "worker"
    return _KINDS[manifest.letter]


def _convert(part: Part, result: Workload, table: TomlTable, environment: str, application: str) -> None:
    _image(_with_image(part), table, application)
    _start(part, table)
    place = ("image",) if isinstance(part.peek("image"), str) else ("image", "location")
    if isinstance(part.peek(*place), str) and not {"image", "dockerfile"} & table.values.keys():
        result.unknown.append(part.note(*place, what="only the shell that deploys knows the image: write it."))
    _size(part, table)
    _architecture(part, table)
    if result.table.values["kind"] == "web":
        hosts = result.hosts.setdefault(environment, {})
        traffic.convert(part, table, hosts)
        _fill_hosts(part, table, hosts, application, environment)
    if part.manifest.letter != "J":
        scaling.convert(part, table)
    messages.convert(part, table)
    variables, secrets = variables_of(part, table, application)
    table.put("environment", variables)
    table.put("secrets", secrets)
    _deployment(part, table)
    _sidecars(part, table, application)
    if part.take("exec", kind=bool):
        result.exec_in.add(environment)
    if days := part.take("logging", "retention", kind=int):
        result.log_days[environment] = days
    if part.take("storage", "readonly_fs", kind=bool) is False:
        part.leave("storage", "readonly_fs")
    elif not part.has("storage", "readonly_fs") and not part.is_override:
        table.notes.append(
            f"{part.manifest.file}: its root file system becomes read-only except for /tmp. A service that writes "
            "elsewhere needs readonly_root = false and a readonly_root_reason."
        )


def _with_image(part: Part) -> Part:
    """What names the image: the manifest itself, or the first of its environments where they alone do."""
    names = part.peek("environments")
    parts = [
        part,
        *(Part(part.manifest, ("environments", name)) for name in (names if isinstance(names, dict) else ())),
    ]
    return part if part.is_override else next(filter(_names_image, parts), part)


def _names_image(part: Part) -> bool:
    return isinstance(part.peek("image"), str) or part.has("image", "location") or part.has("image", "build")


def _image(part: Part, table: TomlTable, application: str) -> None:
    place = ("image",) if isinstance(part.peek("image"), str) else ("image", "location")
    table.put("image", part.take(*place, kind=str) and filled(part, table, application, place))
    if len(place) == 1:
        return
    if "image" in table.values and part.has("image", "credentials"):
        table.put("credentials", part.take("image", "credentials", kind=str))
        table.notes.append(part.note("image", "credentials", what="the toolchain reads it: keep it in that account."))
    build = part.peek("image", "build")
    if isinstance(build, str):
        file = PurePosixPath(part.take("image", "build", kind=str))
        table.put("context", str(file.parent))
        table.put("dockerfile", str(file))
    elif build is not None:
        file_name = part.take("image", "build", "dockerfile", kind=str)
        context = part.take("image", "build", "context", kind=str)
        if context is None and file_name is not None:
            context = str(PurePosixPath(file_name).parent)
        table.put("context", context and str(PurePosixPath(context)))
        table.put("dockerfile", str(PurePosixPath(file_name or f"{context or '.'}/Dockerfile")))
        table.put("target", part.take("image", "build", "target", kind=str))
        arguments = part.take("image", "build", "args", kind=dict) or {}
        texts = ((key, ("image", "build", "args", key)) for key in arguments)
        table.put(
            "build_arguments", {key: text for key, place in texts if (text := filled(part, table, application, place))}
        )
    elif not part.is_override and not _names_image(part):
        part.fault("image", what="is missing: write build or location below it")


def _start(part: Part, table: TomlTable) -> None:
    table.put("entrypoint", part.take("entrypoint", kind=object, convert=words))
    table.put("command", part.take("command", kind=object, convert=words))
    check = part.take("image", "healthcheck", "command", kind=object, convert=_health_command)
    table.put("health.command", check)
    traffic.health_times(part, table, "image", "healthcheck")


def _health_command(value: Any) -> list[str]:
    parts = words(value)
    if parts[0] == "CMD-SHELL":
        return ["sh", "-c", " ".join(parts[1:])]
    return parts[1:] if parts[0] == "CMD" and len(parts) > 1 else parts


def _size(part: Part, table: TomlTable) -> None:
    cpu, memory = part.take("cpu", kind=int), part.take("memory", kind=int)
    if part.is_override and (cpu is None) != (memory is None):  # one of the two is the manifest's own
        cpu = cpu or part.manifest.get("cpu")
        memory = memory or part.manifest.get("memory")
    if cpu is None and memory is None:
        return
    cpu, memory = cpu or 256, memory or 512
    fitting = next((size for size in FARGATE_MEMORY_MIB if size >= cpu and max(FARGATE_MEMORY_MIB[size]) >= memory), 0)
    if not fitting:
        part.fault("cpu", what=f"Fargate has no size of cpu {cpu} with memory {memory}: choose a smaller one")
        return
    offered = next(size for size in FARGATE_MEMORY_MIB[fitting] if size >= memory)
    if (fitting, offered) != (cpu, memory):
        table.notes.append(
            part.note("memory", what=f"Fargate has no cpu {cpu} with memory {memory}: the next larger one is taken.")
        )
    table.put("cpu", fitting)
    table.put("memory", offered)


def _architecture(part: Part, table: TomlTable) -> None:
    platform = part.take("platform", kind=str) if isinstance(part.peek("platform"), str) else None
    wanted = platform.partition("/")[2] if platform else part.take("platform", "architecture", kind=str)
    if wanted is not None or platform is not None:
        if platform and not platform.startswith("linux/"):
            part.leave("platform")
        elif wanted in _ARCHITECTURES:
            table.put("architecture", _ARCHITECTURES[wanted])
        else:
            part.fault("platform", what=f"{wanted!r} is not an architecture: write x86_64 or arm64")


def _deployment(part: Part, table: TomlTable) -> None:
    patches = part.peek("taskdef_overrides")
    for number, patch in enumerate(patches if isinstance(patches, list) else ()):
        value = patch.get("value") if isinstance(patch, dict) else None
        if isinstance(value, int) and patch.get("path") == _STOP:
            part.use("taskdef_overrides", f"[{number}]")
            table.put("stop_seconds", max(value, table.values.get("stop_seconds", 0)))
    if part.take("deployment", "rolling", kind=str) == "recreate":
        part.leave("deployment", "rolling")
    table.put("alarms.memory_percent", part.take("deployment", "rollback_alarms", "memory_utilization", kind=int))


def _sidecars(part: Part, table: TomlTable, application: str) -> None:
    sidecars: list[dict[str, Any]] = []
    for name in part.peek("sidecars") or {} if is_map(part, "sidecars") else ():
        if not is_map(part, "sidecars", name):
            continue
        made = TomlTable({"name": name})
        image = part.peek("sidecars", name, "image")
        place = ("image",) if isinstance(image, str) else ("image", "location")
        made.put("image", part.take("sidecars", name, *place, kind=str))
        login = ("image", "credentials") if isinstance(image, dict) else ("credentialsParameter",)
        made.put("credentials", part.take("sidecars", name, *login, kind=str))
        made.put("command", part.take("sidecars", name, "command", kind=object, convert=words))
        essential = part.take("sidecars", name, "essential", kind=bool)
        made.put("essential", essential is not False)
        plain, secret = variables_of(part, table, application, "sidecars", name)
        made.put("environment", plain)
        made.put("secrets", secret)
        _sidecar_health(part, made, name)
        if "image" in made.values:
            sidecars.append(made.values)
        else:
            table.notes.append(part.note("sidecars", name, what="Left out, because it names no image that exists."))
    table.put("sidecars", sidecars)


def _sidecar_health(part: Part, made: TomlTable, name: str) -> None:
    place = ("sidecars", name, "healthcheck")
    if not part.has(*place, "command"):
        return
    made.put("health.command", part.take(*place, "command", kind=object, convert=_health_command))
    traffic.health_times(part, made, *place)
