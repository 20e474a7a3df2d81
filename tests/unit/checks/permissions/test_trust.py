"""Who may assume the roles on either side of the approval: loosened in one place each."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.checks.rules import findings

Properties = dict[str, Any]


def role_called(template: dict[str, Any], name: str) -> Properties:
    [found] = [
        each["Properties"]
        for each in template["Resources"].values()
        if each.get("Properties", {}).get("RoleName") == name
    ]
    properties: Properties = found
    return properties


def trust_of(properties: Properties) -> dict[str, Any]:
    trust: dict[str, Any] = properties["AssumeRolePolicyDocument"]["Statement"][0]
    return trust


def everybody(role: Properties) -> None:
    trust_of(role).update(Principal={"AWS": "*"}, Condition={})


def without_condition(role: Properties) -> None:
    del trust_of(role)["Condition"]


def by_a_pattern(role: Properties) -> None:
    trust_of(role)["Condition"] = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::444444444444:role/nova-*"}}


def a_wildcard_taken_literally(role: Properties) -> None:
    trust_of(role)["Condition"] = {"ArnEquals": {"aws:PrincipalArn": ["arn:aws:iam::444444444444:role/*"]}}


def another_statement(role: Properties) -> None:
    more = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::444444444444:root"}}
    role["AssumeRolePolicyDocument"]["Statement"].append(more)


@pytest.mark.parametrize("name", ["observer", "release", "operator", "gate", "deploy"])
def test_a_role_of_an_environment_that_the_whole_account_may_take_is_a_finding(name: str) -> None:
    trust = {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "444444444444"}}}
    properties = {"RoleName": f"nova-prod-{name}", "AssumeRolePolicyDocument": trust}
    found = findings({"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}})
    assert [(rule.id, finding.detail) for rule, finding in found] == [
        ("NOVA-P10", f"nova-prod-{name}: every role of 444444444444 may assume it")
    ]


@pytest.mark.parametrize(
    "loosened", [everybody, without_condition, by_a_pattern, a_wildcard_taken_literally, another_statement]
)
def test_an_environments_role_that_names_nobody_is_a_finding(
    assembly: Any, loosened: Callable[[Properties], None]
) -> None:
    template = assembly.template("nova-prod-platform")
    loosened(role_called(template, "nova-prod-release"))
    assert {rule.id for rule, _ in findings(template)} == {"NOVA-P10"}


def test_a_role_for_the_whole_account_leaves_it_to_the_accounts_policies(assembly: Any) -> None:
    template = assembly.template("nova-prod-platform")
    root = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    for number, principal in enumerate((root, {"AWS": {"Ref": "AWS::AccountId"}}, {"AWS": "444444444444"})):
        trust = {"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}}
        template["Resources"][f"Added{number}"] = {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": trust},
        }
    assert findings(template) == []


@pytest.mark.parametrize(
    "action",
    [
        *("ssm:PutParameter", "ecs:ExecuteCommand", "cloudformation:*", "*", "logs:FilterLogEvents"),
        *("secretsmanager:GetSecretValue", "s3:GetObject", "dynamodb:Query"),
    ],
)
def test_an_observer_that_may_change_something_is_a_finding(assembly: Any, action: str) -> None:
    template = assembly.template("nova-prod-platform")
    role_called(template, "nova-prod-observer")["Policies"] = [
        {
            "PolicyName": "more",
            "PolicyDocument": {"Statement": {"Effect": "Allow", "Action": action, "Resource": "arn:aws:ssm:::x"}},
        }
    ]
    [(rule, finding)] = findings(template)
    assert (rule.id, finding.detail) == ("NOVA-P09", f"nova-prod-observer may {action}")


def test_an_observer_may_get_what_else_can_be_read(assembly: Any) -> None:
    template = assembly.template("nova-prod-platform")
    role_called(template, "nova-prod-observer")["Policies"] = [
        {
            "PolicyName": "more",
            "PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "rds:Describe*", "Resource": "*"}},
        }
    ]
    assert findings(template) == []


def claims(role: Properties) -> dict[str, Any]:
    found: dict[str, Any] = trust_of(role)["Condition"]["StringEquals"]
    return found


ISSUER = "token.actions.githubusercontent.com"


def any_subject(role: Properties) -> None:
    trust_of(role)["Condition"] = {
        "StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com"},
        "StringLike": {f"{ISSUER}:sub": "repo:org/*"},
    }


def a_wildcard(role: Properties) -> None:
    claims(role)[f"{ISSUER}:sub"] = "repo:org/nova-platform:*"


def a_pull_request(role: Properties) -> None:
    claims(role)[f"{ISSUER}:sub"] = ["repo:org/nova-platform:pull_request"]


def no_subject(role: Properties) -> None:
    del claims(role)[f"{ISSUER}:sub"]


def no_audience(role: Properties) -> None:
    del claims(role)[f"{ISSUER}:aud"]


def another_audience(role: Properties) -> None:
    claims(role)[f"{ISSUER}:aud"] = "anybody"


def any_branch(role: Properties) -> None:
    del claims(role)[f"{ISSUER}:ref"]


def a_pull_requests_branch(role: Properties) -> None:
    claims(role)[f"{ISSUER}:ref"] = ["refs/heads/main", "refs/pull/1/merge"]


def branches_by_a_pattern(role: Properties) -> None:
    claims(role)[f"{ISSUER}:ref"] = "refs/heads/*"


def any_workflow(role: Properties) -> None:
    """Such as one that a pull request starts on the branch, by pull_request_target or workflow_run."""
    del claims(role)[f"{ISSUER}:job_workflow_ref"]


def a_workflow_of_any_branch(role: Properties) -> None:
    claims(role)[f"{ISSUER}:job_workflow_ref"] = "org/nova-platform/.github/workflows/deploy.yml@*"


def a_directory_of_workflows(role: Properties) -> None:
    claims(role)[f"{ISSUER}:job_workflow_ref"] = "org/nova-platform/.github/workflows/@refs/heads/main"


def no_condition(role: Properties) -> None:
    del trust_of(role)["Condition"]


@pytest.mark.parametrize(
    "loosened",
    [
        *(any_subject, a_wildcard, a_pull_request, no_subject, no_audience, another_audience, no_condition),
        *(any_branch, a_pull_requests_branch, branches_by_a_pattern),
        *(any_workflow, a_workflow_of_any_branch, a_directory_of_workflows),
    ],
)
def test_a_role_that_takes_tokens_of_more_than_its_jobs_is_a_finding(
    github_assembly: Any, loosened: Callable[[Properties], None]
) -> None:
    template = github_assembly.template("nova-github-actions")
    roles = [each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::IAM::Role"]
    loosened(next(each for each in roles if "Federated" in trust_of(each)["Principal"]))
    assert {rule.id for rule, _ in findings(template)} == {"NOVA-P10"}


@pytest.mark.exhaustive("test_a_role_that_takes_tokens_of_more_than_its_jobs_is_a_finding")
def test_the_roles_of_githubs_jobs_are_named_and_keep_to_their_work(github_assembly: Any) -> None:
    assert [finding for name in github_assembly.texts for _, finding in findings(github_assembly.template(name))] == []


def jobs(environment: str = "prod", owner: str = "org/shop", workflow: str = "org/shop") -> Properties:
    """A statement that lets GitHub's jobs of one environment assume a role."""
    claims = {
        f"{ISSUER}:aud": "sts.amazonaws.com",
        f"{ISSUER}:sub": [f"repo:{owner}:environment:{environment}"],
        f"{ISSUER}:ref": ["refs/heads/main"],
        f"{ISSUER}:job_workflow_ref": [f"{workflow}/.github/workflows/deploy.yml@refs/heads/main"],
    }
    principal = {"Federated": f"arn:aws:iam::333333333333:oidc-provider/{ISSUER}"}
    action = "sts:AssumeRoleWithWebIdentity"
    return {"Effect": "Allow", "Action": action, "Principal": principal, "Condition": {"StringEquals": claims}}


