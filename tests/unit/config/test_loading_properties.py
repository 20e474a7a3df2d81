"""What holds for any valid configuration."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.assembly import Assembly
from nova_infra.config import FARGATE_MEMORY_MIB, parse_config


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """Valid configurations: one or two services in one to three environments, each option drawn."""
    several = draw(st.booleans())
    services = [
        {
            "name": name,
            "cpu": (cpu := draw(st.sampled_from(sorted(FARGATE_MEMORY_MIB)))),
            "memory": draw(st.sampled_from(list(FARGATE_MEMORY_MIB[cpu]))),
            "architecture": draw(st.sampled_from(["x86-64", "arm64"])),
            "port": draw(st.integers(1024, 65535)),
            "secrets": draw(st.sampled_from([{}, {"TOKEN": "team/token"}])),
        }
        for name in draw(st.sampled_from([["mail"], ["mail", "a-b1"]]))
    ]
    environments = []
    count = draw(st.integers(1, 2))
    for number in range(count):
        nat = draw(st.integers(0, 2))
        approved = number == count - 1 > 0
        environment = {
            "name": f"env{number}",
            "account": f"{number if several else 4:012}",
            "region": draw(st.sampled_from(["us-east-1", "ap-northeast-1"])) if nat else "us-east-1",
            "approval": approved,
            "tests": draw(st.sampled_from(["integration", "e2e"])),
            "on_failure": draw(st.sampled_from(["stop", "retry", "rollback"])),
            "waf": (waf := draw(st.booleans())),
            "exec": draw(st.booleans()) and (waf or not approved),
            "rollout": {
                "strategy": draw(st.sampled_from(["rolling", "canary", "linear", "blue-green"])),
                "percent": draw(st.integers(20, 99)),
                "step_bake_minutes": draw(st.integers(5, 60)),
                "bake_minutes": draw(st.integers(5, 1440)),
            },
            "network": {
                "cidr": f"10.{number}.0.0/{draw(st.integers(16, 24))}",
                "zones": draw(st.sampled_from([["a", "c"], ["a", "c", "d"]])),
                "nat_gateways": nat,
                "interface_endpoints": []
                if nat
                else ["ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages", "sts"],
            },
        }
        if draw(st.booleans()) or approved:
            environment["domain"] = {"name": f"e{number}.example.com", "zone_id": "Z0123456789"}
        else:
            environment["allow_plain_http"] = True
        if approved and not several:
            environment["shared_account"] = "there is only one"
        environments.append(environment)
    return {
        "toolchain": {"account": "000000000004", "region": "us-east-1"},
        "source": {"repository": "a/b", "token_secret": "token"},
        "environments": environments,
        "services": services,
    }


@pytest.mark.exhaustive("test_every_edit.py::test_what_was_edited_synthesizes_and_passes_the_checks")
@settings(
    max_examples=4,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(raw=configurations())
def test_any_valid_configuration_synthesizes_passes_every_check_and_differs_in_the_image_tag_alone(
    synthesize: Callable[..., Assembly], raw: dict[str, Any]
) -> None:
    config = parse_config(raw)
    assembly = synthesize(config)
    for report in assembly.report["pluginReports"]:
        assert report["violations"] == []
    for name, template in assembly.templates.items():
        assert len(template["Resources"]) < 450, name
    assert "abc123" not in json.dumps(
        [assembly.properties(stack, "AWS::ElasticLoadBalancingV2::ListenerRule") for stack in assembly.templates]
    )
    again = synthesize(config, image_tag="def456")
    assert {name: text.replace("def456", "abc123") for name, text in again.texts.items()} == assembly.texts
