"""What GitHub's jobs have to know."""

from typing import Any

import pytest

from nova_infra.config import parse_config
from nova_infra.github import deploy_session_seconds, outputs

GATED = {"strategy": "canary", "gate": "person", "gate_before": "steps", "gate_minutes": 60}


@pytest.mark.parametrize(
    ("change", "hours"),
    [
        ({}, 2),  # 5 + 9 minutes, and an hour for all else
        ({"services.1.rollout": {"bake_minutes": 55}}, 2),
        ({"services.1.rollout": {"bake_minutes": 56}}, 3),
        ({"services.2.environments": {"prod": {"rollout": GATED}}}, 4),  # two gates
        ({"services.3.before_deploy": ["migrate"]}, 3),
        ({"release": {"together": True, "wait_minutes": 50}}, 3),
        ({"release": {"together": True, "wait_minutes": 46}}, 2),
    ],
)
def test_credentials_outlast_the_slowest_service_and_all_that_it_waits_for(
    raw: dict[str, Any], change: dict[str, Any], hours: int
) -> None:
    for path, value in change.items():
        *above, last = path.split(".")
        at: Any = raw
        for key in above:
            at = at[int(key)] if key.isdigit() else at[key]
        at[last] = value
    config = parse_config(raw)
    assert deploy_session_seconds(config, config.environment("prod")) == hours * 3600


@pytest.mark.parametrize(("region", "partition"), [("eu-central-1", "aws"), ("us-gov-west-1", "aws-us-gov")])
def test_a_job_takes_a_role_of_its_regions_partition(raw: dict[str, Any], region: str, partition: str) -> None:
    for each in (raw["toolchain"], *raw["environments"]):
        each["region"] = region
    raw["delivery"]["engine"] = "github-actions"
    elsewhere = raw["source"]["connection_arn"].split(":", 4)[4]
    raw["source"]["connection_arn"] = f"arn:{partition}:codeconnections:{region}:{elsewhere}"
    config = parse_config(raw)
    roles = [outputs(config, name)["role"] for name in (None, "dev", "prod")]
    assert [role.partition(":role/")[0] for role in roles] == [
        f"arn:{partition}:iam::{account}" for account in ("444444444444", "111111111111", "333333333333")
    ]
