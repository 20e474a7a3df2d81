"""What a template states, and what of it only CloudFormation knows."""

from typing import Any

import pytest

from nova_infra.operations.changes.stated_values import (
    as_given,
    certain_entries,
    is_known,
    is_whole,
    may_be_left_out,
    table,
    tables,
    values_at,
)

NO_VALUE = {"Ref": "AWS::NoValue"}
PARAMETER = {"Ref": "Size"}
EITHER = {"Fn::If": ["Large", {"Cpu": 2}, {"Cpu": 4}]}
PERHAPS = {"Fn::If": ["Large", {"Cpu": 2}, NO_VALUE]}


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ("a", True),
        (None, True),
        ({"Cpu": 2, "Ports": [1, 2]}, True),
        ({}, True),
        (PARAMETER, False),
        ({"Fn::Sub": "${Size}"}, False),
        ({"Cpu": {"Limit": PARAMETER}}, False),
        ([1, [PARAMETER]], False),
    ],
)
def test_a_value_is_known_where_no_part_of_it_is_a_function(value: Any, known: bool) -> None:
    assert is_known(value) is known


@pytest.mark.parametrize(
    ("entries", "whole"),
    [([1, {"Cpu": PARAMETER}], True), ({"Cpu": 2}, True), (None, True), ([1, PARAMETER], False), (EITHER, False)],
)
def test_a_list_is_whole_where_no_entry_of_it_is_a_function(entries: Any, whole: bool) -> None:
    assert is_whole(entries) is whole


@pytest.mark.parametrize("value", [PARAMETER, EITHER, "text", 3, None, [{"Cpu": 2}]])
def test_what_is_no_object_is_an_empty_table(value: Any) -> None:
    assert table(value) == {}


def test_the_objects_of_a_list_are_those_that_are_written_out() -> None:
    assert table({"Cpu": PARAMETER}) == {"Cpu": PARAMETER}
    assert tables([{"Cpu": 2}, PARAMETER, "text", {"Cpu": 4}]) == [{"Cpu": 2}, {"Cpu": 4}]
    assert tables({"Cpu": 2}) == [{"Cpu": 2}]
    assert tables(None) == tables(EITHER) == []


def test_what_a_template_leaves_out_is_gone_at_every_depth_but_within_functions() -> None:
    written = {"Cpu": NO_VALUE, "Ports": [1, NO_VALUE, {"Name": NO_VALUE}], "Memory": PERHAPS}
    assert as_given(written) == {"Ports": [1, {}], "Memory": PERHAPS}


@pytest.mark.parametrize(
    ("value", "left_out"),
    [
        (NO_VALUE, True),
        (PERHAPS, True),
        ({"Fn::If": ["Large", NO_VALUE, {"Cpu": 2}]}, True),
        ({"Fn::If": ["Small", EITHER, PERHAPS]}, True),
        (EITHER, False),
        (PARAMETER, False),
        ({"Cpu": NO_VALUE}, False),
    ],
)
def test_a_value_may_be_left_out_where_any_branch_is_no_value(value: Any, left_out: bool) -> None:
    assert may_be_left_out(value) is left_out
    assert certain_entries([value, "always"]) == (["always"] if left_out else [value, "always"])


def test_a_list_that_only_cloudformation_knows_has_no_certain_entry() -> None:
    assert certain_entries(PARAMETER) == certain_entries(None) == []


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("Name", ["web"]),
        ("Ports[]", [80, 443]),
        ("Containers[].Image", ["a", "c"]),
        ("Containers[]", [{"Image": "a"}, {"Image": PARAMETER}, {"Image": "c"}]),
        ("Tags.*", ["x", "y"]),
        ("One[].Cpu", [2]),
        ("Size", []),
        ("Size.Ref", []),
        ("Absent.Name", []),
        ("Name.Absent", []),
    ],
)
def test_a_path_leads_to_every_value_that_is_written_out(path: str, found: list[Any]) -> None:
    properties = {
        "Name": "web",
        "Ports": [80, PARAMETER, 443],
        "Containers": [{"Image": "a"}, {"Image": PARAMETER}, {"Image": "c"}, EITHER],
        "Tags": {"One": "x", "Two": PARAMETER, "Three": "y"},
        "One": {"Cpu": 2},
        "Size": PARAMETER,
    }
    assert list(values_at(properties, path)) == found
