"""Bakes, gates and suites that cannot work as they are written."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.config import Service, parse_config
from nova_infra.config.resolved import suite_asked, suite_gated, suite_loaded
from nova_infra.config.services.smoke import is_reachable
from nova_infra.errors import ConfigError


@pytest.mark.parametrize(
    "rollout",
    [
        {"strategy": "canary", "percent": 10, "step_bake_minutes": 1000, "bake_minutes": 1000},
        {"strategy": "linear", "percent": 3, "step_bake_minutes": 61, "bake_minutes": 5},
    ],
)
def test_a_bake_that_outlasts_cloudformation(
    raw: dict[str, Any], refused: Callable[[], str], rollout: dict[str, Any]
) -> None:
    raw["environments"][1]["rollout"] = rollout
    assert "environments[1].rollout: bakes" in (line := refused())
    assert "longer than CloudFormation waits" in line


@pytest.mark.parametrize("strategy", ["rolling", None])
def test_a_gate_where_no_traffic_is_shifted(
    raw: dict[str, Any], refused: Callable[[], str], strategy: str | None
) -> None:
    raw["environments"][1]["rollout"] = {"gate": "person"} | ({"strategy": strategy} if strategy else {})
    assert "environments[1].rollout.gate: needs a strategy that shifts traffic" in refused()


def test_a_gate_of_one_service_where_no_traffic_is_shifted(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["services"][0]["rollout"] = {"gate": "person"}
    assert "services[0].rollout.gate: needs a strategy that shifts traffic, and this one is rolling in dev" in refused()


def test_a_suite_where_the_environment_has_none(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][2].pop("tests", None)
    raw["environments"][2]["rollout"] |= {"gate": "suite"}
    assert "environments[2].rollout.gate: prod has no suite that could answer: write tests =" in refused()


def test_a_suite_that_an_override_asks_for_where_the_environment_has_none(
    raw: dict[str, Any], refused: Callable[[], str]
) -> None:
    raw["environments"][2].pop("tests", None)
    raw["services"][0]["environments"] = {"prod": {"rollout": {"gate": "suite"}}}
    assert "services[0].environments.prod.rollout.gate: prod has no suite that could answer" in refused()


def test_a_suite_is_not_asked_for_what_it_cannot_reach(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    assert is_reachable(Service(name="shop"))
    assert not is_reachable(Service(name="shop", protocol="grpc"))
    assert not is_reachable(Service(name="shop", hosts=("*.example.com",)))
    raw["environments"][2] |= {"tests": "e2e"}
    del raw["services"][0]["kit"]
    raw["services"][0]["internal"] = True
    raw["environments"][2]["rollout"] |= {"gate": "suite"}
    config = parse_config(raw)
    assert raw["services"][0]["name"] not in suite_gated(config.services, config.environments[2])
    assert raw["services"][1]["name"] in suite_gated(config.services, config.environments[2])
    raw["services"][0]["environments"] = {"prod": {"rollout": {"gate": "suite"}}}
    assert "rollout.gate: no suite can ask for the new revision, because of internal: " in refused()


def test_a_suite_as_load_needs_a_suite_a_shift_and_a_way_to_the_service(
    raw: dict[str, Any], refused: Callable[[], str]
) -> None:
    raw["environments"][0]["rollout"] |= {"load": "suite"}
    assert "environments[0].rollout.load: needs a strategy that shifts traffic" in refused()
    del raw["environments"][0]["rollout"]["load"]
    raw["environments"][2].pop("tests", None)
    raw["environments"][2]["rollout"] |= {"load": "suite"}
    assert "environments[2].rollout.load: prod has no suite to run: write tests =" in refused()
    raw["environments"][2] |= {"tests": "e2e"}
    del raw["services"][0]["kit"]
    raw["services"][0]["internal"] = True
    raw["services"][1]["environments"] = {"prod": {"rollout": {"load": None, "gate": "suite"}}}
    config = parse_config(raw)
    names = [service.name for service in config.services]
    assert suite_loaded(config.services, config.environments[2]) == tuple(names[2:])
    assert suite_gated(config.services, config.environments[2]) == (names[1],)
    assert suite_asked(config.services, config.environments[2]) == tuple(names[1:])
    raw["services"][0]["environments"] = {"prod": {"rollout": {"load": "suite"}}}
    assert "rollout.load: no suite can ask for the new revision, because of internal: remove it" in refused()


def test_a_suite_needs_room_for_the_rule_of_the_tests(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["environments"][2] |= {"tests": "e2e"}
    raw["environments"][2]["rollout"] |= {"gate": "suite"}
    raw["services"][0]["priority"], raw["services"][1]["priority"] = 8, 7
    assert "services[0].priority: 8 leaves no room for the rule of its tests: 7 is that of" in refused()


@pytest.mark.parametrize(
    ("key", "value"), [("gate", "nobody"), ("gate_minutes", 0), ("gate_minutes", 1441), ("gate_minutes", "an hour")]
)
def test_a_gate_with_an_invalid_key(
    raw: dict[str, Any], refused: Callable[[], str], key: str, value: int | str
) -> None:
    raw["environments"][2]["rollout"] |= {"gate": "person", key: value}
    assert f"environments[2].rollout.{key}: " in refused()


@pytest.mark.parametrize("key", [{"gate_before": "steps"}, {"gate_minutes": 7}])
def test_how_a_gate_waits_without_a_gate(raw: dict[str, Any], refused: Callable[[], str], key: dict[str, Any]) -> None:
    raw["environments"][1]["rollout"] |= key
    assert f"environments[1].rollout.{next(iter(key))}: has no effect without a gate" in refused()


@pytest.mark.parametrize(
    ("rollout", "minutes"),
    [
        ({"strategy": "canary", "gate_before": "traffic"}, 1440),
        ({"strategy": "canary", "gate_before": "steps"}, 2 * 1440),
        ({"strategy": "blue-green", "gate_before": "steps"}, 1440),
        ({"strategy": "linear", "percent": 30, "gate_before": "steps"}, 4 * 1440),
    ],
)
def test_gates_count_against_cloudformations_hours(raw: dict[str, Any], rollout: dict[str, Any], minutes: int) -> None:
    settings = {"gate": "person", "gate_minutes": 1440, "bake_minutes": 6, "step_bake_minutes": 7}
    raw["environments"][1]["rollout"] = settings | rollout
    if minutes > 1440:
        with pytest.raises(ConfigError, match=r"environments\[1\].rollout: bakes and waits .* CloudFormation waits"):
            parse_config(raw)
        raw["environments"][1]["rollout"] |= {"gate_minutes": 60}
    assert parse_config(raw).environments[1].rollout.waiting_minutes() == (minutes if minutes == 1440 else minutes / 24)


def test_gates_count_against_a_jobs_hours(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["delivery"]["engine"] = "github-actions"
    raw["environments"][2]["rollout"] |= {"gate": "person", "gate_minutes": 300}
    assert "environments[2].rollout: bakes and waits 314 minutes in total, but a GitHub Actions job ends" in refused()


def test_a_services_own_rollout_that_outlasts_cloudformation(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["services"][1]["environments"] = {"prod": {"rollout": {"bake_minutes": 1440, "step_bake_minutes": 1440}}}
    assert "services[1].environments.prod.rollout: bakes 2880 minutes in total in prod" in refused()


@pytest.mark.parametrize(
    ("service", "fault"),
    [
        ({"priority": 1}, "services[0].priority: 1 leaves no room for the rule of its tests: 0 does not exist"),
        (
            {"priority": 8},
            "priority: 8 leaves no room for the rule of its tests: 7 is that of store-service",
        ),
        (
            {"paths": [f"/{n}/*" for n in range(5)], "smoke": ["/3/version"]},
            "services[0].paths: 5 values leave no room for the header",
        ),
    ],
)
def test_smoke_paths_that_could_not_be_asked(
    raw: dict[str, Any], refused: Callable[[], str], service: dict[str, Any], fault: str
) -> None:
    raw["services"][0] |= {"smoke": ["/carts-service/version"], "priority": 20} | service
    raw["services"][1]["priority"] = 7
    assert fault in refused()


def test_an_invalid_smoke_path(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["services"][0]["smoke"] = ["carts-service/version"]
    assert "services[0].smoke[0]: 'carts-service/version' is not a path: start it with /" in refused()


def test_the_longest_bake_that_cloudformation_waits_for(raw: dict[str, Any]) -> None:
    raw["environments"][1]["rollout"] = {"strategy": "canary", "step_bake_minutes": 1000, "bake_minutes": 980}
    assert parse_config(raw).environments[1].rollout.minutes() == 1980


def test_a_rollout_that_outlasts_a_job(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["delivery"]["engine"] = "github-actions"
    raw["environments"][2]["rollout"] |= {"bake_minutes": 296}
    assert "environments[2].rollout: bakes 301 minutes in total, but a GitHub Actions job ends" in refused()
