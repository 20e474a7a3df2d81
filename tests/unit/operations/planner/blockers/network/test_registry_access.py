"""Services that reach neither the registry of their image nor their file system."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY, NET = (StackKey("210987654321", "eu-north-1", name) for name in ("shop", "net"))
Resources = dict[str, dict[str, Any]]


def typed(**given: tuple[str, dict[str, Any]]) -> Resources:
    return {name: {"Type": f"AWS::{kind}", "Properties": each} for name, (kind, each) in given.items()}


def network() -> Resources:
    """A public subnet and an isolated one."""
    return typed(
        Vpc=("EC2::VPC", {"CidrBlock": "10.7.0.0/16"}),
        Door=("EC2::InternetGateway", {}),
        Open=("EC2::Subnet", {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.7.1.0/24"}),
        Shut=("EC2::Subnet", {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.7.2.0/24"}),
        OpenTable=("EC2::RouteTable", {"VpcId": {"Ref": "Vpc"}}),
        ShutTable=("EC2::RouteTable", {"VpcId": {"Ref": "Vpc"}}),
        OpenHas=(
            "EC2::SubnetRouteTableAssociation",
            {"SubnetId": {"Ref": "Open"}, "RouteTableId": {"Ref": "OpenTable"}},
        ),
        ShutHas=(
            "EC2::SubnetRouteTableAssociation",
            {"SubnetId": {"Ref": "Shut"}, "RouteTableId": {"Ref": "ShutTable"}},
        ),
        Out=(
            "EC2::Route",
            {
                "RouteTableId": {"Ref": "OpenTable"},
                "DestinationCidrBlock": "0.0.0.0/0",
                "GatewayId": {"Ref": "Door"},
            },
        ),
    )


def service(*subnets: Any, launched: str = "FARGATE", **more: Any) -> Resources:
    config = {"Subnets": list(subnets), "SecurityGroups": [{"Ref": "Tasks"}], **more}
    return typed(
        Tasks=("EC2::SecurityGroup", {"GroupDescription": "tasks", "VpcId": {"Ref": "Vpc"}}),
        Service=(
            "ECS::Service",
            {
                "LaunchType": launched,
                "TaskDefinition": {"Ref": "Task"},
                "NetworkConfiguration": {"AwsvpcConfiguration": config},
            },
        ),
    )


def refused(resources: Resources, *before: StackTemplate) -> list[str]:
    found = plan(list(before), [[StackTemplate(KEY, {"Resources": resources})]]).refusals
    words = ("pull their image", "mount")
    return [each.where for each in found if any(word in each.fault for word in words)]


OPEN, SHUT = {"Ref": "Open"}, {"Ref": "Shut"}
PUBLIC = "Service.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp"


@pytest.mark.parametrize(
    ("resources", "where"),
    [
        (network() | service(OPEN), [PUBLIC]),
        (network() | service(OPEN, AssignPublicIp="DISABLED"), [PUBLIC]),
        (network() | service(SHUT), [PUBLIC]),
        (network() | service(OPEN, SHUT), [PUBLIC]),
        (network() | service(OPEN, AssignPublicIp="ENABLED"), []),
        (network() | service(OPEN, AssignPublicIp={"Ref": "Public"}), []),
        (network() | service(OPEN, launched="EC2"), []),
        (network() | service("subnet-1"), []),
        (network() | service(SHUT, "subnet-1"), []),
        (network() | service(SHUT) | typed(Ecr=("EC2::VPCEndpoint", {"VpcId": {"Ref": "Vpc"}})), []),
        (
            network()
            | service(SHUT)
            | typed(Nat=("EC2::Route", {"RouteTableId": {"Ref": "ShutTable"}, "NatGatewayId": {"Ref": "Nat"}})),
            [],
        ),
        (
            network()
            | service(OPEN)
            | typed(Hub=("EC2::Route", {"RouteTableId": {"Ref": "OpenTable"}, "TransitGatewayId": "tgw-1"})),
            [],
        ),
        ({k: v for k, v in (network() | service(SHUT)).items() if k != "ShutHas"}, []),
    ],
)
def test_a_task_needs_a_way_to_the_registry_of_its_image(resources: Resources, where: list[str]) -> None:
    assert refused(resources) == where


def test_the_network_may_be_of_another_stack() -> None:
    outputs = {"Open": {"Value": {"Ref": "Open"}, "Export": {"Name": "net:open"}}}
    net = StackTemplate(NET, {"Resources": network(), "Outputs": outputs})
    assert refused(service({"Fn::ImportValue": "net:open"}), net) == [PUBLIC]
    endpoint = typed(Ecr=("EC2::VPCEndpoint", {"VpcId": {"Ref": "Vpc"}}))
    net = StackTemplate(NET, {"Resources": network() | endpoint, "Outputs": outputs})
    assert refused(service({"Fn::ImportValue": "net:open"}), net) == []


RULE = {"GroupId": {"Ref": "Door"}, "IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049}


def files(*, mounted: bool = True, rule: dict[str, Any] | None = None, **volume: Any) -> Resources:
    """A service that mounts a file system, whose group lets it in."""
    rule = {"SourceSecurityGroupId": {"Ref": "Tasks"}, **(rule or {})}
    points = [{"SourceVolume": "data", "ContainerPath": "/data"}] if mounted else []
    config = {"FilesystemId": {"Ref": "Files"}, **volume}
    return service("subnet-1") | typed(
        Files=("EFS::FileSystem", {}),
        Door=("EC2::SecurityGroup", {"GroupDescription": "files"}),
        Rule=("EC2::SecurityGroupIngress", {**RULE, **rule}),
        Target=(
            "EFS::MountTarget",
            {"FileSystemId": {"Ref": "Files"}, "SubnetId": "subnet-1", "SecurityGroups": [{"Ref": "Door"}]},
        ),
        Point=("EFS::AccessPoint", {"FileSystemId": {"Ref": "Files"}, "RootDirectory": {"Path": "/uploads"}}),
        Other=("EC2::SecurityGroup", {"GroupDescription": "others"}),
        Task=(
            "ECS::TaskDefinition",
            {
                "ContainerDefinitions": [{"Name": "web", "Image": "a", "MountPoints": points}],
                "Volumes": [{"Name": "data", "EFSVolumeConfiguration": config}],
            },
        ),
    )


MADE = {"Path": "/uploads", "CreationInfo": {"OwnerUid": "1", "OwnerGid": "1", "Permissions": "755"}}
AT_POINT: dict[str, Any] = {"AuthorizationConfig": {"AccessPointId": {"Ref": "Point"}}}


def edited(edit: Callable[[Resources], Any], **given: Any) -> Resources:
    found = files(**given)
    edit(found)
    return found


@pytest.mark.parametrize(
    ("resources", "where"),
    [
        (files(), []),
        (files(mounted=False, RootDirectory="/a"), []),
        (files(RootDirectory="/"), []),
        (files(RootDirectory="/a"), ["Task.Volumes.EFSVolumeConfiguration.RootDirectory"]),
        (files(RootDirectory={"Ref": "Given"}), []),
        (files(**AT_POINT), ["Point.RootDirectory.Path"]),
        (edited(lambda r: r["Point"]["Properties"].pop("RootDirectory"), **AT_POINT), []),
        (
            edited(
                lambda r: r["Point"]["Properties"]["RootDirectory"].update(CreationInfo={"OwnerUid": "1"}), **AT_POINT
            ),
            [],
        ),
        (files(rule={"FromPort": 443, "ToPort": 443}), ["Files"]),
        (files(rule={"SourceSecurityGroupId": {"Ref": "Other"}}), ["Files"]),
        (files(rule={"SourceSecurityGroupId": "sg-1"}), []),
        (files(rule={"SourceSecurityGroupId": None, "CidrIp": "10.0.0.0/8"}), []),
        (edited(lambda r: r["Target"]["Properties"].update(SecurityGroups=["sg-1"])), []),
        (edited(lambda r: r.pop("Target")), ["Files"]),
    ],
)
def test_a_task_mounts_what_is_there_and_lets_it_in(resources: Resources, where: list[str]) -> None:
    assert refused(resources) == where


def test_a_file_system_that_was_there_may_have_any_directory() -> None:
    assert refused(files(**AT_POINT), StackTemplate(KEY, {"Resources": typed(Files=("EFS::FileSystem", {}))})) == []


def test_what_was_so_before_works_by_something_outside_of_the_templates() -> None:
    more = typed(Topic=("SNS::Topic", {}))
    for resources in (network() | service(OPEN), files(rule={"FromPort": 443, "ToPort": 443})):
        assert refused(resources | more, StackTemplate(KEY, {"Resources": resources})) == []
    before = StackTemplate(KEY, {"Resources": network() | service(OPEN, AssignPublicIp="ENABLED")})
    assert refused(network() | service(OPEN), before) == [PUBLIC]
    assert refused(files(rule={"FromPort": 443, "ToPort": 443}), StackTemplate(KEY, {"Resources": files()})) == [
        "Files"
    ]
