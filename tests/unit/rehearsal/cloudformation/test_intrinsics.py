from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.intrinsics import Resolver, UnresolvableError

VALUES = {"Name": "audio", "AWS::Region": "eu-west-1", "List": ["a", "b", "c"]}
ATTRIBUTES = {("Thing", "Arn"): "arn:thing", ("Thing", "Inner.Value"): "deep"}


def resolve(value: Any, **parts: Any) -> Any:
    resolver = Resolver(
        ref=VALUES.__getitem__,
        get_att=lambda logical_id, attribute: ATTRIBUTES[logical_id, attribute],
        import_value={"shared": "imported"}.__getitem__,
        conditions={"Yes": {"Fn::Equals": ["a", "a"]}, "No": {"Fn::Not": [{"Condition": "Yes"}]}, **parts},
        mappings={"Sizes": {"small": {"cpu": 256}}},
    )
    return resolver.resolve(value, where="stack.Thing")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Name"}, "audio"),
        ({"Fn::GetAtt": ["Thing", "Arn"]}, "arn:thing"),
        ({"Fn::GetAtt": "Thing.Inner.Value"}, "deep"),
        ({"Fn::ImportValue": {"Fn::Join": ["", ["sha", "red"]]}}, "imported"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Name"}, 3]]}, "a-audio-3"),
        ({"Fn::Sub": "x-${Name}-${Thing.Arn}-${!Literal}"}, "x-audio-arn:thing-${Literal}"),
        ({"Fn::Sub": ["${Own}/${Name}", {"Own": {"Ref": "AWS::Region"}}]}, "eu-west-1/audio"),
        ({"Fn::Select": ["1", {"Ref": "List"}]}, "b"),
        ({"Fn::Split": [":", {"Fn::GetAtt": ["Thing", "Arn"]}]}, ["arn", "thing"]),
        ({"Fn::FindInMap": ["Sizes", "small", "cpu"]}, 256),
        ({"Fn::If": ["Yes", {"Ref": "Name"}, {"Ref": "Unknown"}]}, "audio"),
        ({"Fn::If": ["No", 1, 2]}, 2),
        ({"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]}, False),
        ({"Fn::Or": [{"Condition": "Yes"}, {"Condition": "No"}]}, True),
        ({"Fn::GetAZs": ""}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [1, {"Ref": "AWS::NoValue"}]}, {"b": [1]}),
        ({"Ref": "Name", "Other": 1}, {"Ref": "Name", "Other": 1}),
        ([1, "two", None, True], [1, "two", None, True]),
    ],
)
def test_each_function_is_replaced_by_its_value(value: Any, expected: Any) -> None:
    assert resolve(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::GetAtt": ["Thing", "Colour"]},
        {"Fn::ImportValue": "nowhere"},
        {"Fn::FindInMap": ["Sizes", "large", "cpu"]},
        {"Fn::If": ["Maybe", 1, 2]},
        {"Fn::Select": [7, ["a"]]},
        {"Fn::Transform": {"Name": "AWS::Include"}},
        {"Fn::Sub": "${Nobody}"},
    ],
)
def test_what_is_not_known_is_an_error_that_names_resource_property_and_function(value: dict[str, Any]) -> None:
    with pytest.raises(UnresolvableError) as error:
        resolve({"Properties": [{"Key": value}]})
    assert str(error.value).startswith("stack.Thing.Properties[0].Key: ")
    assert next(iter(value)) in str(error.value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"Ref": "Gone"}, "stack.Thing: refers to Gone, which is not in the template"),
        ({"Fn::Join": ["", ["a", {"Ref": "Gone"}]]}, "refers to Gone, which is not in the template"),
        ({"Ref": "AWS::NotificationARNs"}, "the rehearsal does not know it"),
        ({"Fn::ImportValue": "elsewhere"}, "the rehearsal does not know it"),
    ],
)
def test_what_leads_nowhere_is_no_gap_of_the_rehearsal(value: Any, said: str) -> None:
    with pytest.raises(UnresolvableError, match=said):
        resolve(value)
