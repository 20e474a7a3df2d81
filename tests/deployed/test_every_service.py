"""What every service answers in a deployed environment, through the load balancer: `make integration`, `make e2e`."""

import httpx


def test_every_service_is_reached(api: httpx.Client, reached_at: tuple[str, str]) -> None:
    path, host = reached_at
    response = api.get(path, headers={"Host": host} if host else {})
    led_away = response.is_redirect and response.headers.get("server") == "awselb/2.0"
    assert not led_away, "the load balancer itself leads elsewhere: ask at the address that it leads to"
    assert response.status_code not in (502, 503, 504), "the load balancer found no task that answers"
    assert "No service answers this path" not in response.text, "no rule of the load balancer leads to it"


def test_every_service_tells_what_runs(api: httpx.Client, built_on_the_kit: str) -> None:
    response = api.get(f"/{built_on_the_kit}/version")
    assert response.status_code == 200
    assert response.json()["service"] == built_on_the_kit
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
