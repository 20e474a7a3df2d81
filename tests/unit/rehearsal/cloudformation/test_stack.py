from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.physical import Home
from nova_infra.rehearsal.cloudformation.stack import PlayedStack

LOOKED_UP = {"Ref": "Place"}


def stack(**container: Any) -> PlayedStack:
    parameter = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/aws/service/regions/eu-north-1/longName"}
    task = {"ContainerDefinitions": [{"Name": "app", "Image": "app:1", **container}, {"Name": "log", "Image": "log:1"}]}
    resources = {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task}}
    conditions = {"Near": {"Fn::Equals": [LOOKED_UP, "Kiruna"]}}
    several = {"Type": "AWS::SSM::Parameter::Value<List<String>>", "Default": "/shop/places"}
    name = {"Type": "AWS::SSM::Parameter::Name", "Default": "/shop/place"}
    ports = {"Type": "CommaDelimitedList", "Default": "80, 443"}
    parameters = {"Place": parameter, "Places": several, "Name": name, "Ports": ports}
    template = {"Parameters": parameters, "Conditions": conditions, "Resources": resources}
    return PlayedStack("shop", template, exports={}, revisions={"Task": "Task:1"})


DYNAMIC = {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "AWS::Region"}, ":SecretString:password::}}"]]}


@pytest.mark.parametrize(
    ("value", "given"),
    [
        (LOOKED_UP, "made-up"),
        ({"Fn::Join": ["", ["in ", LOOKED_UP]]}, "in made-up"),
        ("{{resolve:ssm:/shop/level:3}}", "made-up"),
        (DYNAMIC, "made-up"),
        ("Kiruna", "Kiruna"),
        ({"Ref": "Name"}, "/shop/place"),
        ({"Fn::Select": ["1", {"Ref": "Ports"}]}, "443"),
    ],
)
def test_a_variable_has_a_made_up_value_for_what_cloudformation_looks_up(value: Any, given: str) -> None:
    played = stack(Environment=[{"Name": "PLACE", "Value": value}])
    app, log = played.properties("Task")["ContainerDefinitions"]
    assert (app["Environment"], log["Name"]) == ([{"Name": "PLACE", "Value": given}], "log")
    assert played.makes_up is ("made-up" in given)


@pytest.mark.parametrize(
    "value",
    [
        LOOKED_UP,
        {"Fn::Select": [0, {"Fn::Split": [":", LOOKED_UP]}]},
        {"Fn::If": ["Near", "b", "c"]},
        {"Fn::Select": [0, LOOKED_UP]},
        {"Fn::Join": [",", LOOKED_UP]},
        {"Ref": "Places"},
    ],
)
def test_nothing_else_of_a_task_is_made_up(value: Any) -> None:
    with pytest.raises(UnresolvableError, match=r"only CloudFormation can look|is no list|in Systems Manager"):
        stack(Image=value).properties("Task")


@pytest.mark.parametrize(("given", "name"), [({}, "images-myrepo"), ({"RepositoryName": "acme/shop"}, "acme/shop")])
def test_an_image_is_named_by_the_arn_of_another_stacks_repository(given: dict[str, str], name: str) -> None:
    outputs = {
        "Arn": {"Value": {"Fn::GetAtt": ["MyRepo", "Arn"]}, "Export": {"Name": "arn"}},
        "Name": {"Value": {"Ref": "MyRepo"}, "Export": {"Name": "name"}},
    }
    template = {"Resources": {"MyRepo": {"Type": "AWS::ECR::Repository", "Properties": given}}, "Outputs": outputs}
    home = Home("111122223333", "eu-north-1")
    exports = PlayedStack("images", template, exports={}, revisions={}, home=home).exports()
    parts = {"Fn::Split": [":", {"Fn::ImportValue": "arn"}]}
    host = [{"Fn::Select": [4, parts]}, ".dkr.ecr.", {"Fn::Select": [3, parts]}, ".amazonaws.com/"]
    image = {"Fn::Join": ["", [*host, {"Fn::ImportValue": "name"}, ":1"]]}
    task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [{"Name": "a", "Image": image}]}}
    web = PlayedStack("web", {"Resources": {"Task": task}}, exports=exports, revisions={"Task": "Task:1"}, home=home)
    [container] = web.properties("Task")["ContainerDefinitions"]
    assert container["Image"] == f"111122223333.dkr.ecr.eu-north-1.amazonaws.com/{name}:1"
