"""The page of who can do what, from the templates of both engines."""

import json
from typing import Any

import pytest

from nova_infra.checks.permissions.access.holders import jobs, roles, steps, ways_around
from nova_infra.checks.permissions.access.page import page
from nova_infra.checks.permissions.access.reading import Production
from nova_infra.checks.rule import Template

PROD = "arn:aws:iam::333333333333:role"
PRODUCTION = Production(frozenset({"333333333333"}), "arn:aws:ecr:us-east-1:444444444444:repository/nova/*")


@pytest.fixture
def pipeline(assembly: Any) -> Template:
    return Template(assembly.template("NovaPipelineStack")["Resources"])


def test_what_runs_the_repository_before_the_approval_takes_nothing_of_production_but_its_observer(
    pipeline: Template,
) -> None:
    taken = {role for each in steps(pipeline) if each.runs_repository and not each.after for role in each.takes}
    assert {role for role in taken if "333333333333" in role} == {f"{PROD}/nova-prod-observer"}


def test_steps_are_in_the_pipelines_order_and_begin_after_the_approval_at_production(pipeline: Template) -> None:
    found = list(steps(pipeline))
    names = [each.name.partition(":")[0] for each in found]
    assert list(dict.fromkeys(names)) == [
        *("Build", "UpdatePipeline", "Images", "Dev", "Staging", "ApproveProduction", "Prod")
    ]
    assert {each.name.partition(":")[0] for each in found if each.after} == {"Prod"}
    assert {each.name for each in found if not each.runs_repository} == {
        "Build: Compare",
        "UpdatePipeline: SelfMutate",
    }


def test_a_role_that_a_step_can_take_counts_with_it_and_one_that_trusts_services_alone_does_not(assembly: Any) -> None:
    """The update may assume roles of its account: none of these takes anybody in but a service."""
    template = assembly.template("NovaPipelineStack")
    [role] = [
        each
        for name, each in template["Resources"].items()
        if name.startswith("PipelineRole") and "Role" in each["Type"]
    ]
    for trusted in (False, True):
        if trusted:
            root = {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::444444444444:root"},
                "Action": "sts:AssumeRole",
            }
            role["Properties"]["AssumeRolePolicyDocument"]["Statement"].append(root)
        [update] = [each for each in steps(Template(template["Resources"])) if each.name.startswith("UpdatePipeline")]
        assert any("deploy-role-333333333333" in each for each in update.takes) is trusted
        # Denied to the build, which that role can start, and not to the role itself.
        assert ("s3:DeleteObject*" in str(update.changes)) is trusted


def test_what_a_role_of_these_templates_does_not_let_in_cannot_assume_it(assembly: Any) -> None:
    template = assembly.template("NovaPipelineStack")
    text = json.dumps(template).replace("role/nova-prod-observer", "role/nova-prod-release")
    environment = Template(assembly.template("nova-prod-platform")["Resources"], "333333333333")
    pipeline = Template(json.loads(text)["Resources"], "444444444444")
    assert [
        each for each in steps(pipeline) if each.name.endswith("Brief") and f"{PROD}/nova-prod-release" in each.takes
    ]
    whole = page([pipeline, environment], protected=["prod"], production=PRODUCTION)
    [row] = [line for line in whole.splitlines() if line.startswith("| ApproveProduction: Brief | yes")]
    assert "nova-prod-release" not in row
    assert "| ApproveProduction: Brief | – | – | nothing |" in whole
    assert f"| Prod: Verify | yes | `{PROD}/nova-prod-release` |" in whole


def test_only_images_are_pushed_by_the_steps_of_images(pipeline: Template) -> None:
    pushing = [each for each in steps(pipeline) if "ecr:PutImage" in str(each.changes) and each.runs_repository]
    assert {each.name.partition(":")[0] for each in pushing} == {"Images"}


def test_what_is_denied_everywhere_is_not_shown(pipeline: Template) -> None:
    [synth] = [each for each in steps(pipeline) if each.name == "Build: Synth"]
    assert "s3:PutObject" in str(synth.changes)
    assert "s3:DeleteObject" not in str(synth.changes)


