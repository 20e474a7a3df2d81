"""Deployed templates, and edits of them as nova.toml makes them."""

import copy
import json
from collections.abc import Callable
from typing import Any

from nova_infra.operations.planner import Plan, StackKey, StackTemplate, plan

PLATFORM, CARTS, STORE, OVERVIEW = (
    f"nova-prod-{name}" for name in ("platform", "carts-service", "store-service", "overview")
)


PLACE = ("333333333333", "us-east-1")


ELB = "AWS::ElasticLoadBalancingV2"


Templates = dict[str, dict[str, Any]]


def stack(name: str, template: dict[str, Any], place: tuple[str, str] = PLACE) -> StackTemplate:
    return StackTemplate(StackKey(*place, name), template)


def of_type(template: dict[str, Any], kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [(key, each) for key, each in template["Resources"].items() if each["Type"] == kind]


def only(template: dict[str, Any], kind: str) -> dict[str, Any]:
    [(_, found)] = of_type(template, kind)
    properties: dict[str, Any] = found["Properties"]
    return properties


def rules(template: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rule of a service's tests, and its own right behind it."""
    found = [each["Properties"] for _, each in of_type(template, f"{ELB}::ListenerRule")]
    tests, own = sorted(found, key=lambda rule: rule["Priority"])
    return tests, own


def lead(template: dict[str, Any], path: str) -> None:
    for rule in rules(template):
        rule["Conditions"][0]["PathPatternConfig"]["Values"] = [path]


def transition(before: Templates, edit: Callable[[Templates], None], place: tuple[str, str] = PLACE) -> Plan:
    after = copy.deepcopy(before)
    edit(after)
    ends = ("-platform", "-service", "-overview")
    waves = [[stack(name, each, place) for name, each in after.items() if name.endswith(end)] for end in ends]
    return plan([stack(name, each) for name, each in before.items()], waves)


def renamed(template: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(template).replace(old, new))
    return made


def paths(after: Templates) -> None:
    lead(after[CARTS], "/basket/*")


def worker(after: Templates) -> None:
    """The service gets other logical ids, and loses what a load balancer needs."""
    resources = after[CARTS]["Resources"]
    [(key, _)] = of_type(after[CARTS], "AWS::ECS::Service")
    resources["WorkerService"] = resources.pop(key)
    for kind in ("TargetGroup", "ListenerRule"):
        for key, _ in of_type(after[CARTS], f"{ELB}::{kind}"):
            del resources[key]
    after[CARTS].pop("Outputs")


def spot(after: Templates) -> None:
    service = only(after[CARTS], "AWS::ECS::Service")
    service["CapacityProviderStrategy"] = [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}]


def nothing(after: Templates) -> None:
    """An engine is none of an environment's business."""
