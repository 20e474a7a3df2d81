"""Converts how a service is reached, mostly a manifest's ``http``: paths, host names, health checks, network."""

from collections.abc import Iterable
from typing import Any

from nova_infra.config import Health
from nova_infra.documents.text import counted
from nova_infra.scaffold.copilot.reading.manifests import Manifest
from nova_infra.scaffold.copilot.reading.part import Part, TomlTable
from nova_infra.scaffold.copilot.reading.values import port, whole_seconds

_MAX_VALUES = 5

MAX_STOP = 120
"""Seconds: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html, stopTimeout."""
COPILOTS_INTERVAL = 30
"""Seconds between two requests for a target's health, where Copilot's manifest does not say."""
_INTERVAL, _TIMEOUT = Health().interval, Health().timeout

_PROTOCOLS = {"http1": "http", "http2": "http2", "grpc": "grpc"}


def convert(part: Part, table: TomlTable, hosts: dict[str, str | None]) -> None:
    """The part of a service that takes requests.

    Args:
        hosts: Gets the host names, each with its hosted zone where the manifest names it.
    """
    letter = part.manifest.letter
    table.put("port", part.take("image", "port", kind=int))
    if part.peek("http") is False:
        part.take("http", kind=bool)
        table.notes.append(part.note("http", what="No service without a load balancer and a port: see `nlb`."))
        return
    if letter == "B" and not part.is_override:
        table.put("internal", True)
    if part.peek("http", "private") not in (None, False):
        part.take("http", "private", kind=object)
        table.put("internal", True)
    _paths(part, table)
    if letter == "B" or part.manifest.get("http", "private") not in (None, False):
        _leave_hosts(part, table)
    else:
        _hosts(part, hosts)
        table.put("hosts", list(hosts))
    place = ("http", "healthcheck")
    if isinstance(part.peek(*place), str):
        table.put("health.path", part.take(*place, kind=str))
    else:
        table.put("health.path", part.take(*place, "path", kind=str))
        health_times(part, table, *place)
    _draining(part, table)
    version = part.take("http", "version", kind=str)
    if version is not None and version.lower() not in _PROTOCOLS:
        part.fault("http", "version", what=f"{version!r} is not a version: write http1, http2 or grpc")
    elif version is not None:
        table.put("protocol", _PROTOCOLS[version.lower()])
    table.put("port", part.take("http", "target_port", kind=object, convert=port))
    if part.take("http", "redirect_to_https", kind=bool) is False:
        part.leave("http", "redirect_to_https")


def _draining(part: Part, table: TomlTable) -> None:
    """Nova drains for all but the last ten of the seconds that a task gets to stop."""
    delay = part.take("http", "deregistration_delay", kind=object, convert=whole_seconds)
    if delay is not None and delay + 10 > MAX_STOP:
        note = f"Fargate gives a task {MAX_STOP} s to stop, of which the last ten are not for requests."
        table.notes.append(part.note("http", "deregistration_delay", what=note))
    table.put("stop_seconds", delay and min(delay + 10, MAX_STOP))


def health_times(part: Part, table: TomlTable, *place: str) -> None:
    """How often and how long a health check at a place of the manifest asks."""
    times = {
        key: part.take(*place, key, kind=object, convert=whole_seconds)
        for key in ("interval", "timeout", "start_period", "grace_period")
    }
    interval, timeout = times["interval"], times["timeout"]
    if interval is None and timeout is not None and timeout >= _INTERVAL:
        interval = COPILOTS_INTERVAL if timeout < COPILOTS_INTERVAL else timeout + 1
    if interval is not None and (timeout or _TIMEOUT) >= interval:
        timeout = max(2, interval - 1)
        note = f"A check has to end before the next one begins: timeout becomes {timeout}."
        table.notes.append(part.note(*place, what=note))
    start = times["grace_period"] or times["start_period"]
    for ours, theirs, value in (
        ("interval", "interval", interval),
        ("timeout", "timeout", timeout),
        ("start_seconds", "start_period", start),
    ):
        earlier = table.values.get("health", {}).get(ours)
        if value is not None and earlier not in (None, value):  # a sidecar has one check, and a service two
            note = f"Both checks have one `{ours}`: {value}, as the load balancer's."
            table.notes.append(part.note("image", "healthcheck", theirs, what=note))
        table.put(f"health.{ours}", value)


