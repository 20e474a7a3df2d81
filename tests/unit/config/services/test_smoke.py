"""What new revisions are asked before any user reaches them."""

from collections.abc import Callable
from typing import Any

import pytest

from nova_infra.config import Domain, Rollout, Service, parse_config
from nova_infra.config.resolved import resolved
from nova_infra.config.services.smoke import followed_to, reached_from_outside, smoke_paths

KIT = ("/carts-service/version", "/carts-service/openapi.json")


def paths(raw: dict[str, Any], environment: str = "prod") -> tuple[str, ...]:
    """The smoke paths of the first service."""
    config = parse_config(raw)
    found = resolved(config.services[0], config.environment(environment))
    return smoke_paths(found.service, found.environment, config.services)


def test_a_service_of_the_kit_is_tested_where_an_approval_is_taken(raw: dict[str, Any]) -> None:
    assert paths(raw) == KIT
    assert paths(raw, "staging") == paths(raw, "dev") == ()


@pytest.mark.parametrize(
    ("service", "asked"),
    [
        ({"smoke": ["/carts-service/x"]}, ("/carts-service/x",)),
        ({"smoke": [], "untested_reason": "Its only path needs a signed request."}, ()),
        ({"paths": ["/baskets"]}, ()),
        ({"paths": ["/carts-service/v*", "/*/openapi.json"]}, KIT),
        ({"paths": [f"/carts-service/*{n}" for n in range(4)] + ["/carts-service/*"]}, ()),
        ({"priority": 8}, ()),  # 7 is that of another service
        ({"priority": 9}, KIT),
        ({"internal": True}, ()),
        ({"rollout": {"strategy": "rolling"}}, ()),
        ({"kit": False}, ()),  # nothing leads to /health
        ({"kit": False, "health": {"path": "/carts-service/up?deep=1"}}, ("/carts-service/up?deep=1",)),
        ({"kit": False, "hosts": ["carts.nova.example.com"]}, ("/health",)),
        ({"kit": False, "hosts": ["*.nova.example.com"]}, ()),
    ],
)
def test_it_is_asked_what_leads_to_it(raw: dict[str, Any], service: dict[str, Any], asked: tuple[str, ...]) -> None:
    [*_, environment] = parse_config(raw).environments
    data = raw["services"][0] | {key: tuple(each) if isinstance(each, list) else each for key, each in service.items()}
    services = [Service.model_validate(data), Service(name="store-service", priority=7)]
    rollout = Rollout.model_validate(data.get("rollout", {"strategy": "canary"}))
    found = smoke_paths(services[0], environment.model_copy(update={"rollout": rollout}), services)
    assert found == asked


@pytest.mark.parametrize(
    ("service", "reached"),
    [
        ({}, ("/carts-service/", "")),
        ({"paths": ["/baskets/?/items*"]}, ("/baskets/x/items", "")),
        ({"kit": False, "hosts": ["carts-{environment}.example.com"]}, ("/", "carts-staging.example.com")),
        ({"kit": False, "hosts": ["carts.example.com"], "paths": ["/v2/*"]}, ("/v2/", "carts.example.com")),
        ({"kit": False, "hosts": ["*.example.com"]}, None),
        ({"internal": True}, None),
        ({"kit": False, "protocol": "grpc", "paths": ["/shop.Carts/*"]}, None),
    ],
)
def test_a_deployed_service_is_asked_by_its_own_host(
    raw: dict[str, Any], service: dict[str, Any], reached: tuple[str, str] | None
) -> None:
    [_, staging, *_] = parse_config(raw).environments
    data = raw["services"][0] | {key: tuple(each) if isinstance(each, list) else each for key, each in service.items()}
    assert reached_from_outside(resolved(Service.model_validate(data), staging).service) == reached


def test_no_smoke_paths_need_a_reason(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["services"][0]["smoke"] = []
    assert "services[0].smoke: is empty, so users of prod, which requires an approval" in refused()


def test_a_reason_that_excuses_nothing(raw: dict[str, Any], refused: Callable[[], str]) -> None:
    raw["services"][0]["untested_reason"] = "Its only path needs a signed request."
    assert "services[0].untested_reason: has no effect without smoke = []" in refused()


@pytest.mark.parametrize(
    ("hosts", "domain", "followed"),
    [
        (["shop.example.com"], None, {}),
        (["shop.example.com", "*.example.com"], None, {}),
        (
            ["shop.example.com", "www.example.com"],
            None,
            dict.fromkeys(["shop.example.com", "www.example.com"], "http://lb"),
        ),
        (
            ["shop.example.com", "www.example.com"],
            {"name": "example.com", "zone_id": "Z0123456789ABCDEFGHIJ"},
            {"shop.example.com": "https://shop.example.com", "www.example.com": "https://www.example.com"},
        ),
    ],
)
def test_redirects_are_followed_between_the_hosts_of_a_service(
    raw: dict[str, Any], hosts: list[str], domain: dict[str, str] | None, followed: dict[str, str]
) -> None:
    config = parse_config(raw)
    found = resolved(config.services[0], config.environments[0])
    service = found.service.model_copy(update={"hosts": tuple(hosts)})
    environment = found.environment.model_copy(update={"domain": Domain(**domain) if domain else None})
    assert followed_to(service, environment, "http://lb") == followed
