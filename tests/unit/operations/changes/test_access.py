"""What of a change lets somebody do more."""

from typing import Any

import pytest

from helpers.changes import Resource, resource, template, told
from nova_infra.operations.changes.differences import Kind, differences

ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def role_policy(*statements: Any, **properties: Any) -> Resource:
    return resource("IAM::Policy", {"PolicyDocument": {"Statement": list(statements)}, "Roles": ["r"], **properties})


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        pytest.param(
            template(P=role_policy(ALLOW)),
            template(P=role_policy(ALLOW, {**ALLOW, "Action": "s3:PutObject"})),
            "P may s3:PutObject on *",
            id="an identity's policy",
        ),
        pytest.param(
            template(P=role_policy(ALLOW)),
            template(P=role_policy(ALLOW, Roles=["r", {"Ref": "Other"}])),
            "P is attached to ${Other}, too",
            id="a policy for one more role",
        ),
        pytest.param(
            template(R=resource("IAM::Role", {"AssumeRolePolicyDocument": {"Statement": []}})),
            template(
                R=resource(
                    "IAM::Role",
                    {
                        "AssumeRolePolicyDocument": {
                            "Statement": [
                                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "999999999999"}}
                            ]
                        }
                    },
                )
            ),
            "R arn:${AWS::Partition}:iam::999999999999:root may sts:AssumeRole",
            id="trust",
        ),
        pytest.param(
            template(R=resource("IAM::Role", {"ManagedPolicyArns": []})),
            template(R=resource("IAM::Role", {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]})),
            "R is attached to the managed policy arn:aws:iam::aws:policy/AdministratorAccess",
            id="a managed policy",
        ),
        pytest.param(
            template(R=resource("IAM::Role", {"PermissionsBoundary": "b"})),
            template(R=resource("IAM::Role")),
            "R loses or changes its permissions boundary",
            id="no boundary",
        ),
        pytest.param(
            template(K=resource("KMS::Key", {"KeyPolicy": {"Statement": []}})),
            template(
                K=resource(
                    "KMS::Key",
                    {
                        "KeyPolicy": {
                            "Statement": {
                                "Effect": "Allow",
                                "Principal": "*",
                                "Action": "kms:Decrypt",
                                "Resource": "*",
                            }
                        }
                    },
                )
            ),
            "K * may kms:Decrypt on *",
            id="a key's policy",
        ),
        pytest.param(
            template(B=resource("S3::BucketPolicy", {"PolicyDocument": {"Statement": [{**ALLOW, "Effect": "Deny"}]}})),
            template(),
            "B no longer denied: s3:GetObject on *",
            id="a policy with a Deny is deleted",
        ),
        pytest.param(
            template(E=resource("EC2::VPCEndpoint", {"PolicyDocument": {"Statement": [ALLOW]}})),
            template(E=resource("EC2::VPCEndpoint")),
            "E * may * on *",
            id="an endpoint without its policy lets everything through",
        ),
        pytest.param(
            template(B=resource("S3::Bucket", {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}})),
            template(B=resource("S3::Bucket")),
            "B no longer blocks public access: BlockPublicAcls",
            id="public access",
        ),
        pytest.param(
            template(),
            template(L=resource("Lambda::Permission", {"Principal": "*", "FunctionName": {"Ref": "F"}})),
            "L lets * call ${F}",
            id="a function's permission",
        ),
    ],
)
def test_what_widens_access_is_reported(before: dict[str, Any], after: dict[str, Any], says: str) -> None:
    assert told(before, after, Kind.WIDENS_ACCESS) == [says]


def test_a_policy_of_another_name_widens_by_what_the_one_before_did_not_allow() -> None:
    put = {**ALLOW, "Action": "s3:PutObject"}
    same = told(template(Old=role_policy(ALLOW)), template(New=role_policy(ALLOW)), Kind.WIDENS_ACCESS)
    assert not any("may s3" in each for each in same), same
    more = told(template(Old=role_policy(ALLOW)), template(New=role_policy(ALLOW, put)), Kind.WIDENS_ACCESS)
    assert [each for each in more if "may s3" in each] == ["New may s3:PutObject on *"]
    another = told(template(Old=role_policy(ALLOW)), template(New=role_policy(ALLOW, Roles=["q"])), Kind.WIDENS_ACCESS)
    assert [each for each in another if "may s3" in each] == ["New may s3:GetObject on *"]


@pytest.mark.parametrize(
    "owners", [{"Roles": []}, {"Users": ["a"], "Roles": []}, {"Groups": [{"Ref": "G"}], "Roles": []}]
)
def test_policies_without_a_role_are_matched_by_their_users_and_groups(owners: dict[str, Any]) -> None:
    def gained(**after: Any) -> list[str]:
        before = template(Old=role_policy(ALLOW, **owners))
        found = told(before, template(New=role_policy(ALLOW, **owners | after)), Kind.WIDENS_ACCESS)
        return [each for each in found if "may s3" in each]

    of_somebody = any(owners.values())
    assert gained() == [] if of_somebody else ["New may s3:GetObject on *"]
    assert gained(Users=["b"], Groups=[]) == ["New may s3:GetObject on *"]


def test_a_policy_that_only_allows_less_is_among_the_rest() -> None:
    found = differences(template(P=role_policy(ALLOW, {**ALLOW, "Action": "s3:*"})), template(P=role_policy(ALLOW)))
    assert [(d.kind, d.what) for d in found] == [(Kind.OTHER, "PolicyDocument allows less")]
