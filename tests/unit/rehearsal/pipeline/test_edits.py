import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_infra.rehearsal.pipeline.edits import canary, fault_in, previous_images, repositories
from nova_infra.rehearsal.tasks.faults import LABEL


@pytest.fixture
def template(tmp_path: Path, write_assembly: Callable[..., Path]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((write_assembly(tmp_path / "assembly") / "Prod.json").read_text())
    container(content)["Command"] = ["python", "-m", "nova_kit.serve", "tiny.main:app"]
    return content


def container(template: dict[str, Any]) -> dict[str, Any]:
    [found] = template["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    result: dict[str, Any] = found
    return result


def differs(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {key for key in one["Resources"] if one["Resources"][key] != other["Resources"][key]}


def test_previous_images_have_another_tag_and_nothing_else_changes(template: dict[str, Any]) -> None:
    edited = previous_images(template)
    assert container(edited)["Image"] == "registry/tiny:one-previous"
    assert differs(template, edited) == {"Task"}


def test_what_only_holds_the_tag_stays_as_it_is(template: dict[str, Any]) -> None:
    one = container(template)
    one |= {"Image": "registry/tiny:1", "Command": ["/srv/1st/run", "1"]}
    one["Environment"] = [{"Name": "LEVEL", "Value": "11"}, {"Name": "NOVA_RELEASE", "Value": "1"}]
    one["PortMappings"] = [{"ContainerPort": 8181}]
    edited = container(previous_images(template))
    assert (edited["Image"], edited["Command"][0]) == ("registry/tiny:1-previous", "/srv/1st/run")
    assert [each["Value"] for each in edited["Environment"]] == ["11", "1-previous"]
    assert edited["PortMappings"] == [{"ContainerPort": 8181}]


def test_the_command_before_a_deployment_runs_for_the_previous_release_and_for_the_next(
    template: dict[str, Any],
) -> None:
    run = {"Type": "Custom::NovaBeforeDeploy", "Properties": {"Key": "a1", "Command": ["migrate"]}}
    template["Resources"]["Migrate"] = run
    edited = previous_images(template)["Resources"]["Migrate"]["Properties"]
    assert edited == {"Key": {"Fn::Join": ["", ["a1", "-previous"]]}, "Command": ["migrate"]}


def test_an_image_may_be_a_join_of_strings(template: dict[str, Any]) -> None:
    container(template)["Image"] = {"Fn::Join": ["", ["1.dkr.ecr.", {"Ref": "AWS::URLSuffix"}, "/nova/tiny:one"]]}
    assert repositories(template) == ["tiny"]
    assert container(previous_images(template))["Image"]["Fn::Join"][1][-1] == "/nova/tiny:one-previous"


def test_a_fault_goes_into_the_definition_of_its_service_alone(template: dict[str, Any]) -> None:
    edited = fault_in("tiny", "errors:0.5")(template)
    assert container(edited).pop("DockerLabels") == {LABEL: "errors:0.5"}
    assert container(edited) == container(template)
    assert fault_in("other", "killed")(template) == template
    assert container(fault_in(None, "no-program")(template))["EntryPoint"] == ["/no-such-program"]


@pytest.mark.parametrize("named", [True, False])
def test_of_a_task_with_several_containers_the_one_that_gets_its_requests_has_the_fault(
    template: dict[str, Any], named: bool
) -> None:
    own = container(template)
    init = {"Name": "init", "Image": own["Image"], "Essential": False}
    template["Resources"]["Task"]["Properties"]["ContainerDefinitions"].insert(0, init)
    if named:
        own["Name"] = template["Resources"]["Service"]["Properties"]["LoadBalancers"][0]["ContainerName"] = "app"
    edited = fault_in(None, "wrong-port")(template)["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    assert edited[0] == init
    assert edited[1]["PortMappings"][0]["ContainerPort"] == own["PortMappings"][0]["ContainerPort"] + 1


def test_another_canary_changes_the_rollout_and_nothing_else(template: dict[str, Any]) -> None:
    edited = canary(5, 10)(template)
    rollout = edited["Resources"]["Service"]["Properties"]["DeploymentConfiguration"]
    assert rollout["Strategy"] == "CANARY"
    assert rollout["CanaryConfiguration"] == {"CanaryPercent": 5, "CanaryBakeTimeInMinutes": 10}
    assert differs(template, edited) == {"Service"}


@pytest.mark.parametrize("strategy", ["LINEAR", "BLUE_GREEN"])
def test_other_ways_to_shift_traffic_become_that_canary_and_a_rolling_one_stays(
    template: dict[str, Any], strategy: str
) -> None:
    rollout = template["Resources"]["Service"]["Properties"]["DeploymentConfiguration"]
    rollout.pop("CanaryConfiguration", None)
    rollout |= {"Strategy": strategy, "LinearConfiguration": {"StepPercent": 20, "StepBakeTimeInMinutes": 1}}
    edited = canary(5, 10)(template)["Resources"]["Service"]["Properties"]["DeploymentConfiguration"]
    assert edited["Strategy"] == "CANARY"
    assert edited["CanaryConfiguration"] == {"CanaryPercent": 5, "CanaryBakeTimeInMinutes": 10}
    assert "LinearConfiguration" not in edited
    rollout["Strategy"] = "ROLLING"
    assert canary(5, 10)(template) == template
