"""What a pipeline keeps in another region than its own."""

import tomllib
from typing import Any

from nova_infra.config import parse_config

CONFIG = """
[toolchain]
account = "444444444444"
region = "us-east-1"
[source]
repository = "org/shop"
token_secret = "github"
[[environments]]
name = "far"
account = "111111111111"
region = "eu-central-1"
allow_plain_http = true
network = { cidr = "10.10.0.0/16", zones = ["a", "b"] }
[[services]]
name = "shop"
image = "ghcr.io/org/shop:1.4@sha256:DIGEST"
"""


def test_copies_of_artifacts_expire_with_the_artifacts(synthesize: Any) -> None:
    assembly = synthesize(parse_config(tomllib.loads(CONFIG.replace("DIGEST", "a" * 64))))

    def kept(stack: str) -> list[Any]:
        buckets = assembly.properties(stack, "AWS::S3::Bucket")
        rules = [rule for each in buckets for rule in each["LifecycleConfiguration"]["Rules"]]
        return [rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule]

    [far] = [name for name in assembly.templates if "-support-" in name]
    assert kept(far) == [90]
    assert 90 in kept("NovaPipelineStack")
