"""AWS's own policies count as what AWS has written into them; those that nobody has listed count as everything."""

import pytest

from helpers.scripts import load_script
from helpers.small_pipeline import allow, arn, grant, put, small_pipeline, with_function
from nova_infra.checks.permissions.attached import READS_BY_NAME, Attached, managed_policies
from nova_infra.checks.permissions.boundary import production_out_of_reach
from nova_infra.checks.permissions.protected import OF_ITSELF, READING
from nova_infra.checks.permissions.reach import Graph
from nova_infra.checks.permissions.statements import contains
from nova_infra.checks.rule import Template as Loaded
from nova_infra.checks.rule import as_list

OF_AWS = "arn:aws:iam::aws:policy"


def held(managed: str) -> set[tuple[str, str]]:
    template = small_pipeline()
    put(template, "Role", "AWS::IAM::Role", ManagedPolicyArns=[managed])
    found = Attached(Loaded(template["Resources"])).statements("Role")
    return {(action.lower(), resource) for each in found for action in each.actions for resource in each.resources}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("AmazonSSMManagedInstanceCore", {("ssm:getparameter", "*"), ("ssm:getparameters", "*")}),
        ("AWSXRayDaemonWriteAccess", {("xray:puttelemetryrecords", "*"), ("xray:puttracesegments", "*")}),
        ("service-role/AWSLambdaRole", {("lambda:invokefunction", "*")}),
        (
            "job-function/SecurityAudit",
            {(f"s3:getobject{each}", "*") for each in ("acl", "tagging", "versionacl")}
            | {("logs:getlogdelivery", "*")},
        ),
        ("AmazonSESFullAccess", {("ses:*", "*")}),
        (
            "CloudWatchLambdaInsightsExecutionRolePolicy",
            {("logs:createloggroup", "*"), ("logs:createlogstream", "*"), ("logs:putlogevents", "*")},
        ),
        (
            "AmazonAppFlowFullAccess",
            {
                ("appflow:*", "*"),
                ("kms:creategrant", "*"),
                ("secretsmanager:createsecret", "*"),
                ("secretsmanager:putresourcepolicy", "*"),
                ("s3:putbucketpolicy", "arn:aws:s3:::appflow-*"),
            },
        ),
        ("AmazonTimestreamReadOnlyAccess", set()),
        ("AmazonDynamoDBReadOnlyAccess", {(f"dynamodb:{each}", "*") for each in ("batchgetitem", "getitem", "query")}),
        ("OfAServiceThatIsNewReadOnlyAccess", set()),
        ("AdministratorAccess", {("*", "*")}),
        ("AmazonECSInfrastructureRolePolicyForLoadBalancers", {("elasticloadbalancing:*", "*")}),
        (
            "AWSCodeDeployRoleForCloudFormation",
            {("lambda:invokefunction", "arn:aws:lambda:*:*:function:CodeDeployHook_*")},
        ),
        ("OfAServiceThatIsNew", {("*", "*")}),
    ],
)
def test_a_policy_of_aws_counts_as_what_is_in_it(name: str, allowed: set[tuple[str, str]]) -> None:
    assert held(f"{OF_AWS}/{name}") == allowed


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"ManagedPolicyArns": [f"{OF_AWS}/OfAServiceThatIsNew"]},
            f", by what {OF_AWS}/OfAServiceThatIsNew allows, which is not known here",
        ),
        ({"ManagedPolicyArns": [f"{OF_AWS}/AdministratorAccess"]}, ""),
    ],
)
def test_what_is_only_guessed_is_said_to_be(more: dict[str, object], said: str) -> None:
    template = small_pipeline()
    template["Resources"]["TestRole"]["Properties"] |= more
    found = [each.detail for each in production_out_of_reach(Loaded(template["Resources"]))]
    assert f"Tests may sts:Assume* on *{said}: a role in production's account" in found


