"""Who holds rights in the order of the delivery."""

from typing import Any

import pytest

from helpers.assembly import Assembly
from nova_infra.checks.permissions.access.holders import Holder, roles, steps
from nova_infra.checks.rule import Template

HERE = "222222222222"
OWN = f"arn:aws:iam::{HERE}:role/own"


def test_what_follows_production_is_after_the_approval_as_well(assembly: Assembly) -> None:
    template = assembly.template("NovaPipelineStack")
    [pipeline] = [each for each in template["Resources"].values() if each["Type"] == "AWS::CodePipeline::Pipeline"]
    stages = pipeline["Properties"]["Stages"]
    builds = [each for each in stages[-1]["Actions"] if each["ActionTypeId"]["Category"] == "Build"]
    stages.append({"Name": "Afterwards", "Actions": builds})
    after = {each.name.split(":")[0] for each in steps(Template(template["Resources"])) if each.after}
    assert after == {stages[-2]["Name"], "Afterwards"}


def _role(condition: Any, *trust: Any) -> Template:
    """A role that may do one thing on a condition, and whom it lets in."""
    let_in = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "sts:AssumeRole"}
    named = let_in | {"Condition": {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/taker"}}}
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:*:*:orders"}
    properties = {
        "RoleName": "own",
        "AssumeRolePolicyDocument": {"Statement": [named, *(let_in | each for each in trust)]},
        "Policies": [{"PolicyDocument": {"Statement": [statement | {"Condition": condition}]}}],
    }
    return Template({"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}, HERE)


@pytest.mark.parametrize(
    "condition",
    [
        {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{HERE}:role/other"}},
        {"StringLike": {"aws:principalarn": ["arn:aws:iam::333333333333:role/*", f"{OWN}-*"]}},
        {"StringEquals": {"aws:PrincipalAccount": "333333333333", "aws:RequestedRegion": "eu-west-1"}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::uploads"}},
        {"StringEquals": {"aws:SourceAccount": HERE}},
    ],
)
def test_what_a_condition_reserves_for_others_is_not_the_roles(condition: dict[str, Any]) -> None:
    [role] = roles(_role(condition))
    assert role.changes == ()


@pytest.mark.parametrize(
    ("condition", "limits"),
    [
        ({}, ""),
        ({"ArnEquals": {"aws:PrincipalArn": OWN}}, f"aws:principalarn ArnEquals {OWN}"),
        (
            {"ArnLike": {"aws:PrincipalArn": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/OWN"}}},
            "aws:principalarn ArnLike arn:aws:iam::*:role/OWN",
        ),
        ({"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}, "aws:principalaccount StringEquals *"),
        ({"StringNotEquals": {"aws:PrincipalAccount": HERE}}, f"aws:principalaccount StringNotEquals {HERE}"),
        ({"StringEqualsIfExists": {"aws:SourceAccount": HERE}}, f"aws:sourceaccount StringEqualsIfExists {HERE}"),
        (
            {"StringEquals": {"aws:RequestedRegion": ["a", "b"]}, "Bool": {"aws:SecureTransport": "true"}},
            "aws:requestedregion StringEquals a or b and aws:securetransport Bool true",
        ),
    ],
)
def test_any_other_condition_stands_beside_what_it_limits(condition: dict[str, Any], limits: str) -> None:
    [role] = roles(_role(condition))
    assert role.changes == (("sqs:SendMessage", "arn:aws:sqs:*:*:orders", limits),)


def test_a_role_lets_in_whom_a_condition_names_and_every_principal_without_one() -> None:
    other = {"Principal": {"AWS": ["444444444444", "arn:aws:iam::555555555555:role/x"]}}
    negated = {"Condition": {"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/y"}}}
    trusts: tuple[tuple[list[dict[str, Any]], set[str]], ...] = (
        ([], set()),
        ([{"Principal": {"Service": "ec2.amazonaws.com"}}], set()),
        ([{"Effect": "Deny"}], set()),
        ([other], {"arn:*:iam::444444444444:*", "arn:aws:iam::555555555555:role/x"}),
        ([negated], {"arn:*:iam::111111111111:*"}),
        ([{"Principal": "*"}], {"*"}),
    )
    for trust, more in trusts:
        [role] = roles(_role({}, *trust))
        assert set(role.takers) == {"arn:aws:iam::111111111111:role/taker", *more}


@pytest.mark.parametrize(
    ("path", "lets_in"),
    [("/service/", "arn:aws:iam::222222222222:role/service/own"), ({"Ref": "Path"}, f"arn:aws:iam::{HERE}:role/a/own")],
)
def test_a_role_acts_by_its_path_and_name(path: Any, lets_in: str) -> None:
    template = _role({"ArnEquals": {"aws:PrincipalArn": lets_in}})
    template.resources["Role"]["Properties"]["Path"] = path
    [role] = roles(template)
    assert role.changes
    assert Holder("x", after=False, runs_repository=False, takers=(lets_in,), takes={}, changes=()).lets_in(role)
    [plain] = roles(_role({"ArnEquals": {"aws:PrincipalArn": lets_in}}))
    assert plain.changes == ()
    assert role.arn.endswith("/service/own" if path == "/service/" else "role*own")


@pytest.mark.parametrize("name", [{}, {"RoleName": "build", "Path": "/ci/"}])
def test_a_trust_that_refers_to_a_role_of_its_template_lets_that_one_in(name: dict[str, str]) -> None:
    template = _role({}, {"Principal": {"AWS": {"Fn::GetAtt": ["Build", "Arn"]}}})
    build = dict(_role({}).resources["Role"]["Properties"])
    del build["RoleName"]
    both = {**template.resources, "Build": {"Type": "AWS::IAM::Role", "Properties": build | name}}
    own, other = roles(Template(both, HERE))
    assert own.lets_in(other)
    assert not own.lets_in(own)
    assert (f"arn:aws:iam::{HERE}:role/ci/build" in own.takers) is bool(name)
