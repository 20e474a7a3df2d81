"""Nested stacks: what they hold is played where they stand."""

import json
from typing import Any

from nova_infra.operations.planner import StackKey, StackTemplate, plan
from nova_infra.rehearsal.cloudformation.nested import flattened
from nova_infra.rehearsal.cloudformation.stack import PlayedStack

STACK = "AWS::CloudFormation::Stack"


def nested(path: str | None, **more: Any) -> dict[str, Any]:
    found = {"Type": STACK, "Properties": {"TemplateURL": "https://here", **more.pop("Properties", {})}, **more}
    return {**found, "Metadata": {"aws:asset:path": path}} if path else found


def queue(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": properties}


INNER = {
    "Parameters": {"Key": {"Type": "String"}, "Mode": {"Type": "String", "Default": "calm"}},
    "Conditions": {"Busy": {"Fn::Equals": [{"Ref": "Mode"}, "busy"]}, "Idle": {"Fn::Not": [{"Condition": "Busy"}]}},
    "Mappings": {"Sizes": {"eu": {"most": 1}}},
    "Resources": {
        "Dead": queue(KmsMasterKeyId={"Ref": "Key"}),
        "Main": {
            **queue(
                Deep={"Fn::GetAtt": ["Dead", "Arn"]},
                Text={"Fn::Sub": "${Dead.Arn} ${Key} ${Mine} ${AWS::Region} ${!Key}"},
                Given={"Fn::Sub": ["${Key}", {"Key": {"Ref": "Dead"}}]},
                Url={"Fn::Sub": "https://${Dead}"},
                Size={"Fn::FindInMap": ["Sizes", "eu", "most"]},
                Either={"Fn::If": ["Busy", {"Ref": "Dead"}, 1]},
                Policy={"Condition": {"StringEquals": {"a": "b"}}},
            ),
            "DependsOn": "Dead",
            "Condition": "Idle",
        },
        "Mine": queue(),
    },
    "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Main", "Arn"]}}},
}


def test_what_a_nested_stack_holds_reads_in_its_parent_as_it_did() -> None:
    outer = {
        "Resources": {
            "Secret": queue(),
            "Work": nested("inner.json", DependsOn=["Secret"], Properties={"Parameters": {"Key": {"Ref": "Secret"}}}),
            "Reader": {
                **queue(
                    Of={"Fn::GetAtt": ["Work", "Outputs.Arn"]},
                    Text={"Fn::Sub": "at ${Work.Outputs.Arn}"},
                    Id={"Ref": "Work"},
                ),
                "DependsOn": ["Work"],
            },
        }
    }
    before = json.dumps(outer)
    found = flattened(outer, {"inner.json": INNER}.__getitem__)
    assert json.dumps(outer) == before
    assert found["Conditions"] == {
        "WorkBusy": {"Fn::Equals": ["calm", "busy"]},
        "WorkIdle": {"Fn::Not": [{"Condition": "WorkBusy"}]},
    }
    assert found["Mappings"] == {"WorkSizes": {"eu": {"most": 1}}}
    resources = found["Resources"]
    assert sorted(resources) == ["Reader", "Secret", "WorkDead", "WorkMain", "WorkMine"]
    assert resources["WorkDead"]["Properties"] == {"KmsMasterKeyId": {"Ref": "Secret"}}
    assert resources["WorkMain"]["Condition"] == "WorkIdle"
    assert resources["WorkMain"]["DependsOn"] == ["Secret", "WorkDead"]
    assert resources["WorkMain"]["Properties"] == {
        "Deep": {"Fn::GetAtt": ["WorkDead", "Arn"]},
        "Text": {"Fn::Sub": ["${WorkDead.Arn} ${Key} ${WorkMine} ${AWS::Region} ${!Key}", {"Key": {"Ref": "Secret"}}]},
        "Given": {"Fn::Sub": ["${Key}", {"Key": {"Ref": "WorkDead"}}]},
        "Url": {"Fn::Sub": "https://${WorkDead}"},
        "Size": {"Fn::FindInMap": ["WorkSizes", "eu", "most"]},
        "Either": {"Fn::If": ["WorkBusy", {"Ref": "WorkDead"}, 1]},
        "Policy": {"Condition": {"StringEquals": {"a": "b"}}},
    }
    arn = {"Fn::GetAtt": ["WorkMain", "Arn"]}
    reader = resources["Reader"]
    assert reader["DependsOn"] == ["WorkDead", "WorkMain", "WorkMine"]
    assert reader["Properties"]["Of"] == arn
    [text, variables] = reader["Properties"]["Text"]["Fn::Sub"]
    assert variables == {text.removeprefix("at ${").removesuffix("}"): arn}
    assert reader["Properties"]["Id"]["Fn::Sub"].endswith(":stack/${AWS::StackName}-Work/0")


