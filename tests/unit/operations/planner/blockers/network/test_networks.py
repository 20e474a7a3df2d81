"""Subnets whose zones do not suit what is placed in them."""

from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY, APP = (StackKey("210987654321", "eu-north-1", name) for name in ("net", "app"))
SUBNETS = {
    name: {
        "Type": "AWS::EC2::Subnet",
        "Properties": {
            "VpcId": "vpc-1",
            "CidrBlock": f"10.0.{number}.0/24",
            "AvailabilityZone": f"eu-north-1{name[0]}",
        },
    }
    for number, name in enumerate(("a1", "a2", "b1"))
}
LOCAL = "us-west-2-lax-1a"
BALANCER, DATABASE = "ElasticLoadBalancingV2::LoadBalancer", "RDS::DBSubnetGroup"


def found(**resources: tuple[str, dict[str, Any]]) -> list[str]:
    own = {name: {"Type": f"AWS::{kind}", "Properties": each} for name, (kind, each) in resources.items()}
    exported = {"Value": {"Ref": "a2"}, "Export": {"Name": "net:second"}}
    first = StackTemplate(KEY, {"Resources": SUBNETS, "Outputs": {"Second": exported}})
    after = StackTemplate(APP, {"Resources": {**own, **SUBNETS}})
    return [each.where for each in plan([first], [[after]]).refusals]


def refs(*names: str) -> list[dict[str, str]]:
    return [{"Ref": name} for name in names]


@pytest.mark.parametrize(
    ("kind", "path", "names", "refused"),
    [
        (BALANCER, "Subnets", ("a1", "b1"), False),
        (BALANCER, "Subnets", ("a1", "a2"), True),
        (BALANCER, "Subnets", ("a1", "a2", "b1"), True),
        (DATABASE, "SubnetIds", ("a1", "a2"), True),
        (DATABASE, "SubnetIds", ("a1", "a2", "b1"), False),
        (DATABASE, "SubnetIds", ("a1", "a2", "elsewhere"), False),
        ("EC2::VPCEndpoint", "SubnetIds", ("a1", "a2"), True),
    ],
)
def test_subnets_are_of_as_many_zones_as_their_user_needs(
    kind: str, path: str, names: tuple[str, ...], refused: bool
) -> None:
    assert (f"It.{path}" in found(It=(kind, {path: refs(*names)}))) is refused


@pytest.mark.parametrize("place", [{"AvailabilityZone": LOCAL}, {"OutpostArn": "arn:aws:outposts:::outpost/op-1"}])
def test_a_load_balancer_in_a_local_zone_or_on_an_outpost_is_not_judged(place: dict[str, str]) -> None:
    subnet = {"VpcId": "vpc-1", "CidrBlock": "10.0.9.0/24", "AvailabilityZone": "us-west-2a", **place}
    own: dict[str, tuple[str, dict[str, Any]]] = {
        "Special": ("EC2::Subnet", subnet),
        "It": (BALANCER, {"Subnets": refs("Special")}),
    }
    assert found(**own) == []
    assert found(**{**own, "Special": ("EC2::Subnet", {**subnet, "AvailabilityZone": "us-west-2a"})}) == (
        ["It.Subnets"] if "OutpostArn" not in place else []
    )


def test_a_network_load_balancer_is_content_with_one_zone() -> None:
    assert found(It=(BALANCER, {"Type": "network", "Subnets": refs("a1")})) == []


def test_a_file_system_has_one_mount_target_in_a_zone() -> None:
    def target(subnet: Any, files: str = "fs-1") -> tuple[str, dict[str, Any]]:
        return "EFS::MountTarget", {"FileSystemId": files, "SubnetId": subnet, "SecurityGroups": ["sg-1"]}

    assert found(One=target({"Ref": "a1"}), Two=target({"Ref": "a2"})) == ["Two"]
    assert found(One=target({"Ref": "a1"}), Two=target({"Ref": "b1"})) == []
    assert found(One=target({"Ref": "a1"}), Two=target({"Ref": "a2"}, "fs-2")) == []
    assert found(One=target("subnet-1"), Two=target("subnet-1")) == []
