"""Quotas that AWS raises on request: told where a release goes beyond the default one, and never refused."""

from typing import Any

import pytest

from nova_infra.names import REVISION_OUTPUT
from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")


def stack(kind: str, properties: dict[str, Any]) -> StackTemplate:
    given = {name: {"Type": "String"} for name in ("Given", "Last")}
    return StackTemplate(KEY, {"Parameters": given, "Resources": {"It": {"Type": kind, "Properties": properties}}})


def told(kind: str, properties: dict[str, Any], before: dict[str, Any] | None = None) -> list[str]:
    had = [] if before is None else [stack(kind, before)]
    planned = plan(had, [[stack(kind, properties)]])
    assert planned.refusals == []
    return [each.what for one in planned.stacks for each in one.consequences if each.where.startswith("It.")]


def open_to(address: str, number: int) -> list[dict[str, Any]]:
    other = {"CidrIp": f"{address}/32"} if "." in address else {address: "x"} if "Id" in address else {}
    given = other or {"CidrIpv6": f"{address}/128"}
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **given} for port in range(number)]


@pytest.mark.parametrize("name", ["SecurityGroupIngress", "SecurityGroupEgress"])
@pytest.mark.parametrize(
    ("rules", "counted"),
    [
        (open_to("10.0.0.1", 60), None),
        (open_to("10.0.0.1", 61), 61),
        (open_to("10.0.0.1", 60) + open_to("fd00::1", 59), None),
        (open_to("10.0.0.1", 7) + open_to("fd00::1", 62), 62),
        (open_to("10.0.0.1", 40) + open_to("fd00::1", 30) + open_to("SourcePrefixListId", 20), None),
        (open_to("10.0.0.1", 40) + open_to("fd00::1", 30) + open_to("SourceSecurityGroupId", 23), 63),
        ([{"Fn::If": ["Open", rule, {"Ref": "AWS::NoValue"}]} for rule in open_to("10.0.0.1", 64)], None),
    ],
)
def test_rules_for_ipv4_and_for_ipv6_are_counted_apart(
    name: str, rules: list[dict[str, Any]], counted: int | None
) -> None:
    said = f"has {counted} rules of one IP version, but the default quota is 60: request a higher one first"
    assert told("AWS::EC2::SecurityGroup", {name: rules}) == ([said] if counted else [])


def test_a_role_has_ten_managed_policies_until_more_are_asked_for() -> None:
    def policies(number: int) -> dict[str, Any]:
        return {"ManagedPolicyArns": [f"arn:aws:iam::210987654321:policy/p{n}" for n in range(number)]}

    assert told("AWS::IAM::Role", policies(10)) == []
    [said] = told("AWS::IAM::Role", policies(11))
    assert said == "has 11 managed policies, but the default quota is 10: request a higher one first"
    assert told("AWS::IAM::Role", policies(12) | {"Description": "new"}, before=policies(12)) == []
    assert len(told("AWS::IAM::Role", policies(13), before=policies(12))) == 1


LONG = 1980


@pytest.mark.parametrize(
    ("pattern", "characters"),
    [
        ({"source": ["x" * (2048 - len('{"source":[""]}'))]}, None),
        ({"source": ["x" * (2049 - len('{"source":[""]}'))]}, 2049),
        ({"source": ["é" * (2048 - len('{"source":[""]}'))]}, None),
        ({"source": ["x" * LONG], "resources": [{"Ref": "Given"}] * 9}, None),
        ({"source": ["x" * LONG, {"Fn::Join": ["", ["a/", {"Ref": "Given"}, "/b", {"Ref": "Last"}]]}]}, None),
        ({"source": ["x" * LONG, {"Fn::Sub": "${Given}/" + "${Last}" * 20}]}, None),
        ({"source": [{"Fn::Join": ["", ["x" * 2040, {"Ref": "Given"}]]}]}, 2040 + len('{"source":[""]}')),
        ("x" * 2048, None),
    ],
)
def test_an_event_pattern_is_measured_by_what_is_known_of_it(pattern: Any, characters: int | None) -> None:
    said = f"has {characters or 0:,} characters, but the default quota is 2,048: request a higher one first"
    assert told("AWS::Events::Rule", {"EventPattern": pattern}) == ([said] if characters else [])


@pytest.mark.parametrize(
    ("own", "before", "after", "warned"),
    [
        (True, None, 60_000, True),
        (True, 40_000, 60_000, True),
        (True, 60_000, 61_000, False),
        (True, 60_000, 40_000, False),
        (False, None, 60_000, False),
    ],
)
def test_a_service_s_template_that_becomes_too_long_to_roll_back_is_told(
    own: bool, before: int | None, after: int, warned: bool
) -> None:
    def stack_of(size: int) -> StackTemplate:
        resource = {"Type": "AWS::SNS::Topic", "Metadata": {"Note": "x" * size}}
        outputs = {"Outputs": {REVISION_OUTPUT: {"Value": "arn"}}} if own else {}
        return StackTemplate(KEY, {"Resources": {"It": resource}, **outputs})

    planned = plan([] if before is None else [stack_of(before)], [[stack_of(after)]])
    told = [each.what for one in planned.stacks for each in one.consequences]
    assert ["nova rollback changes none of over 51,200" in each for each in told] == [True] * warned
