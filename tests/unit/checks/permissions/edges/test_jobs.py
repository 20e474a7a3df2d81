"""What GitHub's jobs reach: one grant too many of each kind, on each kind of role."""

from typing import Any

import pytest

from helpers.small_pipeline import Template, allow, arn, grant, put
from nova_infra.checks.rules import findings

ISSUER = "token.actions.githubusercontent.com"
DEV, PROD, TOOLS = "111111111111", "333333333333", "444444444444"


def job_role(template: Template, name: str, subject: str, *documents: dict[str, Any]) -> None:
    claims = {
        f"{ISSUER}:aud": "sts.amazonaws.com",
        f"{ISSUER}:sub": f"repo:org/shop:{subject}",
        f"{ISSUER}:ref": "refs/heads/main",
        f"{ISSUER}:job_workflow_ref": "org/shop/.github/workflows/deploy.yml@refs/heads/main",
    }
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": f"arn:aws:iam::{DEV}:oidc-provider/{ISSUER}"},
        "Condition": {"StringEquals": claims},
    }
    put(template, "Job", "AWS::IAM::Role", RoleName=name, AssumeRolePolicyDocument={"Statement": [trust]})
    grant(template, *documents, role="Job")


def environment() -> Template:
    """The role of the jobs that deploy an environment."""
    template: Template = {"Resources": {}}
    own = f"arn:aws:iam::{DEV}:role"
    roles = [f"{own}/cdk-hnb659fds-{part}-role-{DEV}-us-east-1" for part in ("deploy", "file-publishing", "lookup")]
    taken = [*roles, f"{own}/nova-dev-observer", f"{own}/nova-dev-release", f"{own}/nova-dev-gate"]
    job_role(template, "nova-dev-deploy", "environment:dev", allow("sts:AssumeRole", taken))
    return template


def registry(template: Template, kind: str) -> list[dict[str, Any]]:
    """The role that CloudFormation makes repositories by, and what a job needs to have it do so."""
    repositories = f"arn:aws:ecr:us-east-1:{TOOLS}:repository/nova{kind}/*"
    put(
        template,
        "Registry",
        "AWS::IAM::Role",
        AssumeRolePolicyDocument=allow("sts:AssumeRole", Principal={"Service": "cloudformation.amazonaws.com"}),
        Policies=[{"PolicyDocument": allow(["ecr:CreateRepository", "ecr:SetRepositoryPolicy"], repositories)}],
    )
    stack = f"arn:aws:cloudformation:us-east-1:{TOOLS}:stack/Nova{kind.removeprefix('-').capitalize()}RegistryStack/*"
    passed = {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}
    by_it = {"StringEquals": {"cloudformation:RoleArn": arn("Registry")}}
    return [
        allow("cloudformation:CreateChangeSet", stack, Condition=by_it),
        allow("cloudformation:ExecuteChangeSet", stack),
        allow("iam:PassRole", arn("Registry"), Condition=passed),
    ]


def images(kind: str = "") -> Template:
    """The role of the jobs that build images; those of the early branch deploy their repositories, too."""
    template: Template = {"Resources": {}}
    pushed = allow(["ecr:PutImage", "ecr:BatchGetImage"], f"arn:aws:ecr:us-east-1:{TOOLS}:repository/nova{kind}/*")
    deploying = registry(template, "-early")
    job_role(template, f"nova{kind}-image-builder", "ref:refs/heads/main", pushed, *deploying)
    return template


def repositories() -> Template:
    """The role of the jobs that change the repositories of releases, after an approval."""
    template: Template = {"Resources": {}}
    job_role(template, "nova-registry-deploy", "environment:registry", *registry(template, ""))
    return template


def found(template: Template, account: str | None) -> list[str]:
    return [finding.detail for rule, finding in findings(template, account=account) if rule.id == "NOVA-P11"]