def test_one_nested_stack_reads_the_output_of_another_and_holds_a_third() -> None:
    templates = {
        "a.json": {"Resources": {"Q": queue()}, "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Q", "QueueName"]}}}},
        "b.json": {
            "Parameters": {"Name": {"Type": "String"}},
            "Resources": {
                "Q": queue(QueueName={"Ref": "Name"}),
                "C": nested("c.json", Properties={"Parameters": {"N": {"Ref": "Name"}}}),
            },
            "Outputs": {"Again": {"Value": {"Ref": "Name"}}},
        },
        "c.json": {"Parameters": {"N": {"Type": "String"}}, "Resources": {"Q": queue(QueueName={"Ref": "N"})}},
    }
    outer = {
        "Resources": {
            "A": nested("a.json"),
            "B": nested("b.json", Properties={"Parameters": {"Name": {"Fn::GetAtt": ["A", "Outputs.Name"]}}}),
            "Z": queue(QueueName={"Fn::GetAtt": "B.Outputs.Again"}),
        }
    }
    found = flattened(outer, templates.__getitem__)["Resources"]
    name = {"QueueName": {"Fn::GetAtt": ["AQ", "QueueName"]}}
    assert {each: found[each]["Properties"] for each in found} == {"AQ": {}, "BQ": name, "BCQ": name, "Z": name}


def test_what_cannot_be_known_stays_a_nested_stack() -> None:
    templates: dict[str, Any] = {
        "a.json": {"Resources": {}, "Transform": "AWS::Serverless-2016-10-31"},
        "b.json": {"Resources": {}},
    }
    outer = {"Resources": {"A": nested("a.json"), "B": nested("b.json", Condition="Maybe"), "C": nested(None)}}
    assert flattened(outer, templates.__getitem__) is outer


def test_a_stack_that_was_divided_for_its_size_is_not_refused_for_it() -> None:
    inner = {"Resources": {f"Q{number}": queue() for number in range(400)}}
    outer = {"Resources": {"A": nested("a.json"), "B": nested("a.json")}}
    whole = flattened(outer, {"a.json": inner}.__getitem__)
    assert len(whole["Resources"]) == 800
    [planned] = plan([], [[StackTemplate(StackKey("210987654321", "eu-north-1", "carts"), whole)]]).stacks
    assert planned.refusals == ()


def test_a_neighbour_of_a_like_name_renames_nothing() -> None:
    templates = {"a.json": {"Resources": {"Table": queue()}}}
    before = flattened({"Resources": {"Data": nested("a.json")}}, templates.__getitem__)
    after = flattened({"Resources": {"Data": nested("a.json"), "DataBucketE3": queue()}}, templates.__getitem__)
    assert before["Resources"].keys() | {"DataBucketE3"} == after["Resources"].keys()


def test_two_of_one_kind_have_names_of_their_own() -> None:
    inner = {
        "Resources": {
            "Q": queue(QueueName={"Fn::Sub": "${AWS::StackName}-q"}),
            "R": {"Type": "AWS::S3::Bucket", "Properties": {"Of": {"Ref": "AWS::StackId"}}},
        }
    }
    found = flattened({"Resources": {"A": nested("a.json"), "B": nested("a.json")}}, {"a.json": inner}.__getitem__)
    stack = StackTemplate(StackKey("210987654321", "eu-north-1", "carts"), found)
    [planned] = plan([], [[stack]]).stacks
    assert planned.refusals == ()
    played = PlayedStack("carts", found, exports={}, revisions={})
    assert [played.properties(each)["QueueName"] for each in ("AQ", "BQ")] == ["carts-A-q", "carts-B-q"]
    assert played.properties("BR")["Of"].split("/")[1] == "carts-B"


def test_exports_lists_and_stored_values_stay_what_they_are() -> None:
    inner = {
        "Parameters": {
            "Image": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/base/image"},
            "Zones": {"Type": "CommaDelimitedList"},
        },
        "Resources": {"Q": queue(Image={"Ref": "Image"}, Zones={"Ref": "Zones"})},
        "Outputs": {
            "Arn": {"Value": {"Fn::GetAtt": ["Q", "Arn"]}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-arn"}}}
        },
    }
    outer = {"Resources": {"A": nested("a.json", Properties={"Parameters": {"Zones": "a,b", "Image": "/other"}})}}
    found = flattened(outer, {"a.json": inner}.__getitem__)
    assert found["Parameters"] == {"AImage": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/other"}}
    zones = {"Fn::Split": [",", "a,b"]}
    assert found["Resources"]["AQ"]["Properties"] == {"Image": {"Ref": "AImage"}, "Zones": zones}
    assert found["Outputs"]["AArn"]["Value"] == {"Fn::GetAtt": ["AQ", "Arn"]}
    assert StackTemplate(StackKey("1", "eu-north-1", "carts"), found).exports.keys() == {"${AWS::StackName}-A-arn"}


def test_stacks_that_wait_for_each_other_or_cannot_be_read_stay_as_they_are() -> None:
    def of(other: str) -> dict[str, Any]:
        return {"Properties": {"Parameters": {"P": {"Fn::GetAtt": [other, "Outputs.O"]}}}}

    inner = {"Parameters": {"P": {"Type": "String"}}, "Resources": {"Q": queue()}, "Outputs": {"O": {"Value": "x"}}}
    cyclic = {"Resources": {"A": nested("a.json", **of("B")), "B": nested("a.json", **of("A"))}}
    assert flattened(cyclic, {"a.json": inner}.__getitem__) is cyclic
    assert flattened({"Metadata": None, "Resources": {"A": nested("a.json")}}, lambda _: inner)["Resources"].keys() == {
        "AQ"
    }
    odd = {"Resources": {"A": nested("a.json"), "B": {"Type": STACK, "Metadata": ["no"]}}}
    for section, broken in (("Outputs", {"O": {}}), ("Parameters", {"P": {}}), ("Outputs", [])):
        assert flattened(odd, {"a.json": {"Resources": {"Q": queue()}, section: broken}}.__getitem__) is odd