def jobs_of_the_branch() -> Properties:
    """A statement that lets jobs without an environment assume a role."""
    statement = jobs()
    statement["Condition"]["StringEquals"][f"{ISSUER}:sub"] = ["repo:org/shop:ref:refs/heads/main"]
    return statement


def taken_by(principal: Properties, **conditions: Any) -> Properties:
    return {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, "Condition": conditions}


def told(name: str, *statements: Properties) -> list[str]:
    properties = {"RoleName": name, "AssumeRolePolicyDocument": {"Statement": list(statements)}}
    found = findings({"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}})
    return [finding.detail.removeprefix(f"{name}: ") for rule, finding in found if rule.id == "NOVA-P10"]


OTHER_ISSUER = {
    "Effect": "Allow",
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Principal": {"Federated": "arn:aws:iam::333333333333:oidc-provider/evil.example.com"},
    "Condition": {
        "StringEquals": {"evil.example.com:sub": "x:environment:prod", "evil.example.com:aud": "sts.amazonaws.com"}
    },
}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (jobs("dev"), "jobs of the environment dev may assume it"),
        (jobs(owner="evil/shop"), "jobs of more than one repository may assume it: evil/shop, org/shop"),
        (jobs(workflow="evil/shop"), "jobs of more than one repository may assume it: evil/shop, org/shop"),
        (jobs_of_the_branch(), "jobs of no environment may assume it, which wait for nobody"),
        (jobs("prod:environment:dev"), "jobs of the environment prod:environment:dev may assume it"),
        (OTHER_ISSUER, "another provider than GitHub's may say who may assume it"),
        (
            taken_by({"AWS": "arn:aws:iam::999999999999:role/x"}),
            "arn:aws:iam::999999999999:role/x may assume it, which is not a GitHub job",
        ),
        (
            taken_by({"AWS": {"Ref": "SomeParameter"}}),
            "${SomeParameter} may assume it, which is not a GitHub job",
        ),
        (
            taken_by({"Service": "lambda.amazonaws.com"}),
            "lambda.amazonaws.com may assume it, for whoever may have that service run something",
        ),
        (
            taken_by({"AWS": "*"}, StringEquals={"aws:PrincipalArn": "arn:aws:iam::333333333333:role/a"}),
            "* may assume it, which is not a GitHub job",
        ),
    ],
)
def test_a_role_that_deploys_is_for_the_jobs_of_its_own_environment_alone(statement: Properties, said: str) -> None:
    assert told("nova-prod-deploy", jobs()) == []
    assert told("nova-prod-deploy", jobs(owner="org@12/shop@34")) == [], "as some tokens name it"
    assert told("nova-prod-deploy", jobs(), statement) == [said]