@pytest.mark.exhaustive("test_the_page_names_each_way_around_and_each_shared_account")
def test_a_job_of_githubs_is_after_the_approval_in_a_protected_environment_alone(github_assembly: Any) -> None:
    for protected in ("prod", "staging"):
        found = {
            each.name.rpartition(":")[2]: each
            for template in github_assembly.templates.values()
            for each in jobs(Template(template["Resources"]), protected=[protected])
        }
        assert {name for name, each in found.items() if each.after} == {protected}
        assert f"{PROD}/nova-prod-release" in found["prod"].takes


def _job_and_its_registry(repositories: str) -> dict[str, Any]:
    """A branch's role that passes CloudFormation another one, by which repositories are deployed."""
    subject = {"StringEquals": {"token.actions.githubusercontent.com:sub": f"repo:org/name:ref:{repositories}"}}
    passing = {"Action": "iam:PassRole", "Resource": {"Fn::GetAtt": ["Registry", "Arn"]}}
    setting = {
        "Action": "ecr:SetRepositoryPolicy",
        "Resource": f"arn:aws:ecr:us-east-1:444444444444:repository/{repositories}/*",
    }
    statements: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "Job": ({"Federated": "github"}, subject, passing),
        "Registry": ({"Service": "c"}, {}, setting),
    }
    return {
        name: {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:A", "Condition": when}]
                },
                "Policies": [{"PolicyDocument": {"Statement": [{"Effect": "Allow", **statement}]}}],
            },
        }
        for name, (principal, when, statement) in statements.items()
    }


def test_the_page_says_which_job_sets_the_policies_of_productions_repositories_by_the_role_that_it_passes() -> None:
    templates = [Template(_job_and_its_registry(each), "444444444444") for each in ("nova", "nova-early")]
    _, _, ways = page(templates, protected=["prod"], production=PRODUCTION).partition("## Ways around the approval")
    [line] = [line for line in ways.splitlines() if "may set the policies of production's repositories" in line]
    assert "`repo:org/name:ref:nova`" in line


def test_the_roles_of_an_environment_name_who_takes_them_and_what_they_change(assembly: Any) -> None:
    found = {each.name: each for each in roles(Template(assembly.template("nova-prod-platform")["Resources"]))}
    assert found["nova-prod-observer"].changes == ()
    assert "arn:aws:iam::444444444444:role/nova-prod-brief-step" in found["nova-prod-observer"].takers
    assert "arn:aws:iam::444444444444:role/nova-prod-brief-step" not in found["nova-prod-release"].takers
    assert "ssm:PutParameter" in str(found["nova-prod-release"].changes)


def test_the_page_names_each_way_around_and_each_shared_account(assembly: Any) -> None:
    template = assembly.template("NovaPipelineStack")
    [action] = [
        each
        for stage in next(r for r in template["Resources"].values() if r["Type"] == "AWS::CodePipeline::Pipeline")[
            "Properties"
        ]["Stages"]
        for each in stage["Actions"]
        if each["Name"] == "E2ETests"
    ]
    project = template["Resources"][action["Configuration"]["ProjectName"]["Ref"]]["Properties"]
    template["Resources"]["Added"] = {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyDocument": {
                "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"{PROD}/deployer|x"}
            },
            "Roles": [{"Ref": project["ServiceRole"]["Fn::GetAtt"][0]}],
        },
    }
    changed = Template(template["Resources"])
    assert len(ways_around(changed)) == 1
    text = page([changed], protected=["prod"], production=PRODUCTION, shared=[("prod", "only one | account")])
    before, _, after = text.partition("## After the approval")
    assert f"{PROD}/deployer\\|x" in before
    assert f"{PROD}/deployer" not in after.partition("## Ways around")[0]
    assert "E2ETests may sts:AssumeRole" in after
    assert "- prod shares its account with what needs no approval: only one \\| account" in after


@pytest.mark.exhaustive("test_the_page_names_each_way_around_and_each_shared_account")
def test_the_page_of_the_pipeline_as_it_is_names_no_way_around_but_its_own_update(pipeline: Template) -> None:
    _, _, ways = page([pipeline], protected=["prod"], production=PRODUCTION).partition(
        "## Ways around the approval\n\n"
    )
    assert ways.startswith("NOVA-P06 found no way")
    assert [line[:17] for line in ways.splitlines() if line.startswith("- ")] == ["- UpdatePipeline "]
