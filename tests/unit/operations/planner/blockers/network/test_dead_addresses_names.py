"""Names that a release takes away from its users."""

from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("123456789012", "eu-west-1", "shop")


def stack(**records: dict[str, Any]) -> StackTemplate:
    resources = {
        name: {"Type": "AWS::Route53::RecordSet", "Properties": {"HostedZoneId": "Z1", "TTL": "60", **properties}}
        for name, properties in records.items()
    }
    return StackTemplate(KEY, {"Resources": {**resources, "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}}}})


ADDRESS = {"Name": "shop.example.org.", "Type": "A", "ResourceRecords": ["192.0.2.1"]}


@pytest.mark.parametrize(
    ("after", "gone"),
    [
        ({"Web": ADDRESS}, False),
        ({"Web": {**ADDRESS, "Name": "Shop.example.org"}}, False),
        ({"Moved": ADDRESS}, False),
        ({"Web": {**ADDRESS, "Name": "store.example.org."}}, True),
        ({}, True),
    ],
)
def test_a_name_that_goes_is_said_to_hurt_its_users(after: dict[str, Any], gone: bool) -> None:
    planned = plan([stack(Web=ADDRESS, Mail={"Name": "shop.example.org.", "Type": "TXT"})], [[stack(**after)]])
    hurting = [str(each) for step in planned.stacks for each in step.consequences if each.hurts]
    said = "shop.Web: the name shop.example.org goes: clients that use it find no address; keep it until nobody does"
    assert hurting == ([said] if gone else [])


@pytest.mark.parametrize(
    ("name", "zone", "doubtful"),
    [
        ("other.example.", "Z1", True),
        ("shop.example.com.", "Z1", True),
        ("store.example.org.", "Z1", False),
        ("new.shop.example.org.", "Z1", False),
        ("example.org.", "Z1", False),
        ("other.example.", "Z2", False),
    ],
)
def test_a_new_name_may_not_be_one_of_its_zone(name: str, zone: str, doubtful: bool) -> None:
    [step] = plan([stack(Web=ADDRESS)], [[stack(Web={**ADDRESS, "Name": name, "HostedZoneId": zone})]]).stacks
    refused = f"shop.Web: Route 53 refuses {name.rstrip('.')} in zone Z1 if that is the zone of shop.example.org"
    assert [str(each) for each in step.consequences if "Route 53" in str(each)] == [refused] * doubtful


def test_the_doubt_about_a_zone_is_said_once_a_step() -> None:
    before, after = (
        stack(**{f"R{each}": {**ADDRESS, "Name": f"r{each}.{parent}."} for each in range(3)})
        for parent in ("example.org", "example.com")
    )
    [step] = plan([before], [[after]]).stacks
    assert sum(str(each).count("Route 53 refuses") for each in step.consequences) == 1
    assert sum("find no address" in str(each) for each in step.consequences) == 3


def test_a_name_that_stays_is_one_of_its_zone() -> None:
    stays = {**ADDRESS, "Name": "mail.example.org."}
    [step] = plan([stack(Web=ADDRESS, Mail=stays)], [[stack(Mail=stays)]]).stacks
    assert [str(each).rpartition("; ")[2] for each in step.consequences if each.hurts] == ["keep it until nobody does"]


def test_names_that_a_zone_has_already_are_not_doubted() -> None:
    alias = {**ADDRESS, "Name": "shop.example.com."}
    [step] = plan([stack(Web=ADDRESS, Alias=alias)], [[stack(Web={**ADDRESS, "TTL": "90"}, Alias=alias)]]).stacks
    assert [str(each) for each in step.consequences if "Route 53" in str(each)] == []


def test_a_name_that_moves_to_another_zone_is_said_to_wait_for_its_servers() -> None:
    [step] = plan([stack(Web=ADDRESS)], [[stack(Web={**ADDRESS, "HostedZoneId": "Z2"})]]).stacks
    [said] = [str(each) for each in step.consequences if each.hurts]
    assert said.startswith("shop.Web: the name shop.example.org moves to another hosted zone: until its parent zone")


LATER = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/somewhere"}
BY_NAME, BY_REF = {"HostedZoneName": "example.org."}, {"HostedZoneId": {"Ref": "Zone"}}


@pytest.mark.parametrize(
    ("before", "after", "moves"),
    [
        (BY_NAME, {"HostedZoneName": "Example.org"}, False),
        (BY_NAME, {"HostedZoneName": "shop.example.org."}, True),
        (BY_NAME, {"HostedZoneId": "Z1"}, False),
        ({"HostedZoneId": "Z1"}, {"HostedZoneId": {"Ref": "Given"}}, False),
        ({"HostedZoneId": {"Ref": "Given"}}, {"HostedZoneId": {"Ref": "Renamed"}}, False),
        (BY_REF, {"HostedZoneId": {"Fn::GetAtt": ["Zone", "Id"]}}, False),
        (BY_REF, {"HostedZoneId": {"Ref": "Other"}}, True),
    ],
)
def test_a_zone_that_may_be_the_same_in_other_words_is_not_another_one(before: Any, after: Any, moves: bool) -> None:
    def zoned(zone: dict[str, Any]) -> StackTemplate:
        zones = {name: {"Type": "AWS::Route53::HostedZone", "Properties": {"Name": name}} for name in ("Zone", "Other")}
        record = {"Type": "AWS::Route53::RecordSet", "Properties": {**ADDRESS, "TTL": "60", **zone}}
        return StackTemplate(
            KEY, {"Resources": {**zones, "Web": record}, "Parameters": {"Given": LATER, "Renamed": LATER}}
        )

    [step] = plan([zoned(before)], [[zoned(after)]]).stacks
    assert any("moves to another hosted zone" in str(each) for each in step.consequences) is moves
