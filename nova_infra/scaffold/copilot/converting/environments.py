"""Converts environments and pipeline: ``[[environments]]`` in promotion order, and ``[source]``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from nova_infra.config import Environment
from nova_infra.config.values.fields import aws_regions
from nova_infra.scaffold.copilot.converting.workload import Workload
from nova_infra.scaffold.copilot.reading.manifests import Manifest, Workspace
from nova_infra.scaffold.copilot.reading.part import Part, TomlTable, left_over
from nova_infra.scaffold.projects.answers import ACCOUNTS, REGION

_NAME = re.compile(r"[a-z](-?[a-z0-9])*")
_ZONE = re.compile(r"Z[A-Z0-9]{5,31}")
_CERTIFICATE = re.compile(r"arn:[\w-]+:acm:([a-z0-9-]+):(\d{12}):certificate/")
_COPILOTS_OWN_RANGE = "10.0.0.0/16"
_DAYS: list[int] = sorted(
    days
    for days in Environment.model_fields["log_retention_days"].annotation.__args__  # type: ignore[union-attr]
)


def names(workspace: Workspace) -> list[str]:
    """Every environment in promotion order: the pipeline's stages, then those that manifests name."""
    staged = list(_stages(workspace))
    known = [manifest.data["name"] for manifest in workspace.environments]
    overrides = [manifest.get("environments") for manifest in workspace.workloads]
    known += [n for each in overrides if isinstance(each, dict) for n in each if _NAME.fullmatch(n) and len(n) <= 16]
    # Nobody has said in which order these follow: what is called production comes last.
    others = sorted(set(known) - set(staged), key=lambda name: (name.startswith("prod"), name))
    production = [name for name in staged if name.startswith("prod")]
    rest = [name for name in staged if name not in production]
    return list(dict.fromkeys([*rest, *(o for o in others if not o.startswith("prod")), *production, *others])) or [
        "prod"
    ]


def convert(
    workspace: Workspace,
    workloads: Sequence[Workload],
    *,
    accounts: Mapping[str, str],
    regions: Mapping[str, str],
    region: str | None,
    application: str,
) -> list[TomlTable]:
    """The ``[[environments]]`` tables.

    Args:
        workloads: The converted services, which some keys of an environment follow from.
        region: Region of the others; None where a placeholder stands for one that no manifest names.
        application: The platform's name, for placeholders of domains.
    """
    manifests = {manifest.data["name"]: manifest for manifest in workspace.environments}
    stages, order = _stages(workspace), names(workspace)
    tables, ranges = list[TomlTable](), list[IPv4Network]()
    for number, name in enumerate(order):
        last = number == len(order) - 1
        found = manifests.get(name)
        said = _place_of(found) if found is not None else (None, None)
        account, place = accounts.get(name, said[0]), regions.get(name) or said[1] or region
        table = TomlTable({"name": name, "account": account or list(ACCOUNTS.values())[1 + number % 3]})
        table.put("region", place or REGION)
        missing = [what for what, value in (("account", account), ("region", place)) if value is None]
        table.notes += [f"TODO the {what} of this environment; this one is a placeholder." for what in missing]
        _promotion(table, stages.get(name), first=number == 0, last=last)
        table.put("exec", any({"*", name} & workload.exec_in for workload in workloads) or None)
        table.put("log_retention_days", _retention(workloads, name))
        _domain(table, workloads, name, application, last=last)
        table.put("rollout", _rollout(last))
        table.put("network", _network(found, table, ranges))
        if found is not None:
            table.notes += _rest_of(found, name)
        elif name not in stages and (manifests or stages):
            table.notes.append("TODO only manifests of services name it: remove it if nothing is delivered there.")
        tables.append(table)
    return tables


def _stages(workspace: Workspace) -> dict[str, Part]:
    """The stages of the pipelines, by the environments that they deploy to."""
    return {
        stage["name"]: Part(pipeline, ("stages", f"[{number}]"))
        for pipeline in workspace.pipelines
        for number, stage in enumerate(pipeline.get("stages") or [])
        if isinstance(stage, dict) and isinstance(stage.get("name"), str)
    }


