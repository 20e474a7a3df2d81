"""What a policy allows beyond another, by meaning."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.operations.changes.policies import Policy, is_policy, parsed, widened

Statement = dict[str, Any]
ARN = "arn:aws:s3:::bucket"
READ: Statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{ARN}/a"}
DENY: Statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ARN}
ACCOUNT = {"StringEquals": {"aws:SourceAccount": "111111111111"}}


def more(before: list[Statement], after: list[Statement]) -> list[str]:
    return [str(grant) for grant in widened(Policy.of([{"Statement": before}]), Policy.of([{"Statement": after}]))]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([READ], [READ], id="the same"),
        pytest.param([READ], [], id="nothing"),
        pytest.param([READ], [{**READ, "Action": ["s3:GetObject"]}], id="a list of one"),
        pytest.param([READ], [{**READ, "Action": "S3:getobject"}], id="actions in another case"),
        pytest.param([READ], [{**READ, "Sid": "Read"}], id="a name"),
        pytest.param([{**READ, "Action": "s3:Get*"}], [READ], id="an action within a wildcard"),
        pytest.param([{**READ, "Action": "s3:Get*"}], [{**READ, "Action": "s3:GetO*"}], id="a narrower wildcard"),
        pytest.param([{**READ, "Resource": "*"}], [{**READ, "Resource": f"{ARN}/*"}], id="fewer resources"),
        pytest.param([READ], [{**READ, "Condition": ACCOUNT}], id="a further condition"),
        pytest.param(
            [{**READ, "Condition": {"StringEquals": {"aws:SourceAccount": ["1", "2"]}}}],
            [{**READ, "Condition": {"StringEquals": {"aws:sourceaccount": "1"}}}],
            id="fewer alternatives in a condition",
        ),
        pytest.param(
            [{**READ, "Condition": {"StringNotEquals": {"aws:SourceAccount": "1"}}}],
            [{**READ, "Condition": {"StringNotEquals": {"aws:SourceAccount": ["1", "2"]}}}],
            id="more exclusions in a condition",
        ),
        pytest.param(
            [{**READ, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:logs:*"}}}],
            [{**READ, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:logs:us-east-1:*"}}}],
            id="a narrower pattern in a condition",
        ),
        pytest.param(
            [{**READ, "Condition": {"StringEqualsIfExists": {"aws:SourceVpc": "v"}}}],
            [{**READ, "Condition": {"StringEquals": {"aws:SourceVpc": "v"}}}],
            id="a condition that has to be there",
        ),
        pytest.param(
            [{**READ, "Action": ["s3:GetObject", "s3:PutObject"]}],
            [{**READ, "Action": "s3:PutObject"}, {**READ, "Action": "s3:GetObject"}],
            id="split in two",
        ),
        pytest.param([], [DENY], id="a Deny"),
        pytest.param([DENY], [{**DENY, "Action": "*"}], id="a wider Deny"),
        pytest.param(
            [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
            [{"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"}],
            id="more left out of NotAction",
        ),
        pytest.param([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], [READ], id="outside of NotAction"),
        pytest.param(
            [{**READ, "Principal": {"AWS": "111111111111"}}],
            [{**READ, "Principal": {"AWS": "arn:${AWS::Partition}:iam::111111111111:root"}}],
            id="an account by number and by ARN",
        ),
        pytest.param(
            [{**READ, "Resource": {"Fn::Join": ["", [{"Fn::GetAtt": ["Bucket", "Arn"]}, "/a"]]}}],
            [{**READ, "Resource": {"Fn::Sub": "${Bucket.Arn}/a"}}],
            id="another way to write a reference",
        ),
    ],
)
def test_a_policy_that_allows_the_same_or_less_widens_nothing(before: list[Statement], after: list[Statement]) -> None:
    assert more(before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        pytest.param([], [READ], f"may s3:GetObject on {ARN}/a", id="the first statement"),
        pytest.param(
            [READ],
            [{**READ, "Action": ["s3:GetObject", "s3:PutObject"]}],
            f"may s3:PutObject on {ARN}/a",
            id="one action more: only that one",
        ),
        pytest.param([READ], [{**READ, "Action": "s3:*"}], f"may s3:* on {ARN}/a", id="a wildcard in an action"),
        pytest.param([READ], [{**READ, "Resource": "*"}], "may s3:GetObject on *", id="every resource"),
        pytest.param(
            [{**READ, "Resource": f"{ARN}/?"}],
            [{**READ, "Resource": f"{ARN}/*"}],
            f"may s3:GetObject on {ARN}/*",
            id="from one character to any number",
        ),
        pytest.param(
            [{**READ, "Condition": ACCOUNT}],
            [READ],
            f"may s3:GetObject on {ARN}/a, no longer only if StringEquals aws:SourceAccount 111111111111",
            id="a condition less",
        ),
        pytest.param(
            [{**READ, "Condition": {"StringEquals": {"aws:SourceAccount": "1"}}}],
            [{**READ, "Condition": {"StringEquals": {"aws:SourceAccount": ["1", "2"]}}}],
            f"may s3:GetObject on {ARN}/a, no longer only if StringEquals aws:SourceAccount 1",
            id="one more alternative in a condition",
        ),
        pytest.param(
            [{**READ, "Condition": {"StringNotEquals": {"aws:SourceAccount": ["1", "2"]}}}],
            [{**READ, "Condition": {"StringNotEquals": {"aws:SourceAccount": "1"}}}],
            f"may s3:GetObject on {ARN}/a, no longer only if StringNotEquals aws:SourceAccount 1, 2",
            id="one exclusion less in a condition",
        ),
        pytest.param(
            [{**READ, "Condition": {"NumericLessThan": {"aws:MultiFactorAuthAge": "300"}}}],
            [{**READ, "Condition": {"NumericLessThan": {"aws:MultiFactorAuthAge": "900"}}}],
            f"may s3:GetObject on {ARN}/a, no longer only if NumericLessThan aws:MultiFactorAuthAge 300",
            id="a limit that cannot be compared",
        ),
        pytest.param(
            [{**READ, "Principal": {"AWS": "arn:aws:iam::1:role/a"}}],
            [{**READ, "Principal": "*"}],
            f"* may s3:GetObject on {ARN}/a",
            id="everyone",
        ),
        pytest.param([DENY], [], f"no longer denied: * may s3:* on {ARN}", id="a Deny less"),
        pytest.param(
            [DENY],
            [{**DENY, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}],
            f"no longer denied: * may s3:* on {ARN}",
            id="a Deny under a condition",
        ),
        pytest.param(
            [READ],
            [{"Effect": "Allow", "NotAction": "iam:*", "Resource": f"{ARN}/a"}],
            f"may everything but iam:* on {ARN}/a",
            id="everything but",
        ),
        pytest.param(
            [{"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"}],
            [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
            "may everything but iam:* on *",
            id="less left out",
        ),
        pytest.param(
            [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
            [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
            "may * on *",
            id="a wildcard that reaches into what was left out",
        ),
        pytest.param(
            [READ],
            [READ, {"Fn::If": ["Live", READ, {"Ref": "AWS::NoValue"}]}],
            "which cannot be read",
            id="a statement under a condition of the template",
        ),
    ],
)
def test_what_a_policy_newly_allows_is_named(before: list[Statement], after: list[Statement], says: str) -> None:
    [sentence] = more(before, after)
    assert says in sentence


def test_actions_on_the_same_resources_share_a_line_and_so_do_principals() -> None:
    after = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ["a", "b"]},
            "Action": ["kms:Decrypt", "kms:Encrypt"],
            "Resource": "*",
        }
    ]
    assert more([], after) == ["a, b may kms:Decrypt, kms:Encrypt on *"]


def test_a_policy_as_text_is_read_like_one_as_an_object() -> None:
    text = '{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    assert is_policy(parsed(text))
    assert not is_policy(parsed("{not json"))


def test_firewall_rules_are_no_policy_although_they_have_statements() -> None:
    assert not is_policy({"Name": "rule", "Statement": {"ManagedRuleGroupStatement": {"Name": "common"}}})


names = st.sampled_from(["*", "s3:*", "s3:Get*", "s3:GetObject", "kms:Decrypt", "iam:PassRole"])
statements = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.lists(names, min_size=1, max_size=3),
        "Resource": st.sampled_from(["*", f"{ARN}/*", f"{ARN}/a"]),
    },
    optional={"Condition": st.sampled_from([ACCOUNT, {"Bool": {"aws:SecureTransport": "true"}}])},
)


@pytest.mark.exhaustive("test_what_a_policy_newly_allows_is_named")
@given(policy=st.lists(statements, max_size=5), order=st.randoms(use_true_random=False))
def test_the_order_of_statements_and_actions_means_nothing(policy: list[Statement], order: Any) -> None:
    shuffled = [
        {**statement, "Action": order.sample(statement["Action"], len(statement["Action"]))} for statement in policy
    ]
    order.shuffle(shuffled)
    assert more(policy, shuffled) == []
    assert more(shuffled, policy) == []


@pytest.mark.exhaustive("test_what_a_policy_newly_allows_is_named")
@given(policy=st.lists(statements, max_size=4), further=statements)
def test_a_further_allow_never_narrows_and_a_further_deny_never_widens(
    policy: list[Statement], further: Statement
) -> None:
    if further["Effect"] == "Allow":
        assert more([*policy, further], policy) == []
    else:
        assert more(policy, [*policy, further]) == []
