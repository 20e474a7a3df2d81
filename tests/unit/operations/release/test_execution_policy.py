"""What CloudFormation may do, drawn from an assembly: enough for its templates, and nothing of the bootstrap."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from nova_infra.assembly import Assembly
from nova_infra.errors import RefusedError
from nova_infra.operations.release.execution_policy import MAX_CHARACTERS, NEVER, REGIONAL, execution_policy

PROD = "333333333333"


@pytest.fixture(scope="module")
def written(assembly: Any, github_assembly: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The assemblies of both engines: a manifest over their templates."""
    accounts = {"nova-dev": "111111111111", "nova-staging": "222222222222", "nova-prod": PROD}
    made = {}
    for name, each in (("codepipeline", assembly), ("github", github_assembly)):
        directory = tmp_path_factory.mktemp(name)
        artifacts = {}
        for stack, template in each.templates.items():
            (directory / f"{stack}.json").write_text(json.dumps(template))
            account = next((a for prefix, a in accounts.items() if stack.startswith(f"{prefix}-")), "444444444444")
            artifacts[stack] = {
                "type": "aws:cloudformation:stack",
                "environment": f"aws://{account}/us-east-1",
                "properties": {"templateFile": f"{stack}.json", "stackName": stack},
            }
        (directory / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}))
        made[name] = directory
    return made


def allowed(policy: dict[str, Any], action: str, resource: str) -> bool:
    def listed(value: Any) -> list[str]:
        return [value] if isinstance(value, str) else list(value)

    def matches(statement: dict[str, Any]) -> bool:
        actions = listed(statement.get("Action", statement.get("NotAction")))
        named = any(fnmatchcase(action, each) for each in actions) is ("Action" in statement)
        return named and any(fnmatchcase(resource, each) for each in listed(statement["Resource"]))

    found = [each["Effect"] for each in policy["Statement"] if matches(each)]
    return "Allow" in found and "Deny" not in found


@pytest.mark.parametrize("engine", ["codepipeline", "github"])
@pytest.mark.parametrize("account", ["111111111111", "222222222222", PROD, "444444444444"])
def test_every_resource_can_be_made_and_the_policy_is_one_that_iam_takes(
    written: dict[str, Path], engine: str, account: str
) -> None:
    assembly = Assembly(written[engine])
    policy = execution_policy(assembly, account, platform="nova")
    assert len(json.dumps(policy, separators=(",", ":"))) <= MAX_CHARACTERS
    for stack in assembly.stacks():
        if stack.account != account:
            continue
        for logical_id, resource in assembly.template(stack.template_path)["Resources"].items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::IAM::Role":
                name = properties.get("RoleName", f"{stack.name}-{logical_id}-1A2B3C"[:64])
                assert allowed(policy, "iam:CreateRole", f"arn:aws:iam::{account}:role/{name}"), name
                assert allowed(policy, "iam:PassRole", f"arn:aws:iam::{account}:role/{name}")
    assert not allowed(policy, "iam:CreateUser", f"arn:aws:iam::{account}:user/x")
    assert not allowed(policy, "organizations:LeaveOrganization", "*")


# What handlers of CloudFormation may call for features that no template of Nova uses.
NOT_USED = (
    *("amplify", "apigateway", "apprunner", "appsync", "bedrock-agentcore", "cognito-idp", "payments"),  # web ACLs
    *("acm-pca", "autoscaling", "elasticfilesystem", "firehose", "s3files", "s3tables", "vpc-lattice", "vpce"),
)
NO_SUCH_USE = {
    *("lambda:DeleteProvisionedConcurrencyConfig", "lambda:GetProvisionedConcurrencyConfig"),
    *("lambda:PutProvisionedConcurrencyConfig", "iam:DescribeOrganization"),
    *(f"iam:{verb}{of}Policy" for verb in ("Delete", "Get", "Put") for of in ("Group", "User")),
}