def _rest_of(manifest: Manifest, name: str) -> list[str]:
    """Notes of what of an environment's manifest is not converted; what is wrong with its name is a fault."""
    manifest.used |= {("name",), ("type",)}
    if not _NAME.fullmatch(name) or len(name) > 16:
        manifest.fault(("name",), f"{name!r}: write at most 16 lower-case letters, digits and single hyphens")
    if Part(manifest).take("observability", "container_insights", kind=bool) is False:
        Part(manifest).leave("observability", "container_insights")
    return left_over(manifest)


def source(workspace: Workspace, *, account: str, region: str, repository: str) -> TomlTable:
    """The ``[source]`` table.

    Args:
        repository: What stands for a repository that no pipeline names.
    """
    table = TomlTable()
    for other in workspace.pipelines[1:]:
        table.notes.append(f"{other.file}: one pipeline delivers every service: this one is not converted.")
    pipeline = workspace.pipelines[0] if workspace.pipelines else None
    part = Part(pipeline) if pipeline else None
    if part is not None and pipeline is not None:
        pipeline.used |= {("name",), ("version",)}
        provider = part.take("source", "provider", kind=str)
        address = part.take("source", "properties", "repository", kind=str) or ""
        known = provider in (None, "GitHub", "GitHubV1", "Bitbucket")
        if known and (found := re.search(r"[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", address)):
            repository = found[1]
        elif address:
            part.leave("source", "properties", "repository")
        if not known:
            part.leave("source", "provider")
    table.put("repository", repository)
    table.put("branch", (part.take("source", "properties", "branch", kind=str) if part else None) or "main")
    token = part.take("source", "properties", "access_token_secret", kind=str) if part else None
    if token:
        table.put("token_secret", token)
    else:
        connection = f"codeconnections:{region}:{account}:connection/00000000-0000-4000-8000-000000000000"
        table.put("connection_arn", f"arn:{aws_regions().get(region, 'aws')}:{connection}")
        table.notes.append("TODO the ARN of the connection; the console of CodeConnections shows it next to the name.")
    if pipeline is not None:
        table.notes += left_over(pipeline)
    return table


def _place_of(manifest: Manifest) -> tuple[str | None, str | None]:
    """Account and region of an environment, from its certificates and zones (ELB: https-listener-certificates)."""
    part = Part(manifest)
    listed = part.peek("http", "public", "certificates")
    texts = [text for text in (listed if isinstance(listed, list) else []) if isinstance(text, str)]
    found = next((match for text in texts if (match := _CERTIFICATE.match(text))), None)
    if found is not None:
        return found[2], found[1]
    subnets = [part.peek("network", "vpc", "subnets", place) for place in ("public", "private")]
    zones = [each.get("az") for group in subnets if isinstance(group, list) for each in group if isinstance(each, dict)]
    matches = (re.fullmatch(r"([a-z]{2}(?:-[a-z]+)+-\d)[a-f]", zone) for zone in zones if isinstance(zone, str))
    return None, next((match[1] for match in matches if match), None)


def _promotion(table: TomlTable, stage: Part | None, *, first: bool, last: bool) -> None:
    approval = stage.take("requires_approval", kind=bool) if stage else None
    if stage:
        stage.use("name")
    if not last:
        table.put("tests", "integration")
        table.notes.append("`tests` is required before the next environment: what it runs is in services/<name>/tests.")
    if first and not last:
        if approval:
            table.notes.append("Its approval is left out: before the first environment, nothing has been tested.")
    elif approval or last:
        table.put("approval", not first or None)


def _retention(workloads: Sequence[Workload], name: str) -> int | None:
    wanted = [workload.log_days.get(name, workload.log_days.get("*", 0)) for workload in workloads if workload.log_days]
    if not any(wanted):
        return None
    return next((days for days in _DAYS if days >= max(wanted)), _DAYS[-1])


def _rollout(last: bool) -> dict[str, Any]:
    if last:
        return {"strategy": "canary", "percent": 10, "step_bake_minutes": 5, "bake_minutes": 5}
    return {"strategy": "rolling", "bake_minutes": 5}


