"""What must not be anywhere in what the app synthesizes."""

import json
import re
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from helpers.assembly import Assembly
from nova_infra.config import parse_config

ROOT = Path(__file__).parents[2]

Place = tuple[int, str]
"""The number of an assembly and the name of a stack."""
Resource = tuple[Place, str, str, dict[str, Any]]
"""Place, logical id, type, properties."""


@pytest.fixture(scope="session")
def everything(assembly: Assembly, variant: Assembly) -> list[Resource]:
    """Every resource of both assemblies: (place, logical id, type, properties)."""
    return [
        ((number, stack), key, resource["Type"], resource.get("Properties", {}))
        for number, each in enumerate((assembly, variant))
        for stack, template in each.templates.items()
        for key, resource in template["Resources"].items()
    ]


def statements(everything: list[Resource]) -> Iterator[tuple[Place, str, str, dict[str, Any]]]:
    for stack, key, _, properties in everything:
        for name in ("PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy", "RepositoryPolicyText"):
            for statement in properties.get(name, {}).get("Statement", []):
                yield stack, key, name, statement


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_nothing_but_the_load_balancer_is_reached_from_the_internet(everything: list[Resource]) -> None:
    open_groups = {
        key
        for _, key, kind, properties in everything
        if kind.startswith("AWS::EC2::SecurityGroup")
        and any(
            "0.0.0.0/0" in json.dumps(r) for r in [properties.get("SecurityGroupIngress"), properties.get("CidrIp")]
        )
    }
    assert len(open_groups) == 1
    assert "Ingress" in next(iter(open_groups))


def test_no_rule_opens_all_ports(everything: list[Resource]) -> None:
    for stack, key, kind, properties in everything:
        if kind == "AWS::EC2::SecurityGroup":
            for rule in [*properties.get("SecurityGroupIngress", []), *properties.get("SecurityGroupEgress", [])]:
                # CDK writes a rule that matches nothing where all egress is refused.
                if rule.get("CidrIp") != "255.255.255.255/32":
                    assert rule["IpProtocol"] == "tcp", (stack, key)


def test_no_task_has_a_public_address(everything: list[Resource]) -> None:
    services = [properties for _, _, kind, properties in everything if kind == "AWS::ECS::Service"]
    assert services
    for service in services:
        assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"


def test_no_policy_allows_every_action(everything: list[Resource]) -> None:
    for stack, key, _, statement in statements(everything):
        if statement["Effect"] == "Allow":
            for action in as_list(statement["Action"]):
                # An account's own root owns its keys: without it nobody could administer them.
                assert action != "*", (stack, key)
                assert not action.endswith(":*") or (action == "kms:*" and ":root" in str(statement["Principal"]))


def _conditions(value: Any) -> Iterator[tuple[str, str, Any]]:
    """Operator, key and values of each condition of a policy within a template."""
    if isinstance(value, dict):
        if "Effect" in value:
            for operator, keys in value.get("Condition", {}).items():
                yield from ((operator, key, values) for key, values in keys.items())
        value = list(value.values())
    for each in value if isinstance(value, list) else []:
        yield from _conditions(each)


def test_a_condition_compares_patterns_only_where_there_are_some_and_takes_none_word_for_word(
    assembly: Assembly, variant: Assembly, github_assembly: Assembly
) -> None:
    """ARNs have one comparison under two names, in which a wildcard always counts."""
    files = [path for each in (assembly, variant, github_assembly) for path in each.directory.rglob("*.template.json")]
    found = [(path.name, one) for path in files for one in _conditions(json.loads(path.read_text()))]
    keys = {key for _, (_, key, _) in found}
    assert keys > {"events:source", "kms:ViaService", "iam:AWSServiceName", "aws:PrincipalArn", "ecs:cluster"}
    for place, (operator, key, values) in found:
        if "String" in operator:
            wild = [bool(re.search(r"[*?]", json.dumps(each))) for each in as_list(values)]
            assert wild == ["Like" in operator] * len(wild), (place, operator, key, values)
        if operator.startswith("Arn"):
            assert all(json.dumps(each).count(":") >= 5 for each in as_list(values)), (place, operator, key, values)


def test_nobody_unnamed_is_allowed_anything(everything: list[Resource]) -> None:
    for stack, key, _, statement in statements(everything):
        if statement["Effect"] == "Allow":
            assert statement.get("Principal") not in ("*", {"AWS": "*"}), (stack, key)


def test_only_these_services_and_accounts_assume_roles(everything: list[Resource]) -> None:
    principals = {
        json.dumps(statement["Principal"], sort_keys=True)
        for _, _, name, statement in statements(everything)
        if name == "AssumeRolePolicyDocument"
    }
    services = {json.loads(principal).get("Service") for principal in principals} - {None}
    assert services == {
        "chatbot.amazonaws.com",
        "codebuild.amazonaws.com",
        "codepipeline.amazonaws.com",
        "ecs-tasks.amazonaws.com",
        "ecs.amazonaws.com",
        "lambda.amazonaws.com",  # the functions of lifecycle hooks, see below
    }


