"""What CloudFormation finds wrong with a template by itself, and what comes near to it."""

from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

HERE, THERE = ("210987654321", "eu-north-1"), ("210987654321", "eu-west-3")
TOPIC = {"Type": "AWS::SNS::Topic"}
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}}


def refused(template: dict[str, Any], before: dict[str, Any] | None = None) -> str:
    key = StackKey(*HERE, "shop")
    deployed = [StackTemplate(key, before)] if before is not None else []
    return "; ".join(
        map(str, plan(deployed, [[StackTemplate(key, {"Resources": {"Topic": TOPIC}, **template})]]).refusals)
    )


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ({"Type": "String", "Default": "ABC", "AllowedPattern": "[a-z]+"}, "does not match its AllowedPattern"),
        ({"Type": "String", "Default": "abc", "AllowedPattern": "[a-z]+"}, ""),
        ({"Type": "String", "Default": "abc", "AllowedPattern": r"\p{Alpha}+"}, ""),
        ({"Type": "String", "Default": "tea", "AllowedValues": ["milk"]}, "none of its AllowedValues"),
        ({"Type": "Number", "Default": 2, "AllowedValues": ["2", "3"]}, ""),
        ({"Type": "Number", "Default": "7", "MaxValue": 6}, "beyond its limits"),
        ({"Type": "String", "Default": "7", "MinLength": 2}, "beyond its limits"),
        ({"Type": "String", "Default": "77", "MinLength": 2, "MaxLength": "2"}, ""),
        ({"Type": "CommaDelimitedList", "Default": "a,b", "AllowedPattern": "[a-z]"}, ""),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, ""),
        ({"Type": "String", "Default": True, "AllowedValues": ["true", "false"]}, ""),
        ({"Type": "String", "Default": "false", "AllowedValues": [True, False]}, ""),
        ({"Type": "String", "Default": True, "AllowedValues": ["True"]}, "none of its AllowedValues"),
        ({"Type": "String", "Default": False, "MinLength": 5, "AllowedPattern": "f.*"}, ""),
        ({"Type": "Number", "Default": "1.0", "AllowedValues": [1]}, ""),
        ({"Type": "String", "Default": "c", "AllowedPattern": "[a-z&&[^b]]"}, ""),
        ({"Type": "String", "Default": "c", "MinLength": "x"}, ""),
        ("x", "Parameters.P: is no object"),
    ],
)
def test_a_parameters_default_has_to_be_one_that_it_allows(parameter: Any, said: str) -> None:
    found = refused({"Parameters": {"P": parameter}})
    assert said in found
    assert bool(found) is bool(said)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"Fn::FindInMap": ["Sizes", "small", "cpu"]}, ""),
        ({"Fn::FindInMap": ["Sizes", "small", "disk"]}, "looks for disk of small in the mapping Sizes"),
        ({"Fn::FindInMap": ["Sizes", "large", "cpu"]}, "looks for cpu of large"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "AWS::Region"}, "cpu"]}, ""),
        ({"Fn::FindInMap": ["Sizes", "large", "cpu", {"DefaultValue": 1}]}, ""),
        ({"Fn::Join": ["", [{"Fn::GetAtt": ["Role", "Arn"]}]]}, ""),
        ({"Fn::Join": ["", [{"Fn::GetAtt": ["Role", "Name"]}]]}, "asks Role for Name, but it has only Arn, RoleId"),
        ({"Fn::GetAtt": ["Topic", "TopicName"]}, ""),
    ],
)
def test_a_function_has_to_find_what_it_looks_for(value: Any, said: str) -> None:
    mappings = {"Sizes": {"small": {"cpu": 3}}}
    template = {"Mappings": mappings, "Outputs": {"O": {"Value": value}}, "Resources": {"Role": ROLE, "Topic": TOPIC}}
    found = refused(template)
    assert said in found
    assert bool(found) is bool(said)


@pytest.mark.parametrize(
    ("condition", "is_refused"),
    [
        ({"Fn::Equals": ["a", "b"]}, False),
        ({"Fn::Equals": ["a", "a"]}, True),
        ({"Fn::Not": [{"Condition": "Same"}]}, False),
        ({"Fn::And": [{"Condition": "Same"}, {"Fn::Equals": ["a", "b"]}]}, False),
        ({"Fn::Or": [{"Condition": "Same"}, {"Fn::Equals": ["a", "b"]}]}, True),
        ({"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-north-1"]}, True),
        ({"Fn::And": [{"Fn::Equals": [{"Ref": "AWS::Region"}, "a"]}, {"Fn::Equals": ["a", "b"]}]}, False),
        ({"Condition": "Odd"}, True),
    ],
)
def test_what_a_condition_leaves_out_is_not_judged(condition: Any, is_refused: bool) -> None:
    log = {"Type": "AWS::Logs::LogGroup", "Condition": "Odd", "Properties": {"RetentionInDays": 45}}
    conditions = {"Odd": condition, "Same": {"Fn::Equals": ["c", "c"]}}
    found = refused({"Conditions": conditions, "Resources": {"Topic": TOPIC, "Log": log}})
    assert ("keeps no log for 45 days" in found) is is_refused


