"""The smoke test of a web service to whose host no record leads, and which a schedule stops."""

import json
import tomllib
from typing import Any

from nova_infra.checks.rule import as_text
from nova_infra.config import parse_config

CONFIG = """
[toolchain]
account = "444444444444"
region = "us-east-1"
[source]
repository = "org/shop"
token_secret = "github"
[[environments]]
name = "dev"
account = "111111111111"
region = "us-east-1"
allow_plain_http = true
rollout = { strategy = "canary" }
network = { cidr = "10.10.0.0/16" }
[[services]]
name = "shop"
hosts = ["shop.example.com", "www.example.com"]
smoke = ["/up"]
[[services.scaling.schedules]]
schedule = "0 20 * * *"
min_tasks = 0
max_tasks = 0
[[services.scaling.schedules]]
schedule = "0 6 * * *"
min_tasks = 1
max_tasks = 3
"""


def test_it_is_asked_at_the_environment_itself_and_may_be_asleep(synthesize: Any) -> None:
    assembly = synthesize(parse_config(tomllib.loads(CONFIG)), environment="dev")
    [hook] = assembly.only("nova-dev-shop", "AWS::ECS::Service")["DeploymentConfiguration"]["LifecycleHooks"]
    parts = hook["HookDetails"]["Fn::Join"][1]
    balancers = [each for each in parts if not isinstance(each, str)]
    assert all("DNSName" in json.dumps(each) for each in balancers), "shop.example.com may lead elsewhere"
    details = json.loads("".join(each if isinstance(each, str) else "balancer" for each in parts))
    assert details["urls"] == ["http://balancer/up"]
    assert details["hosts"] == dict.fromkeys(["shop.example.com", "www.example.com"], "http://balancer")
    assert (details["host"], details["stops"]) == ("shop.example.com", True)
    policies = assembly.properties("nova-dev-platform", "AWS::IAM::Policy")
    statements = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    [looks] = [each["Resource"] for each in statements if each["Action"] == "ecs:DescribeServices"]
    assert as_text(looks) == "arn:aws:ecs:us-east-1:111111111111:service/nova-dev/*"
