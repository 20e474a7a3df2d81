"""What a value of a template refers to."""

from typing import Any

import pytest

from nova_infra.operations.changes.template_values import references


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"Ref": "Queue"}, ["Queue"]),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, ["Queue"]),
        ({"Fn::GetAtt": "Stack.Outputs.Url"}, ["Stack"]),
        ({"Fn::Sub": "${Queue.Arn}/${AWS::Region}/${!Literal}"}, ["Queue", "AWS::Region"]),
        ({"Fn::Sub": ["${own.part}-${Queue}", {"own.part": {"Ref": "Topic"}}]}, ["Queue", "Topic"]),
        ({"Fn::If": ["IsProd", {"Ref": "Queue"}, [{"Ref": "Topic"}]]}, ["Queue", "Topic"]),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": {"Ref": "Queue"}}}}, ["Queue"]),
        ({"Ref": {"not": "a name"}, "Fn::GetAtt": [1], "Fn::Sub": []}, []),
    ],
)
def test_a_value_refers_to_what_its_functions_name(value: Any, names: list[str]) -> None:
    assert [*references(value)] == names