def test_a_policy_of_ones_own_by_such_a_name_counts_as_everything() -> None:
    assert held("arn:aws:iam::444444444444:policy/AWSXRayDaemonWriteAccess") == {("*", "*")}


@pytest.mark.exhaustive("test_a_policy_of_aws_counts_as_what_is_in_it")
def test_the_list_is_what_moto_knows_of_aws() -> None:
    module = load_script("managed_policies")
    assert module.LIST.read_text() == module.listed(), "run `python scripts/managed_policies.py`"
    assert {*managed_policies()} == {*module.policies()}


@pytest.mark.exhaustive("test_a_policy_of_aws_counts_as_what_is_in_it")
def test_nothing_that_changes_something_is_left_out_of_the_list() -> None:
    """Of each policy and each service: what AWS has written, what is listed is as much, but for what is of itself."""
    module = load_script("managed_policies")
    for name, document in module.policies().items():
        if READS_BY_NAME.fullmatch(name):
            continue
        listed = [action for actions, _ in managed_policies()[name] for action in actions]
        for statement in (each for each in as_list(document["Statement"]) if each["Effect"] == "Allow"):
            for action in map(str.lower, as_list(statement.get("Action", "*"))):
                left = (*READING, *OF_ITSELF)
                covered = any(contains(each.lower(), action) for each in (*listed, *left))
                assert covered, f"{name}: {action}"


