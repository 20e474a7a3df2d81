"""What every service answers in a deployed environment, through the load balancer: `make integration`, `make e2e`."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

SERVICES = Path(__file__).parents[2] / "services"


@pytest.fixture
def built_on_the_kit(service: str) -> str:
    """Return the service, if it is one of Nova's Python services, whose answers to mistakes are all alike."""
    if not (SERVICES / service / "pyproject.toml").exists():
        pytest.skip(f"{service} is not built on services/kit: what it answers to mistakes is its own")
    return service


def test_every_service_tells_what_runs(api: httpx.Client, service: str) -> None:
    response = api.get(f"/{service}/version")
    assert response.status_code == 200
    assert response.json()["service"] == service
    assert response.json()["release"]


def test_every_service_describes_itself(api: httpx.Client, built_on_the_kit: str) -> None:
    document = api.get(f"/{built_on_the_kit}/openapi.json").json()
    assert document["info"]["title"] == built_on_the_kit
    assert f"/{built_on_the_kit}/version" in document["paths"]


def test_every_service_answers_an_unknown_route_with_a_problem(api: httpx.Client, built_on_the_kit: str) -> None:
    response = api.get(f"/{built_on_the_kit}/no-such-route", headers={"X-Request-Id": "integration-test"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["x-request-id"] == "integration-test"


def test_every_service_answers_head_as_get_without_the_body(api: httpx.Client, built_on_the_kit: str) -> None:
    response = api.head(f"/{built_on_the_kit}/version")
    assert (response.status_code, response.content) == (200, b"")


def test_every_service_names_the_methods_it_takes(api: httpx.Client, built_on_the_kit: str) -> None:
    response = api.put(f"/{built_on_the_kit}/version")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
