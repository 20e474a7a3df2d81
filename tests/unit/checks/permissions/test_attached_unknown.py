"""What only CloudFormation knows: it gives whatever it may, and takes nothing away."""

from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from helpers.small_pipeline import allow, grant, small_pipeline
from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.rule import Template as Loaded

ROLE = "arn:aws:iam::333333333333:role"
UNKNOWN: dict[str, Any] = {
    "a parameter": {"Ref": "SomeParameter"},
    "what another stack exports": {"Fn::ImportValue": "roles"},
    "a value of a mapping": {"Fn::FindInMap": ["Roles", {"Ref": "AWS::Region"}, "ours"]},
    "one of a list": {"Fn::Select": [0, {"Ref": "SomeList"}]},
    "a text with variables of its own": {"Fn::Sub": ["${Account}/*", {"Account": {"Ref": "SomeParameter"}}]},
    "a text with a parameter": {"Fn::Sub": "arn:aws:iam::${SomeParameter}:role/*"},
    "joined with a parameter": {"Fn::Join": ["", ["arn:aws:iam::", {"Ref": "SomeParameter"}, ":role/*"]]},
    "by a tag of the caller": f"{ROLE}/${{aws:PrincipalTag/team}}",
    "its own account": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/*"},
}


def details(*statements: dict[str, Any]) -> list[str]:
    template = small_pipeline()
    grant(template, {"Statement": list(statements)})
    return [finding.detail for finding in production_out_of_reach(Loaded(template["Resources"], "444444444444"))]


def denied(**what: Any) -> list[str]:
    [granted] = allow("sts:AssumeRole", f"{ROLE}/deployer")["Statement"]
    return details(granted, {"Effect": "Deny", **what})


@pytest.mark.parametrize("value", one_of_each(UNKNOWN.values()), ids=UNKNOWN.keys())
def test_a_denial_of_nobody_knows_what_takes_nothing_away(value: Any) -> None:
    assert denied(Action="sts:*", Resource=value)
    assert denied(Action="sts:*", Resource=[value, f"{ROLE}/other"])
    assert denied(Action="sts:*", NotResource=value)
    assert not denied(Action="sts:*", Resource=[value, f"{ROLE}/*"])


@pytest.mark.parametrize("value", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_all_but_nobody_knows_what_is_all(value: Any) -> None:
    assert details({"Effect": "Allow", "Action": "sts:AssumeRole", "NotResource": value})
    assert details({"Effect": "Allow", "Action": "sts:AssumeRole", "NotResource": [value, f"{ROLE}/other"]})


@pytest.mark.parametrize("value", [{"Ref": "SomeParameter"}, {"Fn::ImportValue": "actions"}], ids=str)
def test_an_action_that_nobody_knows_is_any_where_it_gives_and_none_where_it_takes(value: Any) -> None:
    assert denied(Action=value, Resource="*")
    assert not denied(Action=[value, "sts:*"], Resource="*")
    assert denied(NotAction=value, Resource="*")
    assert details({"Effect": "Allow", "NotAction": value, "Resource": "*"})
    assert details({"Effect": "Allow", "Action": value, "Resource": "*"})
    assert not details({"Effect": "Allow", "NotAction": [value, "*"], "Resource": "*"})


def test_stars_and_resources_of_the_template_are_known() -> None:
    assert not denied(Action="*", Resource="*")
    assert not denied(Action="sts:Assume*", Resource=f"{ROLE}/*")
    assert not denied(
        Action="sts:AssumeRole", Resource={"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::*"]]}
    )
    assert not denied(Action="*", Resource={"Fn::Sub": ["${Roles}/*", {"Roles": ROLE}]})
