"""What only CloudFormation knows, and values of odd types, never make the checks or the estimate of costs fail."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from helpers.assembly import Assembly
from nova_infra.checks.rules import findings
from nova_infra.operations.changes.cost import cost

STACK = "nova-prod-carts-service"

ODD = (
    {"Fn::If": ["Wide", {"Ref": "Given"}, {"Ref": "AWS::NoValue"}]},
    {"Fn::ImportValue": "shared-value"},
    {"Ref": "Given"},
    None,
    "text",
    7,
    True,
    [{"Ref": "Given"}],
    ["text", None],
    {},
    {"Key": 3},
)

Place = tuple[str, tuple[str | int, ...]]


def places(template: dict[str, Any]) -> Iterator[Place]:
    """Every place of a template below the properties of its resources: logical id and keys."""

    def below(value: Any, keys: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
        entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, each in entries:
            yield (*keys, key)
            yield from below(each, (*keys, key))

    for logical_id, resource in template["Resources"].items():
        for keys in below(resource.get("Properties", {}), ()):
            yield logical_id, keys


def kind(template: dict[str, Any], place: Place) -> tuple[str | int, ...]:
    """Places of one kind hold the same property of the same type of resource."""
    logical_id, keys = place
    return template["Resources"][logical_id]["Type"], *(0 if isinstance(key, int) else key for key in keys)


def faults(template: dict[str, Any], chosen: list[tuple[Place, Any]]) -> list[str]:
    """What fails when odd values stand at places of a template, one at a time."""
    template = copy.deepcopy(template)
    found = []
    for (logical_id, keys), odd in chosen:
        node = template["Resources"][logical_id]["Properties"]
        for key in keys[:-1]:
            node = node[key]
        before, node[keys[-1]] = node[keys[-1]], odd
        try:
            findings(template, account="222222222222")
            cost([template])
        except Exception as error:
            found.append(f"{logical_id} {'.'.join(map(str, keys))} = {odd}: {error!r}")
        node[keys[-1]] = before
    return found


def samples(template: dict[str, Any]) -> list[Place]:
    """One place of each kind."""
    return list({kind(template, place): place for place in places(template)}.values())


def test_an_odd_value_at_a_place_of_each_kind_fails_nothing(assembly: Assembly) -> None:
    template = assembly.template(STACK)
    odd = itertools.cycle(ODD)
    assert faults(template, [(place, next(odd)) for place in samples(template)]) == []


@pytest.mark.exhaustive("test_an_odd_value_at_a_place_of_each_kind_fails_nothing")
def test_every_odd_value_at_a_place_of_each_kind_fails_nothing(assembly: Assembly) -> None:
    template = assembly.template(STACK)
    assert faults(template, list(itertools.product(samples(template), ODD))) == []