def test_no_role_is_taken_from_an_account_but_by_roles_that_are_named(everything: list[Resource]) -> None:
    taken = [
        (place, key, statement)
        for place, key, name, statement in statements(everything)
        if name == "AssumeRolePolicyDocument" and set(statement["Principal"]) != {"Service"}
    ]
    assert taken
    for place, key, statement in taken:
        assert set(statement["Principal"]) == {"AWS"}, (place, key)
        assert set(statement["Condition"]) == {"ArnEquals"}, (place, key)
        assert "*" not in str(statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]), (place, key)


def _is_own(stack: str) -> bool:
    """Not one that CDK adds to copy artifacts to another region."""
    return "-support-" not in stack


def test_buckets_are_private_encrypted_and_take_tls_only(everything: list[Resource]) -> None:
    buckets = {(s, k): p for s, k, kind, p in everything if kind == "AWS::S3::Bucket"}
    policies = [(s, p) for s, _, kind, p in everything if kind == "AWS::S3::BucketPolicy"]
    assert len(buckets) >= 5
    for (stack, key), bucket in buckets.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert "BucketEncryption" in bucket
        [policy] = [p for s, p in policies if s == stack and p["Bucket"] == {"Ref": key}]
        assert '"aws:SecureTransport": "false"' in json.dumps(policy)
        if _is_own(stack[1]):
            assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
            assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
            assert '"s3:TlsVersion": 1.2' in json.dumps(policy)


def test_every_bucket_outlives_its_stack_and_forgets_what_is_in_it(assembly: Assembly, variant: Assembly) -> None:
    for each in (assembly, variant):
        for stack in each.templates:
            for key, bucket in each.resources(stack, "AWS::S3::Bucket").items():
                kept = "Retain" if _is_own(stack) else "RetainExceptOnCreate"
                assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == (kept, "Retain"), (stack, key)
                if _is_own(stack):
                    rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
                    for rule in rules:
                        assert rule["Status"] == "Enabled", (stack, key)
                        assert rule["ExpirationInDays"] > 0
                        assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
                        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
                    assert rules


def test_what_an_approval_guards_and_the_toolchain_are_protected_from_deletion(assembly: Assembly) -> None:
    assert assembly.protected == {
        "NovaPipelineStack",
        "NovaRegistryStack",
        *(f"nova-prod-{stack}-service" for stack in ("carts", "store", "bills", "orders")),
        "nova-prod-platform",
        "nova-prod-overview",
    }


def test_every_key_is_rotated_and_kept(assembly: Assembly, variant: Assembly) -> None:
    for each in (assembly, variant):
        for stack in each.templates:
            for key in each.resources(stack, "AWS::KMS::Key").values():
                assert key["Properties"]["EnableKeyRotation"] is True
                assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_no_service_may_use_a_key_for_anything_but_what_it_is_for(everything: list[Resource]) -> None:
    for stack, key, _, statement in statements(everything):
        if "Service" in statement.get("Principal", {}) and "kms:" in json.dumps(statement["Action"]):
            if statement["Principal"]["Service"] == "events.amazonaws.com":
                # It supports no condition for encrypted topics, and has the actions that it needs for them alone:
                # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
                assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"], (stack, key)
                continue
            condition = json.dumps(statement["Condition"])
            if statement["Principal"]["Service"].startswith("logs."):
                assert "kms:EncryptionContext:aws:logs:arn" in condition, (stack, key)
                assert re.search(r":log-group:(/nova/|aws-waf-logs-)", condition), (stack, key)
            else:
                assert re.search(r"aws:SourceAccount|kms:ViaService", condition), (stack, key)


def test_every_log_group_is_encrypted_and_forgets(everything: list[Resource]) -> None:
    for stack, key, kind, properties in everything:
        if kind == "AWS::Logs::LogGroup":
            assert "KmsKeyId" in properties, (stack, key)
            assert properties["RetentionInDays"] <= 365


def test_every_key_lets_the_log_groups_be_encrypted_that_name_it(assembly: Assembly, variant: Assembly) -> None:
    for each in (assembly, variant):
        groups = each.log_groups()
        assert groups
        assert [name for name, allowed in groups.items() if not allowed] == []


def test_no_custom_resource_runs_code_in_any_account(everything: list[Resource]) -> None:
    kinds = {kind for _, _, kind, _ in everything}
    assert not {kind for kind in kinds if kind.startswith(("Custom::", "AWS::CloudFormation::Custom"))}


