"""What a permissions boundary leaves: the permissions that both give, but for what a resource's policy gives."""

from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.small_pipeline import Template, allow, details, grant, put, small_pipeline
from nova_infra.checks.permissions.edges.intersection import limited
from nova_infra.checks.permissions.statements import Statement

PROD = "arn:aws:iam::333333333333:role"


def bounded(boundary: dict[str, Any], *grants: dict[str, Any]) -> Template:
    """The pipeline, whose tests have grants within a boundary."""
    template = small_pipeline()
    put(template, "Boundary", "AWS::IAM::ManagedPolicy", PolicyDocument=boundary)
    template["Resources"]["TestRole"]["Properties"]["PermissionsBoundary"] = {"Ref": "Boundary"}
    grant(template, *grants)
    return template


TAKES_PRODUCTION = allow("sts:AssumeRole", f"{PROD}/deployer")
READS = allow(["s3:Get*", "logs:*"])


@pytest.mark.parametrize(
    ("boundary", "granted"),
    [
        (READS, TAKES_PRODUCTION),
        (READS, allow("*")),
        (
            READS,
            {"Statement": {"Effect": "Allow", "NotAction": ["iam:*", "logs:Delete*"], "Resource": "*"}},
        ),
        (allow("sts:AssumeRole", "arn:aws:iam::222222222222:role/any"), allow("sts:*")),
        ({"Statement": {"Effect": "Allow", "NotAction": ["sts:*", "iam:*"], "Resource": "*"}}, TAKES_PRODUCTION),
        ({"Statement": {"Effect": "Allow", "Action": "*", "NotResource": f"{PROD}/*"}}, TAKES_PRODUCTION),
        (
            {
                "Statement": [
                    {"Effect": "Allow", "Action": "*", "Resource": "*"},
                    {"Effect": "Deny", "Action": "sts:*", "Resource": f"{PROD}/*"},
                ]
            },
            TAKES_PRODUCTION,
        ),
        ({"Statement": []}, allow("*")),
    ],
    ids=["reads", "all", "all but", "staging", "no roles", "not production", "denied", "nothing"],
)
def test_what_the_boundary_does_not_give_is_no_way(boundary: dict[str, Any], granted: dict[str, Any]) -> None:
    found = details(bounded(boundary, granted))
    assert [each for each in found if "logs:" not in each] == []


@pytest.mark.parametrize(
    "boundary",
    [
        allow("*"),
        allow("sts:Assume*", f"{PROD}/*"),
        allow("STS:AssumeRole", f"{PROD}/deploy??"),
        {"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}},
        {"Statement": {"Effect": "Allow", "Action": "*", "NotResource": f"{PROD}/other"}},
        {
            "Statement": [
                {"Effect": "Allow", "Action": "*", "Resource": "*"},
                {"Effect": "Deny", "Action": "sts:*", "Resource": "*", "Condition": {"Bool": {"aws:x": "true"}}},
            ]
        },
    ],
    ids=["everything", "wider", "by letters", "all but", "all but one", "denied at times"],
)
def test_what_both_give_is_a_way(boundary: dict[str, Any]) -> None:
    [detail] = details(bounded(boundary, TAKES_PRODUCTION))
    assert detail.startswith("Tests may sts:assumerole on ")
    assert detail.endswith(": a role in production's account")


# Of two of these, one holds the other or neither has a part in it.
PATTERNS = st.lists(st.sampled_from(["a", "ab", "b", "a*", "*"]), min_size=1, max_size=2).map(tuple)
TEXTS = ("a", "ab", "ac", "b", "c")


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    return Statement(
        "Policy",
        allows=draw(st.booleans()),
        actions=draw(PATTERNS),
        not_actions=draw(st.booleans()),
        resources=draw(PATTERNS),
        not_resources=draw(st.booleans()),
        conditional=False,
    )


def allows(held: list[Statement], action: str, resource: str) -> bool:
    """Whether statements allow an action on a resource, as IAM decides."""

    def means(each: Statement) -> bool:
        named = any(fnmatchcase(action, one) for one in each.actions) is not each.not_actions
        return named and any(fnmatchcase(resource, one) for one in each.resources) is not each.not_resources

    effects = {each.allows for each in held if means(each)}
    return effects == {True}


@given(held=st.lists(statements(), max_size=3), boundary=st.lists(statements(), max_size=3))
def test_what_is_left_is_what_both_allow_and_in_doubt_more(held: list[Statement], boundary: list[Statement]) -> None:
    left = limited(held, boundary)
    # What is excepted of a wildcard, no list of patterns can say.
    in_doubt = any(each.not_actions or each.not_resources for each in (*held, *boundary))
    for action, resource in product(TEXTS, TEXTS):
        both = allows(held, action, resource) and allows(boundary, action, resource)
        found = allows(left, action, resource)
        assert found or not both
        assert found is both or in_doubt


def test_what_only_one_of_the_two_allows_at_times_is_left_at_times() -> None:
    plain = Statement("Policy", True, ("a",), False, ("b",), False, conditional=False)
    at_times = replace(plain, conditional=True)
    for held, boundary in ((plain, at_times), (at_times, plain)):
        assert limited([held], [boundary]) == [at_times]
    assert limited([plain], [plain]) == [plain]


def test_a_boundary_gives_nothing_itself() -> None:
    assert details(bounded(allow("*"))) == []


def test_a_boundary_outside_the_template_counts_as_none() -> None:
    template = bounded(READS, TAKES_PRODUCTION)
    template["Resources"]["TestRole"]["Properties"]["PermissionsBoundary"] = "arn:aws:iam::444444444444:policy/limits"
    assert len(details(template)) == 1


def test_a_boundary_does_not_limit_what_a_resource_gives_the_role_but_its_denial_does() -> None:
    principal = {"AWS": {"Fn::GetAtt": ["TestRole", "Arn"]}}
    for boundary, ways in ((READS, 1), ({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}, 0)):
        template = bounded(boundary)
        put(template, "Key", "AWS::KMS::Key", KeyPolicy=allow("kms:CreateGrant", Principal=principal))
        assert len(details(template)) == ways


def test_what_one_side_excepts_the_other_cannot_give() -> None:
    """Each side may name what it means or what it excepts."""
    named = Statement("named", True, ("s3:Get*", "iam:List*"), False, ("*",), False, conditional=False)
    excepting = Statement("excepting", True, ("s3:*",), True, ("*",), False, conditional=True)
    for held, limit in ((named, excepting), (excepting, named)):
        [left] = limited([held], [limit])
        assert (left.policy, left.actions, left.not_actions) == (held.policy, ("iam:list*",), False)
        assert left.conditional, "a condition of either holds for both"
