"""Estimates what templates cost a month at list prices, for comparisons; not a bill."""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from nova_infra.assembly import Assembly
from nova_infra.checks.shapes import ANY, NUMBER, TEXT, ListOf, read
from nova_infra.deployed.stack import Template
from nova_infra.documents.model import Document, Paragraph, Section, Table

_PRICES = Path(__file__).with_name("prices.toml")
_TASK = "AWS::ECS::TaskDefinition"
_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": {"MinCapacity": NUMBER},
    "AWS::CloudWatch::Alarm": {"Metrics!": ListOf({})},
    "AWS::CodeBuild::Project": {"Environment!": {"ComputeType": TEXT}},
    "AWS::EC2::VPCEndpoint": {"SubnetIds!": ListOf(ANY)},
    "AWS::ECS::Service": {
        "DesiredCount": NUMBER,
        "DeploymentConfiguration!": {
            "BakeTimeInMinutes!": NUMBER,
            "CanaryConfiguration!": {"CanaryBakeTimeInMinutes!": NUMBER},
            "LinearConfiguration!": {"StepPercent!": NUMBER, "StepBakeTimeInMinutes!": NUMBER},
        },
    },
    _TASK: {"Cpu!": NUMBER, "Memory!": NUMBER, "RuntimePlatform!": {"CpuArchitecture!": TEXT}},
    "AWS::WAFv2::WebACL": {"Rules!": ListOf(ANY)},
}
"""Type to the shapes of what has a price. What only CloudFormation knows counts as if it were not there."""
_NOT_COUNTED = (
    "traffic through NAT gateways, endpoints and further load balancer capacity units",
    "requests that the firewall inspects, composite alarms and those of target tracking",
    "Container Insights' metrics, stored logs and images",
)


_NO_TASK = read({}, _SHAPES[_TASK])
_Resources = Mapping[str, tuple[Any, Mapping[str, Any]]]
"""Logical id to the type and the properties of a resource."""


@dataclass(frozen=True)
class Item:
    """A priced item."""

    what: str
    usd: float
    how: str


@cache
def prices() -> Mapping[str, Any]:
    """The table of prices, with its date and its sources."""
    return tomllib.loads(_PRICES.read_text(encoding="utf-8"))


def cost(templates: Iterable[Template]) -> list[Item]:
    """What the resources of some stacks cost a month, the most expensive first."""
    found: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
    for template in templates:
        resources = {
            logical_id: (resource.get("Type"), _properties(resource))
            for logical_id, resource in template.get("Resources", {}).items()
            if isinstance(resource, Mapping)
        }
        for kind, properties in resources.values():
            for what, usd, count, how in _priced(kind, properties, resources):
                found[what].append((usd, count, how))
    items = [
        Item(what, sum(usd for usd, _, _ in each), f"{sum(count for _, count, _ in each)} {each[0][2]}")
        for what, each in found.items()
    ]
    return sorted((item for item in items if item.usd), key=lambda item: (-item.usd, item.what))


def total(items: Iterable[Item]) -> float:
    """Their sum."""
    return sum(item.usd for item in items)


def difference(before: Iterable[Template], after: Iterable[Template]) -> str:
    """What a change costs or saves a month, in a sentence; empty if neither."""
    old, new = cost(before), cost(after)
    change = total(new) - total(old)
    if abs(change) < 0.5:
        return ""
    was = {item.what: item.usd for item in old}
    now = {item.what: item.usd for item in new}
    by = {what: now.get(what, 0) - was.get(what, 0) for what in was.keys() | now.keys()}
    most = sorted((what for what in by if abs(by[what]) >= 0.5), key=lambda what: -abs(by[what]))[:3]
    why = ", ".join(f"{what} {by[what]:+,.0f}" for what in most)
    return f"{change:+,.0f} USD a month at list prices of {prices()['dated']} ({why}): {total(new):,.0f} in all"


def by_owner(assembly: Assembly, prefixes: Mapping[str, str]) -> dict[str, list[Template]]:
    """The templates of each environment, and under ``delivery`` those of no environment."""
    found: dict[str, list[Template]] = {name: [] for name in (*prefixes, "delivery")}
    for stack in assembly.stacks():
        owners = [name for name, prefix in prefixes.items() if stack.name.startswith(f"{prefix}-")]
        owner = max(owners, key=lambda name: len(prefixes[name]), default="delivery")
        found[owner].append(assembly.template(stack.template_path))
    return {name: templates for name, templates in found.items() if templates}


def document(groups: Mapping[str, Iterable[Template]]) -> Document:
    """What environments cost a month, and what the figures rest on and leave out."""
    costs = {name: cost(templates) for name, templates in groups.items()}
    sections = [
        Section(
            f"{name}: {total(items):,.0f} USD a month",
            (Table(tuple((item.what, f"{item.usd:,.2f}", item.how) for item in items), right=frozenset({1})),),
        )
        for name, items in costs.items()
    ]
    everything = f"total: {sum(map(total, costs.values())):,.0f} USD a month"
    notes = (*([everything] if len(costs) > 1 else []), *_notes())
    return Document(sections=(*sections, Section("", tuple(map(Paragraph.of, notes)))))


