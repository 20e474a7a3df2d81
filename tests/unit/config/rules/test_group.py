"""A release whose services go together, in nova.toml."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.config import parse_config
from nova_infra.config.group import group, group_minutes


def members(raw: dict[str, Any], environment: str) -> tuple[str, ...]:
    config = parse_config(raw)
    return group(config.release, config.services, config.environment(environment))


def test_services_go_each_on_their_own_unless_asked(raw: dict[str, Any]) -> None:
    assert members(raw, "prod") == ()


def test_the_web_services_that_shift_traffic_wait_for_one_another(raw: dict[str, Any]) -> None:
    raw["release"] = {"together": True}
    raw["services"][3] = {"name": "orders-service", "kind": "worker"}
    assert members(raw, "prod") == ("carts-service", "store-service", "bills-service")
    assert members(raw, "dev") == (), "rolling gives users to each new task at once"
    raw["services"][0]["rollout"] = {"strategy": "canary"}
    assert members(raw, "dev") == (), "nobody else there could wait"


def test_a_service_waits_for_the_slowest_gate_of_the_others_too(raw: dict[str, Any]) -> None:
    raw["release"] = {"together": True, "wait_minutes": 25}
    raw["services"][1]["environments"] = {"prod": {"rollout": {"gate": "person", "gate_minutes": 40}}}
    config = parse_config(raw)
    assert group_minutes(config.release, config.services, config.environment("prod")) == 65
    assert group_minutes(config.release, config.services, config.environment("staging")) == 25


def test_one_that_cannot_wait_is_refused_beside_others_that_do(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["release"] = {"together": True}
    raw["services"][2]["environments"] = {"prod": {"rollout": {"strategy": "rolling"}}}
    assert "services[2].rollout in prod: is rolling, so it cannot wait for the others" in refused()


def test_a_time_without_a_group_is_refused(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["release"] = {"wait_minutes": 10}
    assert "release.wait_minutes: has no effect without together" in refused()


@pytest.mark.parametrize(
    ("engine", "wait", "fault"),
    [
        (
            "codepipeline",
            1440,
            "carts-service may take 2104 minutes, of which it waits 1445 for the others of its release",
        ),
        ("github-actions", 287, "longer than a GitHub Actions job waits: lower release.wait_minutes"),
    ],
)
def test_a_wait_that_outlasts_what_waits_for_it(
    raw: dict[str, Any], refused: Callable[[], str], engine: str, wait: int, fault: str
) -> None:
    raw["delivery"]["engine"] = engine
    raw["release"] = {"together": True, "wait_minutes": wait}
    if engine == "codepipeline":
        rollout = {"strategy": "canary", "step_bake_minutes": 645, "gate": "person", "gate_minutes": 5}
        raw["environments"][2]["rollout"] = {**rollout, "bake_minutes": 9}
    assert fault in refused()


def test_no_service_takes_the_name_of_the_function(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["services"][0] = {"name": "together"}
    assert "services[0].name: 'together' is already the name of a function" in refused()