@pytest.mark.exhaustive("test_every_resource_can_be_made_and_the_policy_is_one_that_iam_takes")
@pytest.mark.parametrize("engine", ["codepipeline", "github"])
@pytest.mark.parametrize("account", ["222222222222", PROD, "444444444444"])
def test_what_cloudformations_handlers_call_is_allowed(written: dict[str, Path], engine: str, account: str) -> None:
    """Each resource type's own schema says which permissions its handlers need; cfn-lint ships the schemas."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

    assembly = Assembly(written[engine])
    policy = execution_policy(assembly, account, platform="nova")
    granted = [
        action.lower()
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    ]
    templates = [assembly.template(stack.template_path) for stack in assembly.stacks() if stack.account == account]
    types = {resource["Type"] for template in templates for resource in template["Resources"].values()}
    attaches = any("ManagedPolicyArns" in json.dumps(template) for template in templates)
    with_keys = "AWS::KMS::Key" in types or any('"EncryptionType": "KMS"' in json.dumps(each) for each in templates)
    lacking = set()
    for kind in sorted(each for each in types if each.startswith("AWS::") and each != "AWS::CDK::Metadata"):
        handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema.get("handlers", {})
        needed = {
            each
            for name in ("create", "read", "update", "delete")
            for each in handlers.get(name, {}).get("permissions", ())
        }
        lacking |= {(kind, each) for each in needed if not any(fnmatchcase(each.lower(), one) for one in granted)}
    missing = {
        (kind, action)
        for kind, action in lacking
        if action.partition(":")[0] not in NOT_USED
        and action not in NO_SUCH_USE
        and (with_keys or not action.startswith("kms:"))
        and (attaches or action not in ("iam:AttachRolePolicy", "iam:DetachRolePolicy"))
    }
    assert missing == set()


@pytest.mark.exhaustive("test_what_reads_data_or_runs_something_is_denied")
def test_no_handler_of_a_known_service_calls_what_is_denied() -> None:
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

    needed = {
        permission
        for kind in PROVIDER_SCHEMA_MANAGER.get_resource_types("us-east-1")
        if kind.split("::")[1] in REGIONAL
        for handler in PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind)
        .schema.get("handlers", {})
        .values()
        for permission in handler.get("permissions", ())
    }
    assert len(needed) > 1000
    assert [each for each in needed if any(fnmatchcase(each.lower(), never.lower()) for never in NEVER)] == []


def test_what_reads_data_or_runs_something_is_denied(written: dict[str, Path]) -> None:
    policy = execution_policy(Assembly(written["codepipeline"]), PROD, platform="nova")
    assert not allowed(policy, "logs:GetLogEvents", "*")
    assert not allowed(policy, "ecs:RunTask", "*")
    assert allowed(policy, "logs:CreateLogGroup", "*")
    toolchain = execution_policy(Assembly(written["codepipeline"]), "444444444444", platform="nova")
    assert not allowed(toolchain, "codebuild:StartBuildBatch", "*")
    [denied] = [each for each in policy["Statement"] if each["Sid"] == "NothingButResources"]
    assert "codebuild:StartBuild*" not in denied["Action"], "what is not allowed needs no denial"


def test_nothing_of_the_bootstrap_and_of_others_roles_can_be_changed(written: dict[str, Path]) -> None:
    policy = execution_policy(Assembly(written["codepipeline"]), PROD, platform="nova")
    role = f"arn:aws:iam::{PROD}:role/"
    bucket = f"arn:aws:s3:::cdk-hnb659fds-assets-{PROD}-us-east-1"
    assert not allowed(policy, "iam:PutRolePolicy", f"{role}cdk-hnb659fds-cfn-exec-role-{PROD}-us-east-1")
    assert not allowed(policy, "iam:PassRole", f"{role}Administrator")
    assert not allowed(policy, "s3:PutObject", f"{bucket}/template.json")
    assert allowed(policy, "s3:GetObject", f"{bucket}/template.json")
    [passing] = [each for each in policy["Statement"] if each["Sid"] == "PassRoles"]
    services = passing["Condition"]["StringEquals"]["iam:PassedToService"]
    assert "ecs-tasks.amazonaws.com" in services
    assert "ec2.amazonaws.com" not in services
    [regional] = [each for each in policy["Statement"] if each["Sid"] == "Resources"]
    assert regional["Condition"] == {"StringEquals": {"aws:RequestedRegion": ["us-east-1"]}}
    assert "codepipeline:*" not in regional["Action"]


def test_an_account_or_a_type_that_is_not_known_is_refused(tmp_path: Path, written: dict[str, Path]) -> None:
    with pytest.raises(RefusedError, match=r"no stack of .* goes to 999999999999: choose one of 111111111111"):
        execution_policy(Assembly(written["github"]), "999999999999", platform="nova")
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": f"aws://{PROD}/us-east-1",
        "properties": {"templateFile": "a.json"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": {"a": artifact}}))
    (tmp_path / "a.json").write_text('{"Resources": {"Robot": {"Type": "AWS::RoboMaker::Robot"}}}')
    with pytest.raises(RefusedError, match="AWS::RoboMaker::Robot: it is not known which service's actions"):
        execution_policy(Assembly(tmp_path), PROD, platform="nova")


def test_the_command_prints_it(written: dict[str, Path], nova: Any) -> None:
    printed = nova("policy", "cloudformation", PROD, "--assembly", str(written["codepipeline"]))
    assert printed.returncode == 0
    assert json.loads(printed.stdout) == execution_policy(Assembly(written["codepipeline"]), PROD, platform="nova")


def test_it_is_written_for_the_partition_of_its_stacks(tmp_path: Path) -> None:
    kinds = ("AWS::ECR::Repository", "AWS::IAM::Role")
    resources = {kind.replace(":", ""): {"Type": kind, "Properties": {}} for kind in kinds}
    (tmp_path / "one.json").write_text(json.dumps({"Resources": resources}))
    one = {
        "type": "aws:cloudformation:stack",
        "environment": f"aws://{PROD}/us-gov-west-1",
        "properties": {"templateFile": "one.json", "stackName": "nova-prod-one"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": {"one": one}}))
    policy = execution_policy(Assembly(tmp_path), PROD, platform="nova")
    assert "arn:aws:" not in json.dumps(policy)
    assert allowed(policy, "iam:CreateRole", f"arn:aws-us-gov:iam::{PROD}:role/nova-prod-x")


def test_what_cloudformation_reads_to_fill_in_values_can_be_read(tmp_path: Path) -> None:
    secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db-a1B2c3"
    template: dict[str, Any] = {
        "Parameters": {
            "Zone": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/acme/zone"},
            "Version": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/hnb659fds/version"},
        },
        "Resources": {
            "Topic": {
                "Type": "AWS::SNS::Topic",
                "Properties": {
                    "DisplayName": "{{resolve:secretsmanager:github-token:SecretString:::}}",
                    "TopicName": f"{{{{resolve:secretsmanager:{secret}:SecretString:name}}}}",
                    "Tags": [
                        {"Key": "a", "Value": "{{resolve:ssm:/acme/tag:3}}"},
                        {"Key": "b", "Value": "{{resolve:ssm-secure:plain}}"},
                        {"Key": "c", "Value": {"Fn::Sub": "{{resolve:ssm:/of/${AWS::StackName}/x}}"}},
                        {"Key": "d", "Value": {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "X"}, "}}"]]}},
                    ],
                },
            }
        },
    }
    properties = {"templateFile": "Acme.json", "stackName": "Acme"}
    artifact = {"type": "aws:cloudformation:stack", "environment": "aws://111122223333/eu-west-1"}
    artifacts = {"Acme": {**artifact, "properties": properties}}
    (tmp_path / "Acme.json").write_text(json.dumps(template))
    (tmp_path / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}))
    policy = execution_policy(Assembly(tmp_path), "111122223333", platform="acme")
    found = {each["Sid"]: (each.get("Action"), each["Resource"]) for each in policy["Statement"]}
    ours = "arn:aws:secretsmanager:*:111122223333:secret:"
    assert found["SecretsOfTemplates"] == (
        ["secretsmanager:GetSecretValue"],
        [f"{ours}*-??????", f"{secret}*", f"{ours}github-token-??????"],
    )
    parameters = [f"arn:aws:ssm:*:111122223333:parameter/{name}" for name in ("acme/tag", "acme/zone", "of/*", "plain")]
    assert found["ParametersOfTemplates"] == (["ssm:GetParameters"], parameters)
    template["Resources"]["Topic"]["Properties"], template["Parameters"] = {}, {}
    (tmp_path / "Acme.json").write_text(json.dumps(template))
    policy = execution_policy(Assembly(tmp_path), "111122223333", platform="acme")
    assert not [each["Sid"] for each in policy["Statement"] if each["Sid"].endswith("OfTemplates")]
