"""The roles by which GitHub Actions delivers: who takes them, and what they may do."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from helpers.assembly import Assembly
from nova_infra.config import Config, GitHubIds, parse_config
from nova_infra.github import github_accounts, outputs
from nova_infra.names import deploy_role_name, image_role_name

Role = tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]
"""Its trust, its policy's statements and its properties."""
Roles = Callable[[Config, str], tuple[dict[str, Role], dict[str, Any]]]

ROOT = Path(__file__).parents[2]
PIPELINE = "NovaPipelineStack"
ISSUER = "token.actions.githubusercontent.com"


@pytest.fixture(scope="module")
def roles(app: ModuleType) -> Roles:
    """roles(config, account) -> each role's name in the account's stack to its trust, its policy's statements and its
    properties; and the whole template."""
    import aws_cdk as cdk
    from aws_cdk.assertions import Template

    from nova_infra.stacks.github import GitHubStack

    def run(config: Config, account: str) -> tuple[dict[str, Role], dict[str, Any]]:
        parent = cdk.App(analytics_reporting=False, context=json.loads((ROOT / "cdk.json").read_text())["context"])
        stack = GitHubStack(parent, "Stack", account=account, config=config)
        template = Template.from_stack(stack).to_json()
        resources = template["Resources"]
        found = {}
        for logical_id, resource in resources.items():
            if resource["Type"] == "AWS::IAM::Role" and "RoleName" in resource["Properties"]:
                [policy] = [
                    each["Properties"]["PolicyDocument"]["Statement"]
                    for each in resources.values()
                    if each["Type"] == "AWS::IAM::Policy" and each["Properties"]["Roles"] == [{"Ref": logical_id}]
                ]
                [trust] = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
                found[resource["Properties"]["RoleName"]] = (trust, policy, resource["Properties"])
        return found, template

    return run


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_an_environments_role_is_taken_by_jobs_of_its_own_github_environment_alone(
    roles: Roles, github_config: Config, name: str
) -> None:
    environment = github_config.environment(name)
    found, _ = roles(github_config, environment.account)
    [(role, (trust, statements, _))] = found.items()
    assert role == deploy_role_name(f"nova-{name}") == f"nova-{name}-deploy"
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    branches = ["refs/heads/main", *(["refs/heads/develop"] if name == "dev" else [])]
    assert trust["Condition"] == {
        "StringEquals": {
            f"{ISSUER}:aud": "sts.amazonaws.com",
            f"{ISSUER}:sub": [f"repo:org/nova-platform:environment:{name}"],
            # The early branch reaches the first environment, and no further.
            f"{ISSUER}:ref": branches,
            f"{ISSUER}:job_workflow_ref": [
                f"org/nova-platform/.github/workflows/{workflow}.yml@{branch}"
                for workflow in ("deploy", "rollback")
                for branch in branches
            ],
        }
    }
    own = f"arn:aws:iam::{environment.account}:role/"
    assert statements == [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Resource": [
                *(
                    f"{own}cdk-hnb659fds-{part}-role-{environment.account}-us-east-1"
                    for part in ("deploy", "file-publishing", "lookup")
                ),
                f"{own}nova-{name}-observer",
                f"{own}nova-{name}-release",
            ],
        }
    ]


