"""What holds for every service, also for one that is added later."""

from __future__ import annotations

import importlib
import io
import json
import logging
import tomllib
from pathlib import Path

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from nova_kit import logs
from nova_kit.settings import Settings

SERVICES = sorted(path.parent.name for path in Path(__file__).parents[1].glob("*/Dockerfile"))

# A schema cannot say what makes bytes a video, or a string a question: such input is refused although it fits.
# And a service that cannot reach its siblings, as here, rightly answers 502.
_NOT_CHECKED = [positive_data_acceptance, not_a_server_error]

pytestmark = pytest.mark.parametrize("service", SERVICES)


def _app(service: str) -> FastAPI:
    app = importlib.import_module(f"{service.replace('-', '_')}.main").app
    assert isinstance(app, FastAPI)
    return app


@pytest.fixture
def client(service: str) -> TestClient:
    return TestClient(_app(service), raise_server_exceptions=False)


def test_it_is_alive_and_ready_once_its_true_call_is_answered(service: str) -> None:
    app = _app(service)
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.portal is not None
        client.portal.call(app.state.warmth.settled)
        assert client.get("/health").json() == {"status": "ok"}
        assert client.get("/ready").json() == {"status": "ready"}


def test_an_image_that_is_built_makes_its_true_call(service: str) -> None:
    app = f"{service.replace('-', '_')}.main:app"
    dockerfile = (Path(__file__).parents[1] / service / "Dockerfile").read_text(encoding="utf-8")
    assert f'RUN ["python", "-m", "nova_kit.selftest", "{app}"]' in dockerfile.partition("USER 10001")[2].splitlines()
    assert _app(service).state.warmth.selftest is not None, "the call has to be given to create_app"


def test_it_tells_what_runs(client: TestClient, service: str) -> None:
    assert client.get(f"/{service}/version").json() == {"service": service, "release": "dev", "revision": None}


def test_an_unknown_route_is_a_problem_that_says_where_to_look(client: TestClient, service: str) -> None:
    response = client.get(f"/{service}/nowhere")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["instance"] == f"/{service}/nowhere"
    assert "openapi.json" in response.json()["detail"]


def test_a_wrong_method_is_a_problem_that_names_the_right_one(client: TestClient, service: str) -> None:
    response = client.delete(f"/{service}/version")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert response.headers["content-type"] == "application/problem+json"


def test_every_route_beside_the_operations_is_under_the_services_own_name(service: str) -> None:
    paths = set(_app(service).openapi()["paths"]) - {"/health", "/ready", "/"}
    assert all(path.startswith(f"/{service}/") for path in paths)


def test_nothing_that_a_caller_sends_breaks_its_openapi_contract(
    service: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Schemathesis makes up requests, right ones and wrong ones, and checks every answer against the document."""
    schema = schemathesis.openapi.from_asgi(f"/{service}/openapi.json", _app(service))
    for result in schema.get_all_operations():
        operation = result.ok()
        takes_input = bool(operation.body or operation.query)
        for mode in schemathesis.GenerationMode:
            if mode.is_negative and not takes_input:
                continue  # There is nothing to get wrong.

            @settings(
                max_examples=8,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def check(case: schemathesis.Case) -> None:
                response = case.call_and_validate(excluded_checks=_NOT_CHECKED)
                assert response.status_code not in (500, 503)

            check()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_its_container_follows_the_platforms_rules(service: str) -> None:
    directory = Path(__file__).parents[1] / service
    dockerfile = (directory / "Dockerfile").read_text(encoding="utf-8")
    assert "ARG PYTHON_IMAGE=" in dockerfile
    assert "--require-hashes" in dockerfile
    assert "USER 10001" in dockerfile
    assert "nova_kit.healthcheck" in dockerfile
    copied = [line.split()[-2] for line in dockerfile.splitlines() if line.startswith("COPY") and "--from" not in line]
    assert all(source.startswith(("kit/", f"{service}/")) for source in copied)


def test_its_package_is_named_after_its_directory(service: str) -> None:
    directory = Path(__file__).parents[1] / service
    assert tomllib.loads((directory / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"] == service


def test_its_request_lines_are_metrics_too(service: str, client: TestClient) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter(Settings(service=service)))
    logger = logging.getLogger("nova.request")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        client.get(f"/{service}/version", headers={"X-Request-Id": "abc-123"})
        client.get("/health")
    finally:
        logger.removeHandler(handler)
    (line,) = stream.getvalue().splitlines()
    document = json.loads(line)
    assert document["request_id"] == "abc-123"
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["Service"]]
    assert document["Service"] == service
    assert {metric["Name"] for metric in directive["Metrics"]} == {"Requests", "Errors", "Latency"}
    assert document["Requests"] == 1
    assert document["Errors"] == 0
