"""What holds for every service that is built on the kit, also for one that is added later."""

from __future__ import annotations

import importlib
import io
import json
import logging
import tomllib
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from nova_infra.scaffold.editing.services import service_files
from nova_kit import logs
from nova_kit.settings import Settings

DIRECTORY = Path(__file__).parents[1]
SERVICES = sorted(
    entry["name"]
    for entry in tomllib.loads((DIRECTORY.parent / "nova.toml").read_text(encoding="utf-8"))["services"]
    if entry.get("kit")
)

# A schema cannot say what makes bytes a video, or a string a question: such input is refused although it fits.
# And a service that cannot reach its siblings, as here, rightly answers 502.
_NOT_CHECKED = [positive_data_acceptance, not_a_server_error]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    none = pytest.param("none", marks=pytest.mark.skip("no service here is built on the kit"))
    metafunc.parametrize("service", SERVICES or [none])


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
    dockerfile = (DIRECTORY / service / "Dockerfile").read_text(encoding="utf-8")
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


def test_its_container_follows_the_rules_of_every_image(service: str) -> None:
    """Its root is read-only: /tmp is a volume, which is only then writable for others than root; see the template."""
    lines = (DIRECTORY / service / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert 'VOLUME ["/tmp"]' in lines
    *_, user = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert user.partition(":")[0] not in ("root", "0")
    copied = [line.split()[-2] for line in lines if line.startswith("COPY") and "--from" not in line]
    assert all(source.startswith(("kit/", f"{service}/")) for source in copied)


def test_its_dockerfile_has_all_that_the_template_has(service: str) -> None:
    """A service may need further lines; what it shares with the others does not drift apart."""
    lines = iter((DIRECTORY / service / "Dockerfile").read_text(encoding="utf-8").splitlines())
    for line in service_files(service, _project(service)["description"])["Dockerfile"].splitlines():
        assert line in lines, f"services/{service}/Dockerfile lacks, or has in another place: {line}"


def test_its_lock_holds_what_the_kit_needs(service: str) -> None:
    lock = (DIRECTORY / service / "requirements.txt").read_text(encoding="utf-8")
    assert _pins(service_files("any", "Any.")["requirements.txt"]) <= _pins(lock)


def test_its_package_is_named_after_its_directory(service: str) -> None:
    assert _project(service)["name"] == service


def _project(service: str) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((DIRECTORY / service / "pyproject.toml").read_text(encoding="utf-8"))
    return project["project"]


def _pins(lock: str) -> set[str]:
    return {line.split(" ")[0] for line in lock.splitlines() if "==" in line}


def test_each_request_is_one_short_line_of_the_log(service: str, client: TestClient) -> None:
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
    assert (document["request_id"], document["service"], document["status"]) == ("abc-123", service, 200)
    assert document["duration_ms"] >= 0
    assert len(line) < 350, "what CloudWatch takes for a metric is written once a minute, not with each request"