def test_images_are_published_from_the_delivered_branches_to_the_projects_repositories_alone(
    roles: Roles, github_config: Config
) -> None:
    found, _ = roles(github_config, "444444444444")
    assert set(found) == {
        *("nova-image-builder", "nova-registry", "nova-registry-deploy"),
        *("nova-early-image-builder", "nova-early-registry"),
    }
    assert image_role_name("nova") == "nova-image-builder"
    ours = "arn:aws:ecr:us-east-1:444444444444:repository/nova/*"
    early = "arn:aws:ecr:us-east-1:444444444444:repository/nova-early/*"
    for role, branch, pushed in (
        ("nova-image-builder", "main", {ours, early}),
        ("nova-early-image-builder", "develop", {early}),
    ):
        trust, statements, _ = found[role]
        claims = trust["Condition"]["StringEquals"]
        assert claims[f"{ISSUER}:sub"] == [f"repo:org/nova-platform:ref:refs/heads/{branch}"]
        assert claims[f"{ISSUER}:ref"] == [f"refs/heads/{branch}"]
        # No rollback builds images.
        assert claims[f"{ISSUER}:job_workflow_ref"] == [
            f"org/nova-platform/.github/workflows/deploy.yml@refs/heads/{branch}"
        ]
        pushing = [each for each in statements if "ecr:PutImage" in as_set(each["Action"])]
        assert {arn for each in pushing for arn in as_set(each["Resource"])} == pushed
        actions = {action for each in statements for action in as_set(each["Action"])}
        assert not {action for action in actions if action.startswith("ecr:Delete") or action.endswith("*")}
        assert ("signer:SignPayload" in actions) == (branch == "main")