def test_no_service_and_no_other_provider_may_take_what_a_step_takes() -> None:
    step = taken_by({"AWS": "arn:aws:iam::444444444444:role/nova-prod-verify-step"})
    assert told("nova-prod-release", step) == []
    assert told("nova-prod-release", step, taken_by({"Service": "ecs-tasks.amazonaws.com"})) != []
    assert told("nova-prod-release", step, OTHER_ISSUER) != []


def test_a_role_for_certificates_names_whose() -> None:
    service = {"Service": "rolesanywhere.amazonaws.com"}
    said = "whoever has a certificate may assume it: no subject is named word for word"
    assert told("backups", taken_by(service)) == [said]
    assert told("backups", taken_by(service, StringLike={"aws:PrincipalTag/x509Subject/CN": "*"})) == [said]
    assert told("backups", taken_by(service, StringEquals={"aws:PrincipalTag/x509Subject/CN": "host-7"})) == []


def test_a_denial_does_not_end_what_is_read_of_a_trust() -> None:
    denied = {"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    assert told("helper", denied, taken_by({"AWS": "*"})) == ["anybody may assume it"]


def test_a_services_own_role_may_have_such_a_name() -> None:
    assert told("database-operator", taken_by({"Service": "lambda.amazonaws.com"})) == []
