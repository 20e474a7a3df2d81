"""What may be read of production before the approval: kinds, whose it is, and by which role."""

from typing import Any

import pytest

from nova_infra.checks.permissions.access.page import page
from nova_infra.checks.permissions.access.reading import DESCRIPTIONS, Production, Read, grouped, reads
from nova_infra.checks.permissions.statements import Statement
from nova_infra.checks.rule import Template

PROD, TOOLS, DEV = "333333333333", "444444444444", "111111111111"
PRODUCTION = Production(frozenset({PROD}), f"arn:aws:ecr:us-east-1:{TOOLS}:repository/nova/*")


def _statement(actions: list[str], resources: list[str], *, allows: bool = True, negated: bool = False) -> Statement:
    return Statement("Policy", allows, tuple(actions), negated, tuple(resources), False, False)


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("secretsmanager:GetSecretValue", "secrets"),
        ("SSM:getparametersbypath", "parameters"),
        ("ssm:GetParameterHistory", "parameters"),
        ("logs:FilterLogEvents", "logs"),
        ("logs:StartLiveTail", "logs"),
        ("dynamodb:Scan", "tables, queues, streams"),
        ("sqs:ReceiveMessage", "tables, queues, streams"),
        ("s3:GetObject", "buckets"),
        ("ecr:BatchGetImage", "images"),
        ("lambda:GetFunction", "code, variables"),
        ("ecs:DescribeTaskDefinition", "code, variables"),
        ("cloudformation:DescribeStacks", "code, variables"),
        ("cloudwatch:GetMetricData", DESCRIPTIONS),
    ],
)
def test_each_way_to_read_is_of_one_kind(action: str, kind: str) -> None:
    assert list(reads([_statement([action], ["*"])])) == [Read(kind, action, "*")]


@pytest.mark.parametrize("action", ["ssm:PutParameter", "ecs:StopTask", "s3:DeleteObject", "sts:AssumeRole"])
def test_what_changes_something_reads_nothing(action: str) -> None:
    assert not list(reads([_statement([action], ["*"])]))


@pytest.mark.parametrize("statement", [_statement(["*"], ["*"]), _statement(["iam:*"], ["*"], negated=True)])
def test_who_may_do_anything_may_read_every_kind(statement: Statement) -> None:
    assert list(grouped(reads([statement]))) == [
        *("secrets", "parameters", "logs", "tables, queues, streams", "buckets", "images", "code, variables"),
        DESCRIPTIONS,
    ]


def test_what_is_denied_is_not_read_but_on_the_rest_of_its_resources() -> None:
    held = [
        _statement(["s3:GetObject"], ["arn:aws:s3:::one/*", "arn:aws:s3:::two/*"]),
        _statement(["s3:*"], ["arn:aws:s3:::two/*"], allows=False),
    ]
    assert [each.resource for each in reads(held)] == ["arn:aws:s3:::one/*"]


@pytest.mark.parametrize(
    ("resource", "owner", "of_production"),
    [
        (f"arn:aws:ssm:us-east-1:{PROD}:parameter/nova/*", TOOLS, True),
        (f"arn:aws:ssm:us-east-1:{DEV}:parameter/nova/*", TOOLS, False),
        ("*", TOOLS, False),
        ("*", PROD, True),
        (f"arn:aws:ssm:us-east-1:{DEV}:parameter/nova/*", PROD, False),
        ("arn:aws:s3:::recordings/*", TOOLS, True),
        ("${Artifacts}/*", TOOLS, False),
        (f"arn:aws:s3:::cdk-hnb659fds-assets-{TOOLS}-us-east-1/registry/*", TOOLS, False),
        (f"arn:aws:s3:::cdk-hnb659fds-assets-{PROD}-us-east-1/*", TOOLS, True),
    ],
)
def test_production_has_what_names_its_account_or_its_own_roles_read(
    resource: str, owner: str, *, of_production: bool
) -> None:
    assert PRODUCTION.has(Read("buckets", "s3:GetObject", resource), owner=owner) is of_production