def test_what_becomes_known_of_released_images_later_reaches_somebody_by_either_engine(
    roles: Roles, github_config: Config, assembly: Assembly
) -> None:
    def resources(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
        return {key: each["Properties"] for key, each in template["Resources"].items() if each["Type"] == kind}

    _, template = roles(github_config, "444444444444")
    [rule] = resources(template, "AWS::Events::Rule").values()
    assert rule["EventPattern"] in [each["EventPattern"] for each in assembly.properties(PIPELINE, "AWS::Events::Rule")]
    [topic] = resources(template, "AWS::SNS::Topic")
    assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": topic}]
    [subscription] = resources(template, "AWS::SNS::Subscription").values()
    assert (subscription["TopicArn"], subscription["Endpoint"]) == ({"Ref": topic}, "platform@example.com")
    [policy] = resources(template, "AWS::SNS::TopicPolicy").values()
    allowed = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    # EventBridge reaches no topic whose policy has a condition:
    # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
    assert [(each["Principal"], each.get("Condition")) for each in allowed] == [
        ({"Service": "events.amazonaws.com"}, None)
    ]
    [key] = resources(template, "AWS::KMS::Key").values()
    assert {"Service": "events.amazonaws.com"} in [each["Principal"] for each in key["KeyPolicy"]["Statement"]]
    _, other = roles(github_config, "333333333333")
    assert resources(other, "AWS::SNS::Topic") == {}


def test_the_early_branch_deploys_no_repository_that_production_pulls_from(roles: Roles, github_config: Config) -> None:
    found, template = roles(github_config, "444444444444")
    _, job, _ = found["nova-early-image-builder"]
    [passed] = [each["Resource"] for each in job if "iam:PassRole" in as_set(each["Action"])]
    name = template["Resources"][passed["Fn::GetAtt"][0]]["Properties"]["RoleName"]
    assert name == "nova-early-registry"
    stacks = {each["Resource"] for each in job if "cloudformation:" in str(each["Action"])}
    assert stacks == {"arn:aws:cloudformation:us-east-1:444444444444:stack/NovaEarlyRegistryStack/*"}
    stored = {each["Resource"] for each in job if "s3:PutObject" in as_set(each["Action"])}
    assert {each.rpartition(":::")[2] for each in stored} == {
        "cdk-hnb659fds-assets-444444444444-us-east-1/early-registry/*"
    }
    _, statements, _ = found["nova-early-registry"]
    touched = {each["Resource"] for each in statements if "ecr:" in str(each["Action"])}
    assert touched == {"arn:aws:ecr:us-east-1:444444444444:repository/nova-early/*"}


@pytest.mark.exhaustive("test_images_are_published_from_the_delivered_branches_to_the_projects_repositories_alone")
def test_an_approved_job_deploys_the_registry_by_a_role_that_only_makes_repositories(
    roles: Roles, github_config: Config, github_assembly: Assembly
) -> None:
    """CDK's own deploy role may deploy anything to the account: it would lead to production's where they share one."""
    found, template = roles(github_config, "444444444444")
    (taken, job, _), (trust, statements, _) = found["nova-registry-deploy"], found["nova-registry"]
    assert "cdk-hnb659fds-deploy-role" not in json.dumps(template)
    assert taken["Condition"]["StringEquals"] == {
        f"{ISSUER}:aud": "sts.amazonaws.com",
        f"{ISSUER}:sub": ["repo:org/nova-platform:environment:registry"],
        f"{ISSUER}:ref": ["refs/heads/main"],
        f"{ISSUER}:job_workflow_ref": ["org/nova-platform/.github/workflows/deploy.yml@refs/heads/main"],
    }
    assert trust["Principal"] == {"Service": "cloudformation.amazonaws.com"}
    written = {action for statement in statements for action in as_set(statement["Action"])}
    # CloudFormation's handler calls these when it creates a repository, and when it changes one in any way.
    assert {"ecr:CreateRepository", "ecr:SetRepositoryPolicy", "ecr:PutLifecyclePolicy"} <= written
    assert {"ecr:PutImageTagMutability", "ecr:PutImageScanningConfiguration", "ecr:TagResource"} <= written
    assert not written & {"ecr:DeleteRepository", "ecr:BatchDeleteImage"}
    [change] = [each for each in job if "cloudformation:CreateChangeSet" in as_set(each["Action"])]
    [execute] = [each for each in job if "cloudformation:ExecuteChangeSet" in as_set(each["Action"])]
    stack = "arn:aws:cloudformation:us-east-1:444444444444:stack/NovaRegistryStack/*"
    assert change["Resource"] == execute["Resource"] == stack
    # The condition is not met where no role is named: then the role of the stack's last deployment would act.
    [(logical_id, _)] = [
        (k, v) for k, v in template["Resources"].items() if k.startswith("RegistryRole") and "Policy" not in k
    ]
    registry = {"Fn::GetAtt": [logical_id, "Arn"]}
    assert change["Condition"] == {"StringEquals": {"cloudformation:RoleArn": registry}}
    assert [each["Resource"] for each in job if "iam:PassRole" in as_set(each["Action"])] == [registry]
    assert github_assembly.order["NovaRegistryStack"] == {"nova-github-actions"}


@pytest.mark.exhaustive("test_images_are_published_from_the_delivered_branches_to_the_projects_repositories_alone")
def test_what_a_failed_deployment_of_the_registry_has_made_its_role_may_remove_or_it_stays(
    roles: Roles, github_config: Config, github_assembly: Assembly
) -> None:
    """CloudFormation could not undo it otherwise, and every later deployment would be refused."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

    _, statements, _ = roles(github_config, "444444444444")[0]["nova-registry"]
    allowed = {action for statement in statements for action in as_set(statement["Action"])}
    removed = set()
    for stack in ("NovaRegistryStack", "NovaEarlyRegistryStack"):
        for resource in github_assembly.template(stack)["Resources"].values():
            if resource["Type"].startswith("AWS::") and resource.get("DeletionPolicy", "Delete") != "Retain":
                removed.add(resource["Type"])
    assert removed == {"AWS::ECR::SigningConfiguration"}
    [kind] = removed
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    assert set(schema["handlers"]["delete"]["permissions"]) <= allowed


def test_before_the_approval_the_registry_is_only_looked_at(roles: Roles, github_config: Config) -> None:
    found, _ = roles(github_config, "444444444444")
    for name in ("nova-image-builder", "nova-early-image-builder"):
        _, job, _ = found[name]
        seen = [each for each in job if "NovaRegistryStack" in str(each["Resource"])]
        assert [each["Action"] for each in seen] == (
            [["cloudformation:DescribeStacks", "cloudformation:GetTemplate"]] if name == "nova-image-builder" else []
        )


def as_set(value: Any) -> set[str]:
    return {value} if isinstance(value, str) else set(value)


def test_a_repository_with_immutable_subjects_is_known_by_its_numbers_as_well(
    roles: Roles, github_config: Config
) -> None:
    delivery = github_config.delivery.model_copy(update={"github_ids": GitHubIds(owner=12, repository=345)})
    config = github_config.model_copy(update={"delivery": delivery})
    [(trust, _, _)] = roles(config, "333333333333")[0].values()
    assert trust["Condition"]["StringEquals"][f"{ISSUER}:sub"] == ["repo:org@12/nova-platform@345:environment:prod"]
    assert trust["Condition"]["StringEquals"][f"{ISSUER}:repository_id"] == "345"


@pytest.fixture
def shared_account(variant_raw: dict[str, Any]) -> dict[str, Any]:
    """Two environments in the toolchain's own account."""
    del variant_raw["environments"][1]["window"], variant_raw["source"]["token_secret"]
    return {**variant_raw, "delivery": {"engine": "github-actions"}}


def test_environments_that_share_an_account_share_its_one_identity_provider(
    roles: Roles, shared_account: dict[str, Any]
) -> None:
    config = parse_config(shared_account)
    assert github_accounts(config) == ["444444444444"]
    found, template = roles(config, "444444444444")
    assert set(found) == {
        *("acme-test-eu-deploy", "acme-live-deploy"),
        *("acme-image-builder", "acme-registry-deploy", "acme-registry"),
    }
    kinds = [resource["Type"] for resource in template["Resources"].values()]
    assert kinds.count("AWS::IAM::OIDCProvider") == 1
    del found["acme-registry"]
    subjects = [trust["Condition"]["StringEquals"][f"{ISSUER}:sub"] for trust, _, _ in found.values()]
    assert sorted(subjects) == [
        ["repo:acme/platform:environment:live"],
        ["repo:acme/platform:environment:registry"],
        ["repo:acme/platform:environment:test-eu"],
        ["repo:acme/platform:ref:refs/heads/main"],
    ]


def test_an_identity_provider_that_is_there_already_is_used(roles: Roles, shared_account: dict[str, Any]) -> None:
    shared_account["delivery"]["existing_oidc_providers"] = ["444444444444"]
    config = parse_config(shared_account)
    found, template = roles(config, "444444444444")
    assert "AWS::IAM::OIDCProvider" not in {resource["Type"] for resource in template["Resources"].values()}
    del found["acme-registry"]
    for trust, _, _ in found.values():
        assert trust["Principal"]["Federated"] == f"arn:aws:iam::444444444444:oidc-provider/{ISSUER}"


def test_the_way_in_from_github_is_protected_from_deletion_and_its_provider_serves_aws_alone(
    github_assembly: Assembly,
) -> None:
    stacks = {name for name in github_assembly.texts if name.startswith("nova-github-actions")}
    assert stacks <= github_assembly.protected
    for stack in stacks:
        provider = github_assembly.only(stack, "AWS::IAM::OIDCProvider")
        assert (provider["Url"], provider["ClientIdList"]) == (f"https://{ISSUER}", ["sts.amazonaws.com"])


def test_no_subject_has_a_wildcard(github_assembly: Assembly) -> None:
    stacks = [name for name in github_assembly.texts if name.startswith("nova-github-actions")]
    assert len(stacks) == 4
    for stack in stacks:
        assert '"*' not in str(github_assembly.properties(stack, "AWS::IAM::Role"))
        assert "StringLike" not in github_assembly.texts[stack]


def test_credentials_outlast_the_bakes_and_no_longer_than_the_role_allows(roles: Roles, github_config: Config) -> None:
    for environment in github_config.environments:
        _, _, properties = next(iter(roles(github_config, environment.account)[0].values()))
        seconds = int(outputs(github_config, environment.name)["session-seconds"])
        assert properties["MaxSessionDuration"] == seconds
        assert environment.rollout.minutes() * 60 + 3600 <= seconds <= 12 * 3600


def test_a_job_gets_the_roles_that_the_stacks_create(roles: Roles, github_config: Config) -> None:
    for environment in (None, "dev", "staging", "prod", "registry"):
        arn = outputs(github_config, environment)["role"]
        account, _, name = arn.removeprefix("arn:aws:iam::").partition(":role/")
        assert name in roles(github_config, account)[0]
    assert outputs(github_config, branch="develop")["role"].endswith(":role/nova-early-image-builder")
    assert outputs(github_config, branch="main") == outputs(github_config)
