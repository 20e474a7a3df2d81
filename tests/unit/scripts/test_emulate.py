"""What `make emulate` leaves out of templates: what the emulator cannot make, and whatever refers to that."""

import importlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from helpers.scripts import SCRIPTS, load_script
from nova_infra.config import parse_config


@pytest.fixture(scope="module")
def templates() -> Any:
    return load_script("emulated_templates")


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def test_what_cannot_be_made_goes_with_all_that_refers_to_it_in_whichever_stack(templates: Any) -> None:
    first = {
        "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>"}},
        "Resources": {
            "Robot": resource("AWS::RoboMaker::Robot"),
            "Role": resource("AWS::IAM::Role", Description={"Fn::GetAtt": ["Robot", "Arn"]}),
            "Policy": resource("AWS::IAM::Policy", Roles=[{"Ref": "Role"}]),
            "Topic": resource("AWS::SNS::Topic") | {"DependsOn": ["Robot", "Queue"]},
            "Queue": resource("AWS::SQS::Queue"),
        },
        "Outputs": {
            "R": {"Value": {"Ref": "Role"}, "Export": {"Name": "first:Role"}},
            "Q": {"Value": {"Ref": "Queue"}, "Export": {"Name": "first:Queue"}},
        },
    }
    second = {
        "Resources": {
            "Gone": resource("AWS::SNS::Topic", TopicName={"Fn::ImportValue": "first:Role"}),
            "Stays": resource("AWS::SNS::Topic", TopicName={"Fn::ImportValue": "first:Queue"}),
        }
    }
    made = templates.makeable({Path("a"): first, Path("b"): second})
    assert set(made[Path("a")]["Resources"]) == {"Topic", "Queue"}
    assert made[Path("a")]["Resources"]["Topic"]["DependsOn"] == ["Queue"]
    assert set(made[Path("a")]["Outputs"]) == {"Q"}
    assert "Parameters" not in made[Path("a")]
    assert set(made[Path("b")]["Resources"]) == {"Stays"}


def test_an_image_gets_another_tag_however_it_is_written(templates: Any) -> None:
    joined = {"Fn::Join": ["", ["4.dkr.ecr.", {"Ref": "AWS::URLSuffix"}, "/nova/carts:old"]]}
    for image in ("4.dkr.ecr.amazonaws.com/nova/carts:old", joined):
        template = {"Resources": {"T": resource("AWS::ECS::TaskDefinition", ContainerDefinitions=[{"Image": image}])}}
        templates.set_image(template, "new")
        [container] = template["Resources"]["T"]["Properties"]["ContainerDefinitions"]
        assert "carts:new" in json.dumps(container)
        assert "old" not in json.dumps(container)


def test_a_template_is_uploaded_under_the_hash_of_what_it_has_become(templates: Any, tmp_path: Path) -> None:
    (tmp_path / "a.template.json").write_text("{}")
    (tmp_path / "a.assets.json").write_text('{"source": "a.template.json", "objectKey": "1234.json"}')
    properties = {"stackTemplateAssetObjectUrl": "s3://bucket/1234.json"}
    templates.write(tmp_path / "a.template.json", {"Resources": {}}, properties)
    key = json.loads((tmp_path / "a.assets.json").read_text())["objectKey"]
    assert key != "1234.json"
    assert properties["stackTemplateAssetObjectUrl"] == f"s3://bucket/{key}"
    assert json.loads((tmp_path / "a.template.json").read_text()) == {"Resources": {}}


@pytest.mark.parametrize(
    ("engine", "played"),
    [("codepipeline", ["codepipeline", "github-actions"]), ("github-actions", ["github-actions"])],
)
def test_a_project_with_a_pipeline_is_played_by_both_engines(
    monkeypatch: pytest.MonkeyPatch, engine: str, played: list[str]
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    project = importlib.import_module("emulated_project")
    raw = tomllib.loads((SCRIPTS.parent / "tests" / "unit" / "nova.toml").read_text(encoding="utf-8"))
    raw["delivery"]["engine"] = engine
    config = project.with_every_kind(parse_config(raw))
    found = project.by_each_engine(config)
    assert [each.delivery.engine for each in found] == played
    assert all({service.kind for service in each.services} == {"web", "worker", "job"} for each in found)