@pytest.mark.parametrize(
    ("condition", "is_way"),
    [
        ({"aws:PrincipalAccount": "555555555555"}, False),
        ({"aws:PrincipalArn": "arn:aws:iam::555555555555:role/*"}, False),
        ({"aws:PrincipalAccount": ["555555555555", "444444444444"]}, True),
        ({"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}, True),
        ({"aws:PrincipalArn": "arn:aws:iam::*:role/*"}, True),
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


OTHER = "arn:aws:iam::444444444444:role/platform-admin"


@pytest.mark.parametrize(
    ("caller", "is_way"),
    [
        (OTHER, False),
        ([OTHER, "arn:aws:iam::444444444444:role/Nova*"], True),
        ("arn:aws:iam::*:role/*-*-1A2B3C4D5E6F", True),
    ],
    ids=str,
)
def test_what_a_condition_reserves_for_another_role_is_no_steps(caller: object, is_way: bool) -> None:
    """A permission of its own, being trusted, and assuming a role that its account's roles may assume."""
    only = {"Condition": {"ArnLike": {"aws:PrincipalArn": caller}}}
    own = with_function()
    grant(own, allow("codebuild:StartBuild", **only))
    trusted = with_function()
    trusted["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"] = allow(
        "sts:AssumeRole", Principal={"AWS": "*"}, **only
    )
    assuming = with_function()
    grant(assuming, allow("sts:AssumeRole", arn("Role")))
    assuming["Resources"]["Role"]["Properties"]["AssumeRolePolicyDocument"] = allow(
        "sts:AssumeRole", Principal={"AWS": "444444444444"}, **only
    )
    for template in (own, trusted, assuming):
        assert any(production_out_of_reach(Loaded(template["Resources"], "444444444444"))) is is_way


EARLIER = "222222222222"


@pytest.mark.parametrize("principal", [EARLIER, f"arn:aws:iam::{EARLIER}:root", f"arn:aws:iam::{EARLIER}:role/ci", "*"])
@pytest.mark.parametrize(
    ("condition", "is_way"),
    [
        ({"aws:PrincipalAccount": EARLIER}, True),
        ({"aws:PrincipalArn": f"arn:aws:iam::{EARLIER}:role/ci"}, True),
        ({"aws:PrincipalArn": {"Ref": "Ci"}}, True),
        ({"aws:PrincipalAccount": "666666666666"}, False),
        ({"aws:PrincipalArn": "arn:aws:iam::555555555555:role/ci"}, False),
    ],
    ids=str,
)
def test_whoever_is_of_an_earlier_account_meets_what_asks_for_it(
    principal: str, condition: dict[str, object], is_way: bool
) -> None:
    template = small_pipeline()
    trust = allow("sts:AssumeRole", Principal={"AWS": principal}, Condition={"StringLike": condition})
    template["Resources"]["PipelineRole"]["Properties"]["AssumeRolePolicyDocument"] = trust
    assert any(production_out_of_reach(Loaded(template["Resources"], "444444444444"))) is is_way


NAMED_BY_ANOTHER = {"RoleName": {"Fn::Sub": "${Queue.QueueName}-role"}}


@pytest.mark.parametrize(
    ("kind", "properties", "caller", "is_met"),
    [
        ("AWS::IAM::User", {}, "arn:aws:iam::444444444444:user/*", True),
        ("AWS::IAM::User", {}, "arn:aws:iam::444444444444:role/*", False),
        ("AWS::IAM::User", {"UserName": "ci"}, "arn:aws:iam::444444444444:user/ci", True),
        ("AWS::IAM::Role", {}, "arn:aws:iam::444444444444:user/*", False),
        ("AWS::IAM::Role", {}, arn("Held"), True),
        ("AWS::IAM::Role", {}, {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/${Held}"}, True),
        ("AWS::IAM::Role", {"RoleName": "own"}, {"Ref": "SomeParameter"}, True),
        ("AWS::IAM::Role", {"RoleName": "own"}, {"Fn::Sub": "arn:aws:iam::${SomeAccount}:role/own"}, True),
        ("AWS::IAM::Role", {"RoleName": "own"}, {"Fn::Sub": "arn:aws:iam::${SomeAccount}:role/other"}, False),
        ("AWS::IAM::Role", NAMED_BY_ANOTHER, "arn:aws:iam::444444444444:role/orders-role", True),
        ("AWS::IAM::Role", NAMED_BY_ANOTHER, "arn:aws:iam::444444444444:role/orders-user", False),
    ],
    ids=str,
)
def test_somebody_is_known_by_what_he_is_and_a_reference_may_be_anything(
    kind: str, properties: dict[str, object], caller: object, is_met: bool
) -> None:
    template = small_pipeline()
    put(template, "Queue", "AWS::SQS::Queue")
    put(template, "Held", kind, **properties)
    grant(template, allow("s3:*", Condition={"ArnLike": {"aws:PrincipalArn": caller}}), role="Held")
    assert bool(Attached(Loaded(template["Resources"], "444444444444")).statements("Held")) is is_met


def test_what_is_no_role_acts_by_one_of_any_name() -> None:
    """A stack within the stack has roles that this template does not show."""
    template = small_pipeline()
    put(template, "Nested", "AWS::CloudFormation::Stack")
    template["Resources"]["PipelineRole"]["Properties"]["AssumeRolePolicyDocument"] = allow(
        "sts:AssumeRole",
        Principal={"AWS": "444444444444"},
        Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::444444444444:role/ci"}},
    )
    assert "PipelineRole" in Graph(Loaded(template["Resources"], "444444444444")).ways("Nested")


@pytest.mark.parametrize(
    ("kind", "properties", "arn_of_account_1"),
    [
        ("AWS::IAM::User", {"UserName": "ci", "Path": "/robots/"}, "arn:aws:iam::1:user/robots/ci"),
        ("AWS::IAM::User", {}, "arn:aws:iam::1:user/${Held}"),
        ("AWS::IAM::Role", {"RoleName": "ci"}, "arn:aws:iam::1:role/ci"),
        ("AWS::IAM::Role", {}, "arn:aws:iam::1:role/${Held}"),
    ],
)
def test_policies_name_roles_and_users_by_their_own_kind_of_arn(
    kind: str, properties: dict[str, object], arn_of_account_1: str
) -> None:
    reference, arn_in_policies = Attached(Loaded({"Held": {"Type": kind, "Properties": properties}})).names("Held")
    assert (reference, arn_in_policies.replace("*", "1")) == ("${Held}", arn_of_account_1)
