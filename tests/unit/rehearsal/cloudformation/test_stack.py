from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.stack import PlayedStack

LOOKED_UP = {"Ref": "Place"}


def stack(**container: Any) -> PlayedStack:
    parameter = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/aws/service/regions/eu-north-1/longName"}
    task = {"ContainerDefinitions": [{"Name": "app", "Image": "app:1", **container}, {"Name": "log", "Image": "log:1"}]}
    resources = {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": task}}
    template = {"Parameters": {"Place": parameter}, "Resources": resources}
    return PlayedStack("shop", template, exports={}, revisions={"Task": "Task:1"})


@pytest.mark.parametrize(
    ("value", "given"),
    [(LOOKED_UP, "made-up"), ({"Fn::Join": ["", ["in ", LOOKED_UP]]}, "in made-up"), ("Kiruna", "Kiruna")],
)
def test_a_variable_has_a_made_up_value_for_what_cloudformation_looks_up(value: Any, given: str) -> None:
    played = stack(Environment=[{"Name": "PLACE", "Value": value}])
    app, log = played.properties("Task")["ContainerDefinitions"]
    assert (app["Environment"], log["Name"]) == ([{"Name": "PLACE", "Value": given}], "log")
    assert played.made_up == ({"Place"} if "made-up" in given else set())


def test_nothing_else_of_a_task_is_made_up() -> None:
    with pytest.raises(UnresolvableError, match="its value is in Systems Manager"):
        stack(Image=LOOKED_UP).properties("Task")