def role(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


# A name says what it is a way to; a job of any kind may have none of these.
GRANTS: dict[str, dict[str, Any]] = {
    "production's deploy role": allow("sts:AssumeRole", role(PROD, f"cdk-hnb659fds-deploy-role-{PROD}-us-east-1")),
    "production's release role": allow("sts:AssumeRole", role(PROD, "nova-prod-release")),
    "production's role for jobs": allow("sts:AssumeRole", role(PROD, "nova-prod-deploy")),
    "another environment of the account": allow("sts:AssumeRole", role(DEV, "nova-prod-release")),
    "any role of the account": allow("sts:AssumeRole", role(DEV, "*")),
    "any account": allow("sts:AssumeRole", role("*", "nova-dev-release")),
    "by letters": allow("sts:assumerole", role(DEV, "nova-???-release")),
    "by CloudFormation's role": allow("sts:AssumeRole", role(DEV, f"cdk-hnb659fds-cfn-exec-role-{DEV}-us-east-1")),
    "everything but": {"Statement": {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}},
    "everywhere but": {"Statement": {"Effect": "Allow", "Action": "sts:*", "NotResource": role(DEV, "x")}},
    "trust": allow("iam:UpdateAssumeRolePolicy", role(TOOLS, "nova-image-builder")),
    "a policy's version": allow("iam:CreatePolicyVersion"),
    "a group": allow("iam:AddUserToGroup", f"arn:aws:iam::{TOOLS}:group/administrators"),
    "tags of a session": allow("sts:TagSession", role(PROD, "nova-prod-release")),
    "a stack by its own role": allow("cloudformation:UpdateStack", f"arn:aws:cloudformation:*:{TOOLS}:stack/any/*"),
    "a change set of another stack": allow("cloudformation:CreateChangeSet"),
    "a function's code": allow(["lambda:UpdateFunctionCode", "iam:PassRole"]),
    "a state machine": allow("states:UpdateStateMachine"),
    "a schedule": allow("scheduler:UpdateSchedule"),
    "a command": allow("ssm:SendCommand"),
    "a task": allow("ecs:RunTask"),
    "a shell": allow("ecs:ExecuteCommand", f"arn:aws:ecs:us-east-1:{PROD}:task/nova-prod/*"),
    "the ledger": allow("ssm:PutParameter", f"arn:aws:ssm:us-east-1:{DEV}:parameter/nova/prod/release"),
    "a template in the bootstrap's bucket": allow("s3:PutObject", f"arn:aws:s3:::cdk-hnb659fds-assets-{TOOLS}-x/*"),
    "a grant of a key": allow("kms:CreateGrant"),
    "a secret": allow("secretsmanager:GetSecretValue"),
    "a build": allow("codebuild:UpdateProject"),
    "an event": allow("events:PutEvents"),
    "a message": allow("sns:Publish"),
    "a connection": allow("codeconnections:UseConnection"),
    "images of another platform": allow("ecr:PutImage", f"arn:aws:ecr:us-east-1:{TOOLS}:repository/other/*"),
    "images of a name that begins alike": allow("ecr:PutImage", f"arn:aws:ecr:us-east-1:{TOOLS}:repository/nova*"),
    "images removed": allow("ecr:BatchDeleteImage", f"arn:aws:ecr:us-east-1:{TOOLS}:repository/nova/*"),
    "other tags that move": allow("ecr:PutImageTagMutability", f"arn:aws:ecr:us-east-1:{TOOLS}:repository/other/*"),
    "a parameter that may be a secret": allow("ssm:GetParameter", f"arn:aws:ssm:us-east-1:{TOOLS}:parameter/login"),
    "images that are replicated": allow("ecr:PutReplicationConfiguration"),
}


def test_whether_tags_move_is_the_work_of_the_job_that_sets_policies_alone() -> None:
    moves = allow("ecr:PutImageTagMutability", f"arn:aws:ecr:us-east-1:{TOOLS}:repository/nova/*")
    for template, account, is_work in (
        *((environment(), DEV, False), (images(), TOOLS, False)),
        *((images("-early"), TOOLS, False), (repositories(), TOOLS, True)),
    ):
        grant(template, moves, role="Job")
        assert (found(template, account) == []) is is_work


@pytest.mark.parametrize("added", GRANTS.values(), ids=GRANTS.keys())
def test_one_grant_more_than_a_jobs_work_is_a_finding(added: dict[str, Any]) -> None:
    for template, account in (
        *((environment(), DEV), (images(), TOOLS)),
        *((images("-early"), TOOLS), (repositories(), TOOLS)),
    ):
        assert found(template, account) == []
        grant(template, added, role="Job")
        assert found(template, account) != []


REPOSITORY = f"arn:aws:ecr:us-east-1:{TOOLS}:repository/nova/shop"
AFTER_AN_APPROVAL = {
    "the stack": allow(
        "cloudformation:ExecuteChangeSet", f"arn:aws:cloudformation:us-east-1:{TOOLS}:stack/NovaRegistryStack/*"
    ),
    "its templates": allow("s3:PutObject", f"arn:aws:s3:::cdk-hnb659fds-assets-{TOOLS}-us-east-1/registry/*"),
    "policies": allow("ecr:SetRepositoryPolicy", REPOSITORY),
    "no policy": allow("ecr:DeleteRepositoryPolicy", REPOSITORY),
    "what expires": allow("ecr:PutLifecyclePolicy", REPOSITORY),
    "what is scanned": allow("ecr:PutRegistryScanningConfiguration"),
    "what is signed": allow("ecr:PutSigningConfiguration"),
    "by what profile": allow("signer:PutSigningProfile"),
}
OF_THE_DELIVERED_BRANCH = {
    "its images": allow("ecr:PutImage", REPOSITORY),
    "its signature": allow("signer:SignPayload", f"arn:aws:signer:us-east-1:{TOOLS}:/signing-profiles/*"),
}


@pytest.mark.parametrize("added", AFTER_AN_APPROVAL.values(), ids=AFTER_AN_APPROVAL.keys())
def test_no_job_changes_the_repositories_of_releases_before_an_approval(added: dict[str, Any]) -> None:
    for template in (images(), images("-early")):
        grant(template, added, role="Job")
        assert len(found(template, TOOLS)) == 1
    approved = repositories()
    grant(approved, added, role="Job")
    assert found(approved, TOOLS) == []


def test_nor_does_one_that_passes_the_role_which_may() -> None:
    template = images()
    grant(template, allow("ecr:SetRepositoryPolicy", REPOSITORY), role="Registry")
    assert found(template, TOOLS) == [
        f"nova-image-builder assumes Registry, which may ecr:SetRepositoryPolicy on {REPOSITORY}"
    ]


@pytest.mark.parametrize("added", OF_THE_DELIVERED_BRANCH.values(), ids=OF_THE_DELIVERED_BRANCH.keys())
def test_only_the_delivered_branch_pushes_what_is_released(added: dict[str, Any]) -> None:
    delivered, early, approved = images(), images("-early"), repositories()
    for template in (delivered, early, approved):
        grant(template, added, role="Job")
    assert found(delivered, TOOLS) == []
    assert len(found(early, TOOLS)) == len(found(approved, TOOLS)) == 1


def test_a_role_that_comes_first_is_named_as_well() -> None:
    template = environment()
    trust = allow("sts:AssumeRole", Principal={"AWS": arn("Job")})
    put(template, "Bridge", "AWS::IAM::Role", AssumeRolePolicyDocument=trust)
    grant(template, allow("sqs:SendMessage"), role="Bridge")
    assert found(template, DEV) == ["nova-dev-deploy assumes Bridge, which may sqs:SendMessage on *"]


def test_beside_jobs_a_user_with_a_key_is_one_that_anybody_runs() -> None:
    template: Template = {"Resources": {}}
    policies = [{"PolicyDocument": allow(["ses:SendRawEmail", "ses:GetSendQuota"])}]
    put(template, "User", "AWS::IAM::User", UserName="mailer", Policies=policies)
    put(template, "Key", "AWS::IAM::AccessKey", UserName={"Ref": "User"})
    assert found(template, PROD) == [], "a service may have one that sends mail"
    template["Resources"] |= environment()["Resources"]
    assert found(template, DEV) == ["nova-dev-deploy assumes User, which may ses:SendRawEmail on *"]
    del template["Resources"]["Key"]
    assert found(template, DEV) == []


def test_the_role_that_a_job_passes_counts_with_it() -> None:
    template = images()
    grant(template, allow("iam:PutRolePolicy"), role="Registry")
    assert found(template, TOOLS) == ["nova-image-builder assumes Registry, which may iam:PutRolePolicy on *"]


# None of them limits anything to what a job has to do.
OPEN = {
    "none": {},
    "another key": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
    "any value": {"StringLike": {"{}": "*"}},
    "a missing key": {"StringEqualsIfExists": {"{}": "cloudformation.amazonaws.com"}},
    "no key at all": {"ForAllValues:StringEquals": {"{}": "cloudformation.amazonaws.com"}},
    "that it is there": {"Null": {"{}": "false"}},
    "all but one": {"StringNotEquals": {"{}": "lambda.amazonaws.com"}},
    "one more": {"StringEquals": {"{}": ["cloudformation.amazonaws.com", "lambda.amazonaws.com"]}},
}
DEMANDED = {
    "iam:PassRole": ("iam:PassedToService", arn("Registry")),
    "cloudformation:CreateChangeSet": (
        "cloudformation:RoleArn",
        f"arn:aws:cloudformation:us-east-1:{TOOLS}:stack/NovaEarlyRegistryStack/*",
    ),
    "kms:CreateGrant": ("kms:ViaService", "*"),
}


@pytest.mark.parametrize("action", DEMANDED)
@pytest.mark.parametrize("condition", OPEN.values(), ids=OPEN.keys())
def test_what_a_condition_has_to_limit_no_other_condition_does(action: str, condition: dict[str, Any]) -> None:
    key, resource = DEMANDED[action]
    conditions = {
        operator: {name.replace("{}", key): value for name, value in keys.items()}
        for operator, keys in condition.items()
    }
    template = images()
    grant(template, allow(action, resource, **({"Condition": conditions} if conditions else {})), role="Job")
    [said] = found(template, TOOLS)
    assert said.startswith(f"nova-image-builder may {action} on ")


def test_a_condition_in_other_words_limits_as_well() -> None:
    for operator in ("ForAnyValue:StringEquals", "StringLike", "ArnLike"):
        template = images()
        by_it = {operator: {"CloudFormation:rolearn": arn("Registry")}}
        stack = f"arn:aws:cloudformation:us-east-1:{TOOLS}:stack/NovaEarlyRegistryStack/*"
        grant(template, allow("cloudformation:CreateChangeSet", stack, Condition=by_it), role="Job")
        assert found(template, TOOLS) == []


def test_a_role_of_no_known_name_may_only_read() -> None:
    template: Template = {"Resources": {}}
    job_role(template, "reports", "ref:refs/heads/main", allow("s3:PutObject", "arn:aws:s3:::reports/*"))
    assert found(template, TOOLS) == ["reports may s3:PutObject on arn:aws:s3:::reports/*"]
    job_role(template, "reports", "ref:refs/heads/main", allow(["s3:GetObject", "s3:List*"], "arn:aws:s3:::reports/*"))
    assert found(template, TOOLS) == []


def test_a_role_that_builds_no_images_pushes_none() -> None:
    template: Template = {"Resources": {}}
    images_ = f"arn:aws:ecr:us-east-1:{TOOLS}:repository/nova/*"
    job_role(template, "nova", "ref:refs/heads/main", allow("ecr:PutImage", images_))
    assert found(template, TOOLS) == [f"nova may ecr:PutImage on {images_}"]


def test_a_builder_reads_the_logins_that_are_named_and_no_others() -> None:
    named, key = f"arn:aws:secretsmanager:us-east-1:{TOOLS}:secret:acme/registry-??????", f"arn:aws:kms:x:{TOOLS}:key/1"
    for kind in ("", "-early"):
        template = images(kind)
        grant(template, allow("secretsmanager:GetSecretValue", named), allow("kms:Decrypt", key), role="Job")
        assert found(template, TOOLS) == []
        grant(template, allow("secretsmanager:GetSecretValue", named.replace("acme/", "*")), role="Job")
        assert len(found(template, TOOLS)) == 1
        grant(template, allow("kms:Decrypt", f"arn:aws:kms:us-east-1:{TOOLS}:key/*"), role="Job")
        assert len(found(template, TOOLS)) == 2
    template = environment()
    grant(template, allow("secretsmanager:GetSecretValue", named), role="Job")
    assert len(found(template, DEV)) == 1


def test_what_is_denied_is_no_permission() -> None:
    template = environment()
    denied = {"Statement": {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}}
    grant(template, allow("iam:CreateUser"), denied, role="Job")
    assert found(template, DEV) == []


def test_where_the_account_is_not_known_one_account_is_taken_for_it() -> None:
    template = environment()
    assert found(template, None) == []
    grant(template, allow("sts:AssumeRole", role(PROD, "nova-dev-release")), role="Job")
    assert len(found(template, None)) == 1
    assert len(found(environment(), PROD)) == 6


def test_others_than_githubs_jobs_are_not_meant() -> None:
    template = environment()
    trust = template["Resources"]["Job"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    trust["Principal"] = {"Federated": "cognito-identity.amazonaws.com"}
    trust["Condition"] = {"StringEquals": {"cognito-identity.amazonaws.com:aud": "x"}}
    grant(template, allow("*"), role="Job")
    assert found(template, DEV) == []
