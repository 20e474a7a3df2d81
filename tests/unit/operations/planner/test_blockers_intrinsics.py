"""What only CloudFormation knows is never refused, and ends no plan, nor does a value of a type that nobody expects."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from helpers import valid_resources, valid_services
from helpers.exhaustive import one_of_each
from nova_infra.operations.planner import Refusal, StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
GIVEN, NOTHING, ELSEWHERE = {"Ref": "Given"}, {"Ref": "AWS::NoValue"}, {"Fn::GetAtt": ["Other", "Arn"]}
STACKS = {**valid_services.STACKS, **valid_resources.STACKS}


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a value that a function may stand at, but not those within a function."""
    if isinstance(value, dict) and not ("Ref" in value or any(str(key).startswith("Fn::") for key in value)):
        for key, part in value.items():
            yield (*path, key)
            yield from places(part, (*path, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield (*path, number)
            yield from places(part, (*path, number))


def at(properties: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        properties = properties[step]
    return properties


def stand_ins(value: Any) -> list[Any]:
    """What a template may have in place of a value."""
    condition, function = {"Fn::If": ["Big", value, NOTHING]}, {"Fn::If": ["Big", GIVEN, value]}
    return [
        GIVEN,
        ELSEWHERE,
        condition,
        function,
        {"Fn::Sub": "${Given}"},
        "{{resolve:ssm:/given}}",
        *([[GIVEN], [condition, NOTHING]] if isinstance(value, list) else []),
    ]


def changed(name: str, path: tuple[str | int, ...], put: Any) -> dict[str, Any]:
    resources = copy.deepcopy(STACKS[name])
    inner = at(resources["It"]["Properties"], path[:-1])
    if put is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = put
    return resources


def refusals(resources: dict[str, Any]) -> list[Refusal]:
    template = {
        "Parameters": {"Given": {"Type": "String"}, "Other": {"Type": "String"}},
        "Conditions": {"Big": {"Fn::Equals": [GIVEN, "big"]}},
        "Resources": resources,
    }
    before, further = StackTemplate(KEY, template), {**resources, "Further": {"Type": "AWS::SNS::Topic"}}
    assert plan([before], []).refusals == [], "a stack that stays behind"
    return plan([before], [[StackTemplate(KEY, {**template, "Resources": further})]]).refusals


FIFTHS = range(5)


@pytest.mark.parametrize("first", one_of_each(FIFTHS))
@pytest.mark.parametrize("name", one_of_each(STACKS, kind=valid_services.STACKS.__contains__))
def test_what_only_cloudformation_knows_is_neither_refused_nor_ends_a_plan(name: str, first: int) -> None:
    assert refusals(STACKS[name]) == []
    for path in itertools.islice(places(STACKS[name]["It"]["Properties"]), first, None, len(FIFTHS)):
        for put in stand_ins(at(STACKS[name]["It"]["Properties"], path)):
            assert refusals(changed(name, path, put)) == [], (path, put)
        if isinstance(path[-1], str):
            assert refusals(changed(name, path, NOTHING)) == refusals(changed(name, path, None)), path


ODD = [None, True, 7, 1e308, "x", [], [[7]], {"a": [7]}]


@pytest.mark.parametrize("first", one_of_each(FIFTHS))
@pytest.mark.parametrize("name", one_of_each(STACKS, kind=valid_services.STACKS.__contains__))
def test_a_value_of_another_type_ends_no_plan(name: str, first: int) -> None:
    for path in itertools.islice(places(STACKS[name]["It"]["Properties"]), first, None, len(FIFTHS)):
        odd: dict[str, Any] = {}
        for number, put in enumerate(ODD):
            odd |= {f"It{number}": copy.deepcopy(STACKS[name]["It"])}
            at(odd[f"It{number}"]["Properties"], path[:-1])[path[-1]] = put
        template = StackTemplate(KEY, {"Resources": {**STACKS[name], **odd}})
        assert len(plan([], [[template]]).stacks) == 1, path


@pytest.mark.parametrize("properties", [*ODD, GIVEN], ids=str)
def test_properties_of_another_type_end_no_plan(properties: Any) -> None:
    odd = {f"It{number}": {**stack["It"], "Properties": properties} for number, stack in enumerate(STACKS.values())}
    assert len(plan([], [[StackTemplate(KEY, {"Resources": odd})]]).stacks) == 1


def test_what_has_no_condition_depends_on_none_even_on_one_of_that_name() -> None:
    told = {"Told": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "t" * 500}}}
    template = {"Conditions": {"None": {"Fn::Equals": ["carts", "parcels"]}}, "Resources": told}
    assert [each.where for each in plan([], [[StackTemplate(KEY, template)]]).refusals] == ["Told.DisplayName"]
    told["Told"]["Condition"] = "None"
    assert plan([], [[StackTemplate(KEY, template)]]).refusals == []
