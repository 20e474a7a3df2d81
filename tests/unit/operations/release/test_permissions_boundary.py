"""The boundary of what the toolchain makes: asked as IAM would be, of a role that may do everything."""

from fnmatch import fnmatchcase
from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.config import Config, Toolchain
from nova_infra.errors import ConfigError, RefusedError
from nova_infra.operations.release.permissions_boundary import boundary_document, bounded

OWN, PROD = "arn:aws:iam::444444444444", "arn:aws:iam::333333333333"
BOUNDARY = f"{OWN}:policy/nova-boundary"
PIPELINE = f"{OWN}:role/NovaPipelineStack-PipelineRoleB27FAA37-1A2B3C"
IMAGES = f"{OWN}:role/NovaPipelineStack-PipelineImagesx8664Role-1A2B3C"
TESTS = f"{OWN}:role/NovaPipelineStack-PipelineStagingE2ETestsRole-1A2B3C"
EXECUTION = f"{OWN}:role/cdk-hnb659fds-cfn-exec-role-444444444444-us-east-1"
DEPLOY = f"{PROD}:role/cdk-hnb659fds-deploy-role-333333333333-us-east-1"
IMAGE = "arn:aws:ecr:us-east-1:444444444444:repository/nova/shop"


@pytest.fixture
def bounding(config: Config) -> Config:
    toolchain = config.toolchain.model_copy(update={"permissions_boundary": True})
    return config.model_copy(update={"toolchain": toolchain})


def allowed(document: dict[str, Any], principal: str, action: str, resource: str, **keys: str) -> bool:
    """Whether the boundary leaves a principal an action, by the operators that it uses."""
    context = {"aws:PrincipalArn": principal, **keys}
    effects = set()
    for statement in document["Statement"]:
        meant = any(fnmatchcase(action.lower(), each.lower()) for each in as_list(statement["Action"]))
        meant &= any(fnmatchcase(resource, each) for each in as_list(statement["Resource"]))
        for operator, wanted in statement.get("Condition", {}).items():
            assert operator in ("ArnNotLike", "StringNotEquals")
            for key, values in wanted.items():
                meant &= not any(fnmatchcase(context.get(key, ""), each) for each in as_list(values))
        if meant:
            effects.add(statement["Effect"])
    return effects == {"Allow"}


def as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    ("principal", "action", "resource"),
    [
        (PIPELINE, "sts:AssumeRole", DEPLOY),
        (f"{OWN}:role/nova-prod-verify-step", "sts:AssumeRole", f"{PROD}:role/nova-prod-release"),
        (f"{OWN}:role/nova-prod-brief-step", "sts:AssumeRole", f"{PROD}:role/nova-prod-observer"),
        (IMAGES, "ecr:PutImage", IMAGE),
        (IMAGES, "signer:SignPayload", "arn:aws:signer:us-east-1:444444444444:/signing-profiles/nova"),
        (TESTS, "logs:PutLogEvents", "arn:aws:logs:us-east-1:444444444444:log-group:x"),
        (TESTS, "sts:AssumeRole", "arn:aws:iam::999999999999:role/reports"),
        (EXECUTION, "codepipeline:UpdatePipeline", "arn:aws:codepipeline:us-east-1:444444444444:nova-platform"),
        (EXECUTION, "ecr:CreateRepository", IMAGE),
        (EXECUTION, "iam:UpdateAssumeRolePolicy", TESTS),
    ],
)
def test_what_the_pipeline_does_is_left_to_it(bounding: Config, principal: str, action: str, resource: str) -> None:
    assert allowed(boundary_document(bounding), principal, action, resource)