def _domain(table: TomlTable, workloads: Sequence[Workload], name: str, application: str, *, last: bool) -> None:
    own: dict[str, str | None] = {}
    everywhere: dict[str, str | None] = {}
    for workload in workloads:
        own |= workload.hosts.get(name, {})
        everywhere |= workload.hosts.get("*", {})
    common = _common(list(own or everywhere))
    zone = next((zone for zone in (own or everywhere).values() if zone and _ZONE.fullmatch(zone)), None)
    if common and not own and not last:
        common, zone = f"{name}.{common}", None  # the name itself is the last environment's
    table.put(
        "domain", {"name": common or f"{name}.{application}.example.com", "zone_id": zone or "Z00000000000PLACEHOLDER"}
    )
    if not (common and zone):
        table.notes.append("TODO the domain, and the id of its hosted zone: the manifests do not name both.")


def _common(hosts: list[str]) -> str | None:
    """The longest domain that all host names lie in, if it is more than a public suffix seems to be."""
    if not hosts:
        return None
    shared: list[str] = []
    for labels in zip(*(reversed(host.lower().split(".")) for host in hosts), strict=False):
        if len(set(labels)) > 1:
            break
        shared.insert(0, labels[0])
    return ".".join(shared) if len(shared) > 1 and "*" not in shared else None


def _network(manifest: Manifest | None, table: TomlTable, ranges: list[IPv4Network]) -> dict[str, Any]:
    part = Part(manifest) if manifest else None
    network: dict[str, Any] = {}
    if part is not None and part.has("network", "vpc", "id"):
        network["vpc"] = part.take("network", "vpc", "id", kind=str)
        for place in ("public", "private"):
            ids = _each(part, place, "id")
            if ids:
                network[f"{place}_subnets"] = ids
        ranges.append(next(each for each in _free() if not any(map(each.overlaps, ranges))))
        network["cidr"] = str(ranges[-1])
        if any(len(ids) > 2 for ids in network.values() if isinstance(ids, list)):
            network["zones"] = ["a", "b", "c"]
        table.notes.append(f"TODO the range of {network['vpc']}, and the zones of its subnets: these are placeholders.")
        return network
    text = part.take("network", "vpc", "cidr", kind=str) if part else None
    wanted = _range(text or _COPILOTS_OWN_RANGE)
    if wanted is None and part is not None:
        part.fault("network", "vpc", "cidr", what=f"{text!r} is not a private IPv4 network of /16 to /24: write one")
    chosen = wanted if wanted and not any(map(wanted.overlaps, ranges)) else None
    chosen = chosen or next(each for each in _free() if not any(map(each.overlaps, ranges)))
    if chosen != wanted:
        table.notes.append(
            f"Its range was {text or _COPILOTS_OWN_RANGE}, which another environment has: Nova keeps them apart, so "
            "that they can be connected."
        )
    ranges.append(chosen)
    network["cidr"] = str(chosen)
    zones = sorted({zone[-1] for place in ("public", "private") for zone in _each(part, place, "az")} if part else ())
    if 2 <= len(zones) <= 3:
        network["zones"] = zones
    elif zones:
        table.notes.append(
            f"Its subnets are in zones {', '.join(zones)}: `zones` takes two or three, and a and b are taken."
        )
    return network


def _free() -> Iterator[IPv4Network]:
    return (IPv4Network(f"10.{number}.0.0/16") for number in range(0, 256, 10))


def _each(part: Part, place: str, key: str) -> list[str]:
    found = part.peek("network", "vpc", "subnets", place)
    values = []
    for number, subnet in enumerate(found if isinstance(found, list) else []):
        if isinstance(subnet, dict) and isinstance(subnet.get(key), str):
            values.append(subnet[key])
            part.use("network", "vpc", "subnets", place, f"[{number}]", key)
    return values


def _range(text: str) -> IPv4Network | None:
    try:
        network = IPv4Network(text)
    except ValueError:
        return None
    return network if 16 <= network.prefixlen <= 24 and network.is_private else None
