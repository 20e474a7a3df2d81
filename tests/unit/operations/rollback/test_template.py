"""Which changes of a change set belong to a rollback."""

import pytest

from nova_infra.deployed.stack import Change
from nova_infra.errors import NovaError
from nova_infra.operations.rollback.template import at_once, by_itself, is_job, other_changes, with_image

TEMPLATE = {
    "Resources": {
        "Definition": {"Type": "AWS::ECS::TaskDefinition"},
        "Service": {"Type": "AWS::ECS::Service"},
        "Target": {"Type": "AWS::ApplicationAutoScaling::ScalableTarget"},
        "Policy": {"Type": "AWS::ApplicationAutoScaling::ScalingPolicy"},
        "Alarm": {"Type": "AWS::CloudWatch::Alarm"},
    }
}


def change(logical_id: str, *causes: str, action: str = "Modify", replacement: str = "Conditional") -> Change:
    kind = TEMPLATE["Resources"].get(logical_id, {"Type": "AWS::SNS::Topic"})["Type"]
    return Change(action=action, logical_id=logical_id, type=kind, replacement=replacement, causes=causes)


ROLLBACK = (
    change("Definition", replacement="True"),
    change("Service", "Definition", replacement="False"),
)


@pytest.mark.parametrize(
    "following",
    [
        (),
        (change("Target", "Service"),),
        # CloudFormation lists what takes a value from what may change, in any order.
        (change("Policy", "Target"), change("Target", "Service")),
    ],
)
def test_what_takes_its_values_from_the_service_follows_it(following: tuple[Change, ...]) -> None:
    assert other_changes((*following, *ROLLBACK), TEMPLATE) == []


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (change("Alarm", "direct", replacement="False"), "Modify AWS::CloudWatch::Alarm Alarm"),
        (change("Alarm", replacement="False"), "Modify AWS::CloudWatch::Alarm Alarm"),
        (change("Policy", "Alarm"), "Modify AWS::ApplicationAutoScaling::ScalingPolicy Policy"),
        (change("Policy", "Service", "Alarm"), "Modify AWS::ApplicationAutoScaling::ScalingPolicy Policy"),
        (
            change("Target", "Service", replacement="True"),
            "Modify AWS::ApplicationAutoScaling::ScalableTarget Target, by replacing it",
        ),
        (change("Service", "Definition", replacement="True"), "Modify AWS::ECS::Service Service, by replacing it"),
        (change("Definition", action="Remove", replacement=""), "Remove AWS::ECS::TaskDefinition Definition"),
        (change("Topic", action="Add", replacement=""), "Add AWS::SNS::Topic Topic"),
    ],
)
def test_anything_else_is_another_change(other: Change, said: str) -> None:
    assert other_changes((*ROLLBACK, other), TEMPLATE) == [said]


def hooked(*functions: str) -> dict[str, object]:
    hooks = [
        {"HookTargetArn": {"Fn::Sub": f"arn:aws:lambda:us-east-1:333333333333:function:{name}"}} for name in functions
    ]
    return {
        "Resources": {
            "S": {"Type": "AWS::ECS::Service", "Properties": {"DeploymentConfiguration": {"LifecycleHooks": hooks}}}
        }
    }


def test_a_service_that_rolls_back_waits_for_no_other_and_keeps_its_other_hooks() -> None:
    before = hooked("nova-prod-gate", "nova-prod-together", "nova-prod-smoke")
    assert by_itself(before) == hooked("nova-prod-gate", "nova-prod-smoke")
    assert before == hooked("nova-prod-gate", "nova-prod-together", "nova-prod-smoke")
    assert by_itself(hooked("nova-prod-gate")) == hooked("nova-prod-gate")


@pytest.mark.parametrize(("kinds", "job"), [("", False), ("S", False), ("M", True), ("SM", False)])
def test_a_job_has_a_state_machine_and_no_service(kinds: str, job: bool) -> None:
    types = {"S": "AWS::ECS::Service", "M": "AWS::StepFunctions::StateMachine"}
    assert is_job({"Resources": {kind: {"Type": types[kind]} for kind in kinds}}) is job


def test_another_image_changes_the_tag_and_the_variable_that_names_the_release_and_no_other() -> None:
    variables = [{"Name": name, "Value": "before"} for name in ("A", "NOVA_RELEASE", "NOVA_RELEASES", "PORT", "z")]
    container = {"Name": "app", "Image": "444444444444.dkr.ecr.us-east-1.amazonaws.com/nova/shop:before"}
    task = {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {"ContainerDefinitions": [container | {"Environment": variables}]},
    }
    changed = with_image({"Resources": {"Task": task}}, "after", stack="nova-dev-shop")
    [found] = changed["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    assert found["Image"].endswith("/nova/shop:after")
    assert {each["Name"] for each in found["Environment"] if each["Value"] == "after"} == {"NOVA_RELEASE"}
    assert variables[1]["Value"] == "before", "the template that was given stays as it is"


def test_the_tag_is_in_the_last_of_the_parts_that_are_joined_and_has_to_be_text() -> None:
    account = {"Ref": "AWS::AccountId"}

    def tagged(*parts: object) -> object:
        container = {"Image": {"Fn::Join": ["", [*parts]]}, "Environment": [{"Name": "NOVA_RELEASE", "Value": "1"}]}
        task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [container]}}
        changed = with_image({"Resources": {"Task": task}}, "after", stack="nova-dev-shop")
        return changed["Resources"]["Task"]["Properties"]["ContainerDefinitions"][0]["Image"]

    last = ".dkr.ecr.us-east-1.amazonaws.com/nova/shop:"
    assert tagged(account, f"{last}before") == {"Fn::Join": ["", [account, f"{last}after"]]}
    with pytest.raises(NovaError, match="does not name the image as Nova does"):
        tagged("444444444444/nova/shop:", account)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"Strategy": "BLUE_GREEN"}, {"Strategy": "BLUE_GREEN", "BakeTimeInMinutes": 0}),
        ({"Strategy": "CANARY"}, {"Strategy": "BLUE_GREEN", "BakeTimeInMinutes": 0}),
        ({"Strategy": "ROLLING", "BakeTimeInMinutes": 7}, {"Strategy": "ROLLING", "BakeTimeInMinutes": 0}),
        ({"BakeTimeInMinutes": 7}, {"BakeTimeInMinutes": 0}),
        ({"Strategy": "ROLLING"}, {"Strategy": "ROLLING"}),
    ],
)
def test_at_once_no_strategy_bakes(before: dict[str, object], after: dict[str, object]) -> None:
    def template(configuration: dict[str, object]) -> dict[str, object]:
        service = {"Type": "AWS::ECS::Service", "Properties": {"DeploymentConfiguration": configuration}}
        return {"Resources": {"Service": service}}

    assert at_once(template(before)) == template(after)
