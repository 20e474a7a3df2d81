"""What a role that copies ready images may read to log in where they come from."""

import json
import tomllib
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from nova_infra.config import parse_config
from nova_infra.constructs.images.image_publishing import origin_logins

EXAMPLE = Path(__file__).parents[2] / "nova.toml"
KEY = "arn:aws:kms:us-east-1:444444444444:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ARN = "arn:aws:secretsmanager:us-east-1:444444444444:secret:acme/other-a1b2c3"


def allowed(*logins: Any) -> list[tuple[Any, Any]]:
    raw = tomllib.loads(EXAMPLE.read_text())
    image = f"ghcr.io/acme/ready:1@sha256:{'a' * 64}"
    raw["services"] = [
        {"name": f"ready-{number}", "image": image, **({"credentials": login} if login else {})}
        for number, login in enumerate(logins)
    ]
    stack = cdk.Stack(cdk.App(), "Toolchain", env=cdk.Environment(account="444444444444", region="us-east-1"))
    found = [stack.resolve(each.to_statement_json()) for each in origin_logins(stack, parse_config(raw))]
    return [(each["Action"], each["Resource"]) for each in found]


def test_without_a_private_image_it_may_read_nothing() -> None:
    assert allowed(None) == []


def test_it_may_read_each_login_once_and_decrypt_it_and_nothing_else() -> None:
    (read, secrets), (decrypt, key) = allowed("acme/login", None, {"secret": ARN, "key": KEY}, "acme/login")
    assert (read, decrypt, key) == ("secretsmanager:GetSecretValue", "kms:Decrypt", KEY)
    named, by_arn = secrets
    assert by_arn == ARN
    partition = {"Ref": "AWS::Partition"}
    assert json.dumps(named) == json.dumps(
        {"Fn::Join": ["", ["arn:", partition, ":secretsmanager:us-east-1:444444444444:secret:acme/login-??????"]]}
    )
