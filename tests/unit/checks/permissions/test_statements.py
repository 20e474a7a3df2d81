import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.checks.permissions.reach import account_of
from nova_infra.checks.permissions.statements import Statement, contains, overlap, pattern_of

patterns = st.text("ab*?", max_size=4)
TEXTS = ["".join(letters) for length in range(7) for letters in product("ab", repeat=length)]


def matches(pattern: str, text: str) -> bool:
    return bool(re.fullmatch(pattern.replace("*", ".*").replace("?", "."), text))


@given(one=patterns, other=patterns)
def test_patterns_overlap_where_some_text_matches_both(one: str, other: str) -> None:
    assert overlap(one, other) is any(matches(one, text) and matches(other, text) for text in TEXTS)


@given(pattern=patterns, other=patterns)
def test_what_contains_a_pattern_matches_all_of_its_texts(pattern: str, other: str) -> None:
    if contains(pattern, other):
        assert all(matches(pattern, text) for text in TEXTS if matches(other, text))


def test_a_value_that_only_cloudformation_knows_may_be_anything() -> None:
    assert pattern_of({"Fn::ImportValue": "x"}) == "*"
    assert pattern_of({"Ref": "AWS::AccountId"}) == "*"
    assert pattern_of({"Fn::Join": [":", ["arn", {"Ref": "AWS::Partition"}, {"Fn::Select": [0, []]}]]}) == "arn:aws:*"
    assert pattern_of({"Fn::Sub": "arn:${AWS::Partition}:s3:::${Bucket.Arn}/${aws:username}"}) == (
        "arn:aws:s3:::${Bucket}/${aws:username}"
    )
    assert pattern_of({"Fn::GetAtt": ["Role", "Arn"]}) == "${Role}"


@pytest.mark.parametrize(
    ("arn", "account"),
    [
        ("arn:aws:sqs:us-east-1:333333333333:orders", "333333333333"),
        ("arn:*:sqs:*:333333333333:*", "333333333333"),
        ("arn:aws:s3:::bucket", None),
        ("arn:aws:iam::3333*:role/x", None),
        ("arn:aws*:sqs:us-east-1:333333333333:orders", None),
        ("arn:aws:s*:us-east-1:333333333333:orders", None),
        ("aws:arn:sqs:us-east-1:333333333333:orders", None),
        ("${Queue}", None),
        ("*", None),
    ],
)
def test_an_account_is_known_only_where_no_other_can_be_meant(arn: str, account: str | None) -> None:
    assert account_of(arn) == account


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html: actions ignore case.
@pytest.mark.parametrize("written", ["sts:assumerole", "STS:AssumeRole", "sts:ASSUME*"])
@pytest.mark.parametrize("asked", ["sts:AssumeRole", "sts:aSSUMErole"])
def test_the_case_of_an_action_makes_no_difference(written: str, asked: str) -> None:
    def statement(*, allows: bool = True, but: bool = False) -> Statement:
        return Statement("P", allows, (written,), but, ("*",), False, False)

    assert (statement().names(asked), statement(but=True).names(asked)) == (True, False)
    assert [*statement().actions_within([asked])]
    assert [*statement(but=True).actions_within([asked])] == []
    assert [*statement().actions_within([asked], but=["STS:*"])] == []
    assert statement(allows=False).forbids(asked, "arn:aws:iam::333333333333:role/x")
    assert not statement(allows=False, but=True).forbids(asked, "arn:aws:iam::333333333333:role/x")


def test_what_is_compared_is_in_one_partition() -> None:
    account = {"Ref": "AWS::AccountId"}
    for partition in ("aws", "aws-us-gov", "aws-cn", "aws-iso-b"):
        assert pattern_of(f"arn:{partition}:iam::1:role/x") == "arn:aws:iam::1:role/x"
        assert pattern_of({"Fn::Join": ["", [f"arn:{partition}:iam::", account, ":role/x"]]}) == "arn:aws:iam::*:role/x"
        assert pattern_of({"Fn::Join": ["", ["arn:", partition, ":s3:::b"]]}) == "arn:aws:s3:::b"
    assert pattern_of("arn:aws*:s3:::b") == "arn:aws*:s3:::b"


@pytest.mark.parametrize(
    ("granted", "wanted", "harmless", "found"),
    [
        ("sts:*", "sts:Assume*", (), ["sts:Assume*"]),
        ("sts:AssumeRole", "sts:Assume*", (), ["sts:AssumeRole"]),
        ("s3:*Object", "s3:Put*", (), ["s3:*Object"]),
        ("*", "sts:Assume*", ("sts:*",), []),
        ("sqs:*", "sts:Assume*", (), []),
    ],
)
def test_of_two_patterns_the_narrower_one_is_what_counts(
    granted: str, wanted: str, harmless: tuple[str, ...], found: list[str]
) -> None:
    statement = Statement("Role", True, (granted,), False, ("*",), False, conditional=False)
    assert list(statement.actions_within((wanted,), but=harmless)) == found