def _notes() -> Iterator[str]:
    table, assumed = prices(), prices()["assumed"]
    yield f"List prices of us-east-1, {table['dated']}; sources in {_PRICES.name}. Services run min_tasks."
    yield (
        f"Assumed: {assumed['releases']} releases a month that change every service, {assumed['minutes_per_build']:g} "
        f"minutes for each build, {assumed['log_gb_per_task']:g} GB of logs for each task."
    )
    yield f"Not counted: {'; '.join(_NOT_COUNTED)}; builds on larger machines than small."


def _properties(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    return read(resource.get("Properties", {}), _SHAPES.get(str(resource.get("Type")), {}))


def _priced(kind: Any, properties: Mapping[str, Any], resources: _Resources) -> list[tuple[str, float, int, str]]:
    """What, USD a month, how many, and of what they are."""
    table = prices()
    hours, network, security = table["month"]["hours"], table["network"], table["security"]
    match kind:
        case "AWS::ECS::Service":
            return _service(properties, resources)
        case "AWS::EC2::NatGateway":
            return [("NAT gateways", network["nat_gateway_hour"] * hours, 1, "gateways")]
        case "AWS::EC2::VPCEndpoint" if properties.get("VpcEndpointType") == "Interface":
            zones = max(1, len(properties["SubnetIds"]))
            return [("endpoints", zones * network["endpoint_zone_hour"] * hours, zones, "endpoints, each in a zone")]
        case "AWS::ElasticLoadBalancingV2::LoadBalancer":
            units = table["assumed"]["load_balancer_units"] * network["load_balancer_unit_hour"]
            return [("load balancer", (network["load_balancer_hour"] + units) * hours, 1, "with a capacity unit")]
        case "AWS::CloudWatch::Alarm":
            metrics = max(1, sum("MetricStat" in metric for metric in properties["Metrics"]))
            return [("alarms", metrics * table["watch"]["alarm_metric_month"], metrics, "metrics that alarms watch")]
        case "AWS::KMS::Key":
            return [("keys", security["key_month"], 1, "keys")]
        case "AWS::WAFv2::WebACL":
            rules = len(properties["Rules"])
            usd = security["firewall_month"] + rules * security["firewall_rule_month"]
            return [("firewall", usd, rules, "rules")]
        case "AWS::ECR::Repository":
            scans = table["assumed"]["releases"]
            return [("image scans", scans * security["scan"], scans, "scans")]
        case "AWS::CodeBuild::Project":
            return _builds(properties)
    return []


def _service(properties: Mapping[str, Any], resources: _Resources) -> list[tuple[str, float, int, str]]:
    kind, found = resources.get(_reference(properties.get("TaskDefinition")), ("", {}))
    definition = found if kind == _TASK else _NO_TASK
    table = prices()
    processor = definition["RuntimePlatform"]["CpuArchitecture"].lower()
    rate = table["fargate"].get(processor, table["fargate"]["x86_64"])
    hour = definition["Cpu"] / 1024 * rate["vcpu_hour"] + definition["Memory"] / 1024 * rate["gb_hour"]
    least = [
        int(each.get("MinCapacity", 0))
        for kind, each in resources.values()
        if kind == "AWS::ApplicationAutoScaling::ScalableTarget"
    ]
    tasks = least[0] if least else int(properties.get("DesiredCount", 1))
    minutes = _double_minutes(properties["DeploymentConfiguration"])
    releases, logs = table["assumed"]["releases"], table["assumed"]["log_gb_per_task"] * table["watch"]["log_gb"]
    return [
        ("tasks", tasks * hour * table["month"]["hours"], tasks, "tasks"),
        (
            "second tasks of a rollout",
            tasks * hour * minutes / 60 * releases,
            round(minutes),
            "minutes, each release",
        ),
        ("logs", tasks * logs, tasks, "tasks that write"),
    ]


def _double_minutes(configuration: Mapping[str, Any]) -> float:
    """How long a release runs old and new tasks at the same time: its bakes."""
    linear = configuration["LinearConfiguration"]
    bake = configuration["BakeTimeInMinutes"] + configuration["CanaryConfiguration"]["CanaryBakeTimeInMinutes"]
    if share := linear["StepPercent"]:
        bake += linear["StepBakeTimeInMinutes"] * (100 / share - 1)
    return float(bake)


def _builds(properties: Mapping[str, Any]) -> list[tuple[str, float, int, str]]:
    table = prices()
    minutes = table["assumed"]["minutes_per_build"] * table["assumed"]["releases"]
    delivery = table["delivery"]
    small = properties["Environment"].get("ComputeType") == "BUILD_GENERAL1_SMALL"
    build = minutes * delivery["build_minute_small"] if small else 0.0
    return [
        ("builds", build, round(minutes) if small else 0, "minutes"),
        ("pipeline", minutes * delivery["pipeline_minute"], round(minutes), "minutes of actions"),
    ]


def _reference(value: Any) -> str:
    return str(value.get("Ref", "")) if isinstance(value, dict) else ""
