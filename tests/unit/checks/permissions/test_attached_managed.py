"""AWS's own policies count as what AWS has written into them; those that nobody has listed count as everything."""

import pytest

from helpers.scripts import load_script
from helpers.small_pipeline import allow, put, small_pipeline, with_function
from nova_infra.checks.permissions.attached import Attached
from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.rule import Template as Loaded

OF_AWS = "arn:aws:iam::aws:policy"


def held(managed: str) -> set[tuple[str, str]]:
    template = small_pipeline()
    put(template, "Role", "AWS::IAM::Role", ManagedPolicyArns=[managed])
    found = Attached(Loaded(template["Resources"])).statements("Role")
    return {(action, resource) for each in found for action in each.actions for resource in each.resources}


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("AmazonSSMManagedInstanceCore", {("ssm:getparameter", "*"), ("ssm:getparameters", "*")}),
        ("AWSXRayDaemonWriteAccess", set()),
        ("service-role/AWSLambdaBasicExecutionRole", set()),
        ("CloudWatchAgentServerPolicy", set()),
        ("AmazonTimestreamReadOnlyAccess", set()),
        ("AmazonDynamoDBReadOnlyAccess", {(f"dynamodb:{each}", "*") for each in ("batchgetitem", "getitem", "query")}),
        ("OfAServiceThatIsNewReadOnlyAccess", set()),
        ("AdministratorAccess", {("*", "*")}),
        ("AmazonECSInfrastructureRolePolicyForLoadBalancers", {("*", "*")}),
        ("OfAServiceThatIsNew", {("*", "*")}),
    ],
)
def test_a_policy_of_aws_counts_as_what_is_in_it(name: str, reads: set[tuple[str, str]]) -> None:
    assert held(f"{OF_AWS}/{name}") == reads


def test_a_policy_of_ones_own_by_such_a_name_counts_as_everything() -> None:
    assert held("arn:aws:iam::444444444444:policy/AWSXRayDaemonWriteAccess") == {("*", "*")}


def test_the_list_is_what_moto_knows_of_aws() -> None:
    module = load_script("managed_policies")
    assert module.LIST.read_text() == module.listed(), "run `python scripts/managed_policies.py`"
    changing = {"AdministratorAccess", "AmazonEC2FullAccess", "AWSCodeDeployRoleForECS", "IAMFullAccess"}
    assert {line.split()[0] for line in module.listed().splitlines()} & changing == set()


@pytest.mark.parametrize(
    ("condition", "is_way"),
    [
        ({"aws:PrincipalAccount": "555555555555"}, False),
        ({"aws:PrincipalArn": "arn:aws:iam::555555555555:role/x"}, False),
        ({"aws:PrincipalAccount": ["555555555555", "444444444444"]}, True),
        ({"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}, True),
        ({"aws:PrincipalArn": "arn:aws:iam::*:role/x"}, True),
        ({"aws:PrincipalTag/team": "555555555555"}, True),
    ],
    ids=str,
)
def test_everybody_of_another_account_is_no_step(condition: dict[str, object], is_way: bool) -> None:
    template = with_function()
    trust = allow("sts:AssumeRole", Principal={"AWS": "*"}, Condition={"StringLike": condition})
    template["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"] = trust
    assert any(production_out_of_reach(Loaded(template["Resources"], "444444444444"))) is is_way
    assert any(production_out_of_reach(Loaded(template["Resources"])))
