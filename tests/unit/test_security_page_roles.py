"""What SECURITY.md says of roles, images and keys, by the templates of both engines."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from helpers.assembly import Assembly
from helpers.templates import PAGE, Template, everywhere, permissions, roles_named, templates_of
from nova_infra.checks.permissions.statements import allowing


def make_no_keys(templates: list[Template]) -> bool:
    return not everywhere(templates, "AWS::IAM::AccessKey") + everywhere(templates, "AWS::IAM::User")


def keep_tags_where_they_are(templates: list[Template]) -> bool:
    return {each["ImageTagMutability"] for each in everywhere(templates, "AWS::ECR::Repository")} == {"IMMUTABLE"}


def sign_what_they_push_to_the_repositories_of_releases(templates: list[Template]) -> bool:
    """Whoever may push to a repository that is signed, and nobody else."""
    [filters] = [
        each["Rules"][0]["RepositoryFilters"] for each in everywhere(templates, "AWS::ECR::SigningConfiguration")
    ]
    released = f"arn:aws:ecr:us-east-1:444444444444:repository/{filters[0]['Filter']}"
    found = [held for each in templates for _, _, held in permissions(each)]
    signing = [bool(allowing(held, "signer:SignPayload", "*")) for held in found]
    return any(signing) and signing == [bool(allowing(held, "ecr:PutImage", released)) for held in found]


def let_in_jobs_of_one_environment(templates: list[Template]) -> bool:
    trusts = [role["AssumeRolePolicyDocument"]["Statement"] for role, _ in roles_named(templates, "-deploy")]
    claims = [
        {key.rpartition(":")[2]: value for key, value in one["Condition"]["StringEquals"].items()} for [one] in trusts
    ]
    names = [re.fullmatch(r"repo:[\w-]+/[\w-]+:environment:([a-z-]+)", each["sub"][0]) for each in claims]
    roles = [str(role["RoleName"]) for role, _ in roles_named(templates, "-deploy")]
    return all(
        name is not None
        and len(each["sub"]) == 1
        and role.endswith(f"-{name[1]}-deploy")
        and {*each["ref"]} <= {"refs/heads/main", "refs/heads/develop"}
        and {*re.findall(r"workflows/(\w+)\.yml@", str(each["job_workflow_ref"]))} <= {"deploy", "rollback"}
        for name, each, role in zip(names, claims, roles, strict=True)
    )


def read_parameters_by_name(templates: list[Template]) -> bool:
    ends = re.compile(r"[^*]*/(release|rollback|(hold|accepted)(/\*)?)")
    observers = [held for _, held in roles_named(templates, "-observer")]
    reading = [
        each
        for held in observers
        for one in ("ssm:GetParameter", "ssm:GetParameterHistory", "ssm:GetParametersByPath")
        for each in allowing(held, one, "*")
    ]
    return bool(reading) and all(ends.fullmatch(resource) for _, resource in reading)


def describe_every_task_and_stack(templates: list[Template]) -> bool:
    observers = [held for _, held in roles_named(templates, "-observer")]
    seen = ("ecs:DescribeTaskDefinition", "cloudformation:DescribeStacks")
    return all("*" in [on for _, on in allowing(held, each, "*")] for held in observers for each in seen)


def write_the_ledger_and_waivers(templates: list[Template]) -> bool:
    named = [
        [on for _, on in allowing(held, "ssm:PutParameter", "*")] for _, held in roles_named(templates, "-release")
    ]
    return bool(named) and all(
        any(on.endswith(end) for on in each) for each in named for end in ("/release", "/accepted/*")
    )


CLAIMS: dict[str, Callable[[list[Template]], bool]] = {
    "no keys for AWS exist": make_no_keys,
    "a tag cannot be moved while its image exists": keep_tags_where_they_are,
    "ECR signs what the delivered branch's role pushes to the repositories of releases, with a profile that no other "
    "role of Nova may use": sign_what_they_push_to_the_repositories_of_releases,
    "one role per environment, which only jobs of the GitHub environment of that name, on a delivered branch and in "
    "the workflows that deploy or roll back, can assume": let_in_jobs_of_one_environment,
    "the parameters of the ledger, holds and waivers, each by name": read_parameters_by_name,
    "It sees the variables in every task's definition, parameters and outputs of every stack": (
        describe_every_task_and_stack
    ),
    "it may write the ledger and waivers": write_the_ledger_and_waivers,
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_the_page_says_holds_in_the_templates_of_both_engines(
    assembly: Assembly, variant: Assembly, github_assembly: Assembly, claim: str
) -> None:
    assert claim in PAGE, "correct the claim here as well"
    assert all(CLAIMS[claim](templates_of(each)) for each in (assembly, variant, github_assembly))


def of_role(end: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[list[Template]], None]:
    def run(templates: list[Template]) -> None:
        change(
            next(
                role
                for each in templates
                for _, role, _ in permissions(each)
                if str(role.get("RoleName", "")).endswith(end)
            )
        )

    return run


def may(action: str, resource: str = "*", effect: str = "Allow") -> Callable[[dict[str, Any]], None]:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return lambda role: role.update(Policies=[{"PolicyDocument": {"Statement": [statement]}}])


def claims_of(role: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]["StringEquals"]
    return found


REFUTED: list[tuple[Callable[[list[Template]], bool], Callable[[list[Template]], Any]]] = [
    (make_no_keys, lambda ts: ts[0]["Resources"].update(Key={"Type": "AWS::IAM::AccessKey"})),
    (
        keep_tags_where_they_are,
        lambda ts: everywhere(ts, "AWS::ECR::Repository")[1].update(ImageTagMutability="MUTABLE"),
    ),
    (sign_what_they_push_to_the_repositories_of_releases, of_role("-early-image-builder", may("signer:*"))),
    (sign_what_they_push_to_the_repositories_of_releases, of_role("-early-image-builder", may("ecr:PutImage"))),
    (
        let_in_jobs_of_one_environment,
        of_role("-prod-deploy", lambda r: claims_of(r).update({"x:sub": ["repo:org/nova:environment:dev"]})),
    ),
    (
        let_in_jobs_of_one_environment,
        of_role("-dev-deploy", lambda r: claims_of(r).update({"x:ref": ["refs/heads/main", "refs/heads/other"]})),
    ),
    (read_parameters_by_name, of_role("-prod-observer", may("ssm:Get*", "arn:aws:ssm:*:*:parameter/nova/prod/*"))),
    (describe_every_task_and_stack, of_role("-prod-observer", may("ecs:*", effect="Deny"))),
    (write_the_ledger_and_waivers, of_role("-prod-release", may("ssm:Put*", effect="Deny"))),
]


@pytest.mark.parametrize(("holds", "change"), REFUTED, ids=lambda each: each.__name__)
def test_templates_that_refute_the_page_are_noticed(
    github_assembly: Assembly, holds: Callable[[list[Template]], bool], change: Callable[[list[Template]], Any]
) -> None:
    templates = templates_of(github_assembly)
    change(templates)
    assert not holds(templates)