@pytest.mark.parametrize(
    ("principal", "action", "resource"),
    one_of_each(
        [
            (TESTS, "sts:AssumeRole", DEPLOY),
            (TESTS, "sts:AssumeRole", f"{PROD}:role/nova-prod-release"),
            (TESTS, "sts:AssumeRoleWithSAML", f"{PROD}:role/administrator"),
            (IMAGES, "sts:AssumeRole", f"{PROD}:role/nova-prod-observer"),
            (EXECUTION, "sts:AssumeRole", DEPLOY),
            (f"{OWN}:role/nova-prod-verify-step", "sts:AssumeRole", DEPLOY),
            (f"{OWN}:role/other-prod-verify-step", "sts:AssumeRole", f"{PROD}:role/nova-prod-release"),
            (
                PIPELINE,
                "codepipeline:PutApprovalResult",
                "arn:aws:codepipeline:us-east-1:444444444444:nova-platform/A/B",
            ),
            (TESTS, "codepipeline:OverrideStageCondition", "arn:aws:codepipeline:us-east-1:444444444444:nova-platform"),
            (TESTS, "ecr:PutImage", IMAGE),
            (TESTS, "signer:SignPayload", "arn:aws:signer:us-east-1:444444444444:/signing-profiles/nova"),
            (IMAGES, "ecr:BatchDeleteImage", IMAGE),
            (PIPELINE, "ssm:PutParameter", "arn:aws:ssm:us-east-1:333333333333:parameter/nova/prod/release"),
            (EXECUTION, "iam:CreateUser", f"{OWN}:user/x"),
            (EXECUTION, "iam:CreateAccessKey", f"{OWN}:user/x"),
            (EXECUTION, "iam:DeleteRolePermissionsBoundary", TESTS),
            (EXECUTION, "iam:CreatePolicyVersion", BOUNDARY),
            (EXECUTION, "iam:SetDefaultPolicyVersion", BOUNDARY),
            (EXECUTION, "iam:DeleteRole", EXECUTION),
            (EXECUTION, "iam:PassRole", EXECUTION),
            (
                EXECUTION,
                "cloudformation:UpdateStack",
                "arn:aws:cloudformation:us-east-1:444444444444:stack/CDKToolkit/1",
            ),
        ]
    ),
)
def test_what_reaches_production_is_denied_whatever_a_template_allows(
    bounding: Config, principal: str, action: str, resource: str
) -> None:
    assert not allowed(boundary_document(bounding), principal, action, resource)


@pytest.mark.parametrize("action", ["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"])
def test_a_role_is_made_and_widened_with_this_boundary_alone(bounding: Config, action: str) -> None:
    document = boundary_document(bounding)
    assert allowed(document, EXECUTION, action, TESTS, **{"iam:PermissionsBoundary": BOUNDARY})
    assert not allowed(document, EXECUTION, action, TESTS, **{"iam:PermissionsBoundary": f"{OWN}:policy/other"})
    assert not allowed(document, EXECUTION, action, TESTS)


def test_the_bootstrap_holds_the_boundary_and_cloudformation_has_it(bounding: Config) -> None:
    given = {"Resources": {"CloudFormationExecutionRole": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "x"}}}}
    found = bounded(given, bounding)["Resources"]
    properties = found["NovaPermissionsBoundary"]["Properties"]
    assert properties["ManagedPolicyName"] == "nova-boundary"
    assert properties["PolicyDocument"] == boundary_document(bounding)
    role = {"RoleName": "x", "PermissionsBoundary": {"Ref": "NovaPermissionsBoundary"}}
    assert found["CloudFormationExecutionRole"]["Properties"] == role
    assert given["Resources"]["CloudFormationExecutionRole"]["Properties"] == {"RoleName": "x"}


def test_a_template_without_that_role_is_refused(bounding: Config) -> None:
    with pytest.raises(RefusedError, match=r"has no CloudFormationExecutionRole: use the CDK CLI of package\.json"):
        bounded({"Resources": {}}, bounding)


def test_without_the_key_there_is_no_boundary_to_bootstrap(config: Config) -> None:
    with pytest.raises(ConfigError, match=r"toolchain\.permissions_boundary: is not set"):
        bounded({"Resources": {}}, config)


def test_a_boundary_over_iams_limit_is_refused(bounding: Config) -> None:
    last = bounding.environments[-1]
    many = tuple(
        last.model_copy(update={"name": f"environment-{number}", "account": f"{number:012}"}) for number in range(70)
    )
    with pytest.raises(RefusedError, match=r"permissions boundary: has 1\d,\d{3} characters, but IAM allows 6,144"):
        boundary_document(bounding.model_copy(update={"environments": many}))


def test_partitions_are_those_of_the_region(bounding: Config) -> None:
    toolchain = Toolchain(account="444444444444", region="cn-north-1", permissions_boundary=True)
    document = boundary_document(bounding.model_copy(update={"toolchain": toolchain}))
    assert "arn:aws:" not in str(document)
    assert "arn:aws-cn:iam::444444444444:policy/nova-boundary" in str(document)