@pytest.mark.parametrize(("place", "said"), [(HERE, "exports url, which first exports already"), (THERE, "")])
@pytest.mark.parametrize("together", [True, False])
def test_two_stacks_of_a_region_cannot_export_one_name(place: tuple[str, str], said: str, together: bool) -> None:
    outputs = {"Url": {"Value": "a", "Export": {"Name": "url"}}}
    first, second = (
        StackTemplate(StackKey(*where, name), {"Resources": {"Topic": TOPIC}, "Outputs": outputs})
        for where, name in ((place, "first"), (HERE, "second"))
    )
    found = "; ".join(map(str, plan([], [[first, second]] if together else [[first], [second]]).refusals))
    assert said in found
    assert bool(found) is bool(said)
    assert not plan([first, second], [[first, second]]).refusals


def key_of(name: str) -> dict[str, Any]:
    keys = [{"AttributeName": name, "KeyType": "HASH"}]
    return {"AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"}], "KeySchema": keys}


@pytest.mark.parametrize("named", [True, False])
def test_a_table_whose_key_changes_is_replaced_and_loses_its_items(named: bool) -> None:
    name = {"TableName": "orders"} if named else {}
    before, after = (
        {"Resources": {"T": {"Type": "AWS::DynamoDB::Table", "Properties": {**key_of(each), **name}}}}
        for each in ("id", "number")
    )
    stack = StackKey(*HERE, "shop")
    planned = plan([StackTemplate(stack, before)], [[StackTemplate(stack, after)]])
    assert bool(planned.refusals) is named
    [lost] = [each for each in planned.stacks[0].consequences if each.loses]
    assert lost.hurts
    assert "is replaced by an empty one: its items are lost" in lost.what


@pytest.mark.parametrize(("names", "count"), [(("one", "two"), 2), (("one",), 0), (("old", "one"), 0), ((), 0)])
def test_a_table_gets_one_index_at_a_time(names: tuple[str, ...], count: int) -> None:
    def table(*indexes: str) -> dict[str, Any]:
        given = [{"IndexName": f"by-{each}", "KeySchema": [{"AttributeName": "id"}]} for each in indexes]
        properties = {**key_of("id"), "GlobalSecondaryIndexes": given, "Tags": [{"Key": "n", "Value": str(indexes)}]}
        return {"Resources": {"T": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}}

    found = refused(table(*names), table(*(("old",) if "old" in names or not names else ())))
    assert (f"adds or deletes {count} indexes" in found) is bool(count)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"Conditions": None}, "shop.Conditions: is no object"),
        ({"Mappings": {"Sizes": "x"}}, "shop.Mappings.Sizes: is no object"),
        ({"Mappings": {"Sizes": {"small": "x"}}}, "shop.Mappings.Sizes: has small, which is no object"),
        ({"Resources": {"T": {**TOPIC, "Condition": {"Fn::Not": []}}}}, "shop.Resources.T: has the Condition"),
        ({"Resources": {"T": {"Properties": {}}}}, "shop.Resources.T: has no Type"),
        ({"Outputs": {"O": {"Value": 1, "Export": {}}}}, "shop.Outputs.O: has an export without a Name"),
    ],
)
def test_what_cloudformation_cannot_read_is_refused_by_name(damage: dict[str, Any], said: str) -> None:
    assert said in refused(damage)


def test_what_a_macro_makes_is_no_fault() -> None:
    loop = {"Fn::ForEach::Topics": ["Name", ["a", "b"], {"Topic${Name}": TOPIC}], "Topic": TOPIC}
    outputs = {"O": {"Value": {"Ref": "Topica"}}}
    assert refused({"Transform": "AWS::LanguageExtensions", "Resources": loop, "Outputs": outputs}) == ""
    assert "refers to Topica" in refused({"Outputs": outputs})


def test_a_description_has_a_limit() -> None:
    output = {"Outputs": {"Address": {"Value": "a", "Description": "ä" * 513}}}
    assert "Outputs.Address: its description has 1,026 bytes" in refused(output)
    output["Outputs"]["Address"]["Description"] = "ä" * 512
    assert refused(output) == ""
    assert "its description has 1,025 bytes" in refused({"Description": "d" * 1025})


def test_a_release_of_outputs_alone_is_read_as_well() -> None:
    deployed = {"Resources": {"Topic": TOPIC}}
    assert "refers to Other" in refused({"Outputs": {"Address": {"Value": {"Ref": "Other"}}}}, deployed)
    assert "its description" in refused({"Outputs": {"A": {"Value": "a", "Description": "d" * 1025}}}, deployed)
    assert refused({"Outputs": {"Address": {"Value": {"Ref": "Topic"}}}}, deployed) == ""


def test_an_index_keeps_its_key() -> None:
    def table(key: str, **more: Any) -> dict[str, Any]:
        index = {"IndexName": "by-it", "KeySchema": [{"AttributeName": key}], **more}
        properties = {**key_of("id"), "GlobalSecondaryIndexes": [index]}
        return {"Resources": {"T": {"Type": "AWS::DynamoDB::Table", "Properties": properties}}}

    assert "changes the key or the projection of by-it" in refused(table("id"), table("day"))
    assert "by-it" not in refused(table("id", ContributorInsightsSpecification={"Enabled": True}), table("id"))