def test_the_only_functions_are_those_of_hooks_and_each_may_do_what_it_is_for_alone(variant: Assembly) -> None:
    may = {
        "smoke": [["logs:CreateLogStream", "logs:PutLogEvents"]],
        "together": [
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [
                "ecs:DescribeServiceDeployments",
                "ecs:DescribeServiceRevisions",
                "ecs:DescribeServices",
                "ecs:ListServiceDeployments",
            ],
        ],
    }
    for environment in ("test-eu", "live"):
        stack = f"acme-{environment}-platform"
        functions = {each["FunctionName"]: each for each in variant.properties(stack, "AWS::Lambda::Function")}
        assert set(functions) == {f"acme-{environment}-{name}" for name in may}
        for name, function in functions.items():
            assert set(function["Code"]) == {"ZipFile"}, "what runs is what was reviewed"
            role = function["Role"]["Fn::GetAtt"][0]
            policies = [p for p in variant.properties(stack, "AWS::IAM::Policy") if {"Ref": role} in p["Roles"]]
            actions = [s["Action"] for p in policies for s in p["PolicyDocument"]["Statement"]]
            assert actions == may[name.rpartition("-")[2]]
            assert "ManagedPolicyArns" not in variant.template(stack)["Resources"][role]["Properties"]
    others = [name for name in variant.templates if not name.endswith("-platform")]
    assert not [name for name in others if list(variant.properties(name, "AWS::Lambda::Function"))]


# What credentials look like, wherever they come from.
SECRETS = {
    "an access key of AWS": r"A(?:KI|SI)A[0-9A-Z]{16}\b",
    "a token of GitHub": r"g(?:h[pousr]_[A-Za-z0-9]{36}|ithub_pat_\w{22})",
    "a token of Slack": r"xox[abeoprs]-[\w-]{10}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a token of npm": r"npm_[A-Za-z0-9]{36}",
    "a web token": r"eyJ[\w-]{10,}\.[\w-]{10,}\.",
    "a password in an address": r"://[^/\s:@\"]+:[^/\s:@\"]+@",
    "a canary of this test": r"NOVA-CANARY",
}


def files_with_secrets(directory: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            yield from ((path.name, what) for what, pattern in SECRETS.items() if re.search(pattern, text))


def test_no_secret_is_anywhere_in_an_assembly(
    app: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: dict[str, Any]
) -> None:
    """Of the process that synthesizes, nothing is written: neither its credentials nor its other variables."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GITHUB_TOKEN", "API_TOKEN"):
        monkeypatch.setenv(name, "NOVA-CANARY")
    raw["services"] = [raw["services"][0] | {"secrets": {"API_TOKEN": "nova/token"}}]
    raw["environments"] = raw["environments"][:1]
    app.build_app(parse_config(raw), root=ROOT, outdir=tmp_path, image_tag="abc123").synth()
    assert len(list(tmp_path.rglob("*.template.json"))) > 4
    assert list(files_with_secrets(tmp_path)) == []


@pytest.mark.parametrize(
    "secret",
    [
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "ghp_" + "a1" * 18,
        "github_pat_" + "a1" * 11,
        "xoxb-" + "1234567890",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "npm_" + "a1" * 18,
        "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiIxMjM0" + ".abc",
        "https://user:" + "password@example.com",
    ],
)
def test_a_secret_would_be_found(tmp_path: Path, secret: str) -> None:
    (tmp_path / "template.json").write_text(f'{{"Value": "{secret}"}}')
    [(_, what)] = files_with_secrets(tmp_path)
    assert what in SECRETS


@pytest.mark.own_project
def test_no_secret_is_in_what_images_are_built_from_or_in_the_repository() -> None:
    listed = [str(ROOT / "scripts" / "tree.sh"), "list"]  # works without git, too: a source may be an archive
    tracked = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "nova.toml" in tracked.split("\0")
    found = []
    for name in filter(None, tracked.split("\0")):
        path = ROOT / name
        if path.is_file() and not name.endswith(("package-lock.json", ".txt")):
            text = path.read_bytes().decode("utf-8", "replace")
            found += [
                (name, what) for what, p in SECRETS.items() if what != "a canary of this test" and re.search(p, text)
            ]
    assert found == []


def test_secrets_reach_containers_by_reference_only(variant: Assembly) -> None:
    for stack in ("acme-test-eu-search", "acme-live-search"):
        [container] = variant.only(stack, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
        assert "API_TOKEN" not in {each["Name"] for each in container["Environment"]}
        [secret] = container["Secrets"]
        assert secret["Name"] == "API_TOKEN"
        assert ":secret:acme/token" in json.dumps(secret["ValueFrom"])


def test_no_role_of_the_delivery_may_delete_images_or_move_their_tags(everything: list[Resource]) -> None:
    """A tag is as good as a digest only as long as nobody can delete what has it, and push another one."""
    found = []
    for stack, key, name, statement in statements(everything):
        if name == "PolicyDocument" and statement["Effect"] == "Allow":
            actions = as_list(statement.get("Action", "*"))
            for action in ("ecr:batchdeleteimage", "ecr:deleterepository", "ecr:putimagetagmutability"):
                found += [(stack, key, each) for each in actions if fnmatchcase(action, each.lower())]
    assert found == []