def _paths(part: Part, table: TomlTable) -> None:
    texts = [part.take("http", "path", kind=str)]
    rules = part.peek("http", "additional_rules")
    if rules is not None and not isinstance(rules, list):
        part.fault("http", "additional_rules", what="is not a list: write one entry for each rule")
    for number, rule in enumerate(rules if isinstance(rules, list) else []):
        path = rule.get("path") if isinstance(rule, dict) else None
        if isinstance(path, str):
            texts.append(path)
            part.use("http", "additional_rules", f"[{number}]", "path")
        else:
            part.fault("http", "additional_rules", f"[{number}]", what="has no path: write one")
    paths = list(dict.fromkeys(pattern for text in texts if text is not None for pattern in _patterns(text)))
    table.put("paths", paths)


def cut_paths(manifest: Manifest, table: TomlTable, overrides: Iterable[TomlTable]) -> None:
    """Leave out what a rule of the load balancer has no room for: paths beside the host names that there are.

    A path and what is below it stay or go together, and the first ones stay: host names make room for them.
    """
    paths = table.values.get("paths", [])
    first = len(paths[:1]) + (paths[1:2] == [f"{each}/*" for each in paths[:1]] != [])
    most, hosts = _MAX_VALUES - first, 0
    for each in (table, *overrides):
        names = each.values.get("hosts", [])
        if len(names) > most:
            beside = f" beside {counted(first, 'path')}" if first else ""
            table.notes.append(
                f"{manifest.file}: `hosts` takes {most}{beside}: {', '.join(names[most:])} is left out. Deliver it as "
                "a service of its own."
            )
            each.values["hosts"] = names[:most]
        hosts = max(hosts, len(names[:most]))
    most = _MAX_VALUES - hosts
    if len(paths) > most:
        beside = f" beside {counted(hosts, 'host name')}" if hosts else ""
        kept = most - (paths[most] == f"{paths[most - 1]}/*")
        table.notes.append(
            f"{manifest.file}: `paths` takes {most}{beside}: {', '.join(paths[kept:])} is left out. Deliver it as a "
            "service of its own."
        )
        table.values["paths"] = paths[:kept]


def _patterns(text: str) -> list[str]:
    """The load balancer's patterns for a path of Copilot's: it and what is below it."""
    path = "/" + text.strip("/")
    return ["/*"] if path == "/" else [path] if "*" in path else [path, f"{path}/*"]


def _hosts(part: Part, hosts: dict[str, str | None]) -> None:
    rules = part.peek("http", "additional_rules")
    places: list[tuple[tuple[str, ...], Any]] = [(("http",), part.peek("http"))]
    places += [
        (("http", "additional_rules", f"[{number}]"), rule)
        for number, rule in enumerate(rules if isinstance(rules, list) else [])
    ]
    for place, rule in places:
        if not isinstance(rule, dict) or rule.get("alias") is None:
            continue
        zone = rule.get("hosted_zone")
        alias = rule["alias"]
        for entry in alias if isinstance(alias, list) else [alias]:
            if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                hosts[entry["name"]] = entry.get("hosted_zone") or zone
            elif isinstance(entry, str):
                hosts[entry] = zone
            else:
                part.fault(*place, "alias", what="is neither a name nor a list of names: write one of them")
        part.use(*place, "alias")
        if isinstance(zone, str):
            part.use(*place, "hosted_zone")


def _leave_hosts(part: Part, table: TomlTable) -> None:
    """Names of a service that only siblings reach: they would lead to it through the public load balancer."""
    unused: dict[str, str | None] = {}
    _hosts(part, unused)
    if unused:
        what = f"{', '.join(unused)}: siblings call an `internal` service at `NOVA_INTERNAL_URL`, by its paths."
        table.notes.append(f"{part.manifest.file}: {what}")
