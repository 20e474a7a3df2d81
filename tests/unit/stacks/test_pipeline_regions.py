"""What a pipeline keeps in another region than its own, and the boundary of its roles where there is one."""

import json
import tomllib
from typing import Any

import pytest

from helpers.assembly import Assembly
from helpers.delivery_pipeline import STACK
from nova_infra.checks.rules import findings
from nova_infra.config import parse_config

CONFIG = """
[toolchain]
account = "444444444444"
region = "us-east-1"
permissions_boundary = true
[source]
repository = "org/shop"
token_secret = "github"
[[environments]]
name = "far"
account = "111111111111"
region = "eu-central-1"
tests = "integration"
allow_plain_http = true
network = { cidr = "10.10.0.0/16", zones = ["a", "b"] }
[[environments]]
name = "live"
account = "333333333333"
region = "us-east-1"
approval = true
domain = { name = "shop.example.com", zone_id = "Z0SHOP" }
network = { cidr = "10.20.0.0/16", zones = ["a", "b"] }
[[services]]
name = "shop"
image = "ghcr.io/org/shop:1.4@sha256:DIGEST"
"""


@pytest.fixture(scope="module")
def made(synthesize: Any) -> Assembly:
    found: Assembly = synthesize(parse_config(tomllib.loads(CONFIG.replace("DIGEST", "a" * 64))))
    return found


def test_copies_of_artifacts_expire_with_the_artifacts(made: Assembly) -> None:
    [far] = [name for name in made.templates if "-support-" in name]

    def kept(stack: str) -> list[Any]:
        buckets = made.properties(stack, "AWS::S3::Bucket")
        rules = [rule for each in buckets for rule in each["LifecycleConfiguration"]["Rules"]]
        return [rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule]

    assert kept(far) == [90]
    assert 90 in kept(STACK)


def test_copies_outlive_their_stack_unless_they_were_never_made(made: Assembly) -> None:
    [far] = [name for name in made.templates if "-support-" in name]
    [bucket] = made.resources(far, "AWS::S3::Bucket").values()
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert [each for each in made.protected if "-support-" in each], "its key would be deleted with it"


def test_what_deploys_there_before_an_approval_reads_the_copies_and_changes_none(made: Assembly) -> None:
    [text] = [json.dumps(made.template(name)) for name in made.templates if "-support-" in name]
    before = frozenset({"111111111111"})
    assert findings(json.loads(text), account="444444444444", before=before) == []
    for old, new in (("s3:GetObject*", "s3:PutObject"), ("kms:Decrypt", "kms:*"), ("-deploy-role-", "-other-role-")):
        changed = findings(json.loads(text.replace(old, new)), account="444444444444", before=before)
        assert {rule.id for rule, _ in changed} == {"NOVA-P06"}, new


def test_every_role_of_the_pipelines_stack_has_the_boundary_and_none_of_an_environments(made: Assembly) -> None:
    boundary = "arn:aws:iam::444444444444:policy/nova-boundary"
    roles = made.resources(STACK, "AWS::IAM::Role")
    assert {json.dumps(role["Properties"].get("PermissionsBoundary")) for role in roles.values()} == {f'"{boundary}"'}
    assert "PermissionsBoundary" not in made.texts["nova-live-platform"]
    # The boundary knows roles by what their names begin with.
    for begins in ("PipelineRole", "PipelineImages"):
        assert any(name.startswith(begins) for name in roles)


def test_github_signs_pushes_with_a_secret_that_nothing_else_uses(made: Assembly) -> None:
    [(name, secret)] = made.resources(STACK, "AWS::SecretsManager::Secret").items()
    [(webhook_id, webhook)] = made.resources(STACK, "AWS::CodePipeline::Webhook").items()
    assert webhook_id == "SignedWebhook", "another one than pipelines had that signed with the token"
    signed = webhook["Properties"]["AuthenticationConfiguration"]["SecretToken"]
    assert signed == {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": name}, ":SecretString:::}}"]]}
    assert json.dumps(made.template(STACK)).count(json.dumps({"Ref": name})) == 1
    made_of = secret["Properties"]["GenerateSecretString"]
    assert made_of["ExcludePunctuation"] is True
    assert made_of["PasswordLength"] <= 100, "AWS takes no longer one"