def test_productions_images_are_in_the_pipelines_account_and_early_ones_are_not_among_them() -> None:
    for name, found in (("nova/*", True), ("nova-early/*", False)):
        read = Read("images", "ecr:BatchGetImage", f"arn:aws:ecr:us-east-1:{TOOLS}:repository/{name}")
        assert PRODUCTION.has(read, owner=TOOLS) is found


def _observer(template: dict[str, Any]) -> dict[str, Any]:
    """The statements of production's observer."""
    return next(
        each["Properties"]["PolicyDocument"]
        for logical_id, each in template["Resources"].items()
        if each["Type"] == "AWS::IAM::Policy" and "Observer" in logical_id
    )


def _rows(pipeline: Template, environment: Template) -> list[str]:
    text = page([pipeline, environment], protected=["prod"], production=PRODUCTION)
    section = text.partition("## What may be read of production before the approval")[2].partition("\n## ")[0]
    return [row for row in section.splitlines() if row.startswith("| ")][1:]


@pytest.mark.exhaustive("test_a_step_reads_nothing_or_something")
def test_the_page_shows_what_a_step_reads_by_the_role_of_production_that_it_assumes(assembly: Any) -> None:
    pipeline = Template(assembly.template("NovaPipelineStack")["Resources"], TOOLS)
    environment = assembly.template("nova-prod-platform")
    before = _rows(pipeline, Template(environment["Resources"], PROD))
    brief = [row for row in before if row.startswith("| ApproveProduction: Brief | `nova-prod-observer` |")]
    assert [row.split(" | ")[2] for row in brief] == ["parameters", "images", "code, variables", DESCRIPTIONS]
    assert f"arn:aws:ssm:us-east-1:{PROD}:parameter/nova/prod/*" not in brief[0]
    assert "| Build: Synth | – | – | nothing |" in before

    # What the observer once was allowed besides, and what nobody has thought of yet.
    statements = _observer(environment)["Statement"]
    path = f"arn:aws:ssm:us-east-1:{PROD}:parameter/nova/prod/*"
    statements.append({"Effect": "Allow", "Action": "ssm:GetParametersByPath", "Resource": path})
    statements.append({"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": "*"})
    after = [
        row
        for row in _rows(pipeline, Template(environment["Resources"], PROD))
        if row.startswith("| ApproveProduction: Brief |")
    ]
    assert path in after[0]
    assert "lambda:GetFunction" in next(row for row in after if "| code, variables |" in row)


@pytest.mark.exhaustive("test_a_step_reads_nothing_or_something")
def test_a_role_of_production_that_no_template_has_is_named(assembly: Any) -> None:
    resources = assembly.template("NovaPipelineStack")["Resources"]
    lookup = f"arn:aws:iam::{PROD}:role/cdk-hnb659fds-lookup-role-{PROD}-us-east-1"
    [synth] = [each for name, each in resources.items() if "SynthCdkBuildProjectRoleDefaultPolicy" in name]
    synth["Properties"]["PolicyDocument"]["Statement"].append(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": lookup}
    )
    rows = _rows(Template(resources, TOOLS), Template({}, PROD))
    assert f"| Build: Synth | `{lookup}` | unknown | whatever that role may do: it is not in these templates |" in rows


@pytest.mark.parametrize("known", [True, False], ids=["what it may assume is known", "what it may assume is not known"])
def test_a_step_reads_nothing_or_something(assembly: Any, known: bool) -> None:
    pipeline = Template(assembly.template("NovaPipelineStack")["Resources"], TOOLS)
    environment = assembly.template("nova-prod-platform")["Resources"] if known else {}
    rows = [row.strip("| ").split(" | ") for row in _rows(pipeline, Template(environment, PROD))]
    nothing = [row[0] for row in rows if row[-1] == "nothing"]
    something = {row[0] for row in rows if row[-1] != "nothing"}
    assert ["ApproveProduction: Brief" in something, "Build: Synth" in nothing] == [True, True]
    assert something.isdisjoint(nothing)
