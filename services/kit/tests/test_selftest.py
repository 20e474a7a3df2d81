"""A service's true call: it keeps a broken process from being ready, and a broken image from being pushed."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Body, File, Form, UploadFile
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from nova_kit import selftest
from nova_kit.app import create_app, router
from nova_kit.selftest import Selftest, SelftestError, get, post_form, post_json

KIT = Path(__file__).parents[1] / "src"
routes = router()


@routes.post("/sample/twice")
async def twice(number: Annotated[float, Body(embed=True)]) -> dict[str, float]:
    return {"half": number, "whole": 2 * number}


@routes.post("/sample/size")
async def size(file: Annotated[UploadFile, File()], unit: Annotated[str, Form()]) -> dict[str, Any]:
    return {"size": len(await file.read()), "unit": unit}


@routes.get("/sample/broken")
async def broken() -> None:
    raise ImportError("libsample.so.1: cannot open\nshared object file")


@contextmanager
def started(check: Selftest) -> Iterator[TestClient]:
    """A process whose self-test has passed or failed."""
    app = create_app("sample", routes, summary="A sample.", selftest=check)
    with TestClient(app) as client:
        assert client.portal is not None
        client.portal.call(app.state.warmth.settled)
        yield client


def fault_of(check: Selftest) -> str:
    """What keeps a process with this self-test from being ready."""
    with started(check) as client:
        response = client.get("/ready")
        assert (response.status_code, client.get("/health").status_code) == (503, 503)
        detail: str = response.json()["detail"]
        return detail


def test_a_process_is_ready_once_its_true_calls_are_answered_rightly() -> None:
    async def check(app: ASGIApp) -> None:
        (await post_json(app, "/sample/twice", {"number": 4})).require(half=4, whole=8)
        (await post_form(app, "/sample/size", b"abc", unit="bytes")).require(size=3, unit="bytes")
        (await get(app, "/sample/version")).require(service="sample")

    with started(check) as client:
        assert (client.get("/ready").status_code, client.get("/health").status_code) == (200, 200)


def test_a_process_is_not_ready_before() -> None:
    released = asyncio.Event()

    async def check(app: ASGIApp) -> None:
        await released.wait()

    app = create_app("sample", summary="A sample.", selftest=check)
    with TestClient(app) as client:
        for path in ("/ready", "/health"):
            response = client.get(path)
            assert (response.status_code, response.json()["detail"]) == (503, "The service is starting.")
        assert client.portal is not None
        client.portal.call(released.set)
        client.portal.call(app.state.warmth.settled)
        assert client.get("/ready").status_code == 200


def test_a_wrong_answer_is_named_once_and_keeps_the_process_unready(caplog: pytest.LogCaptureFixture) -> None:
    async def check(app: ASGIApp) -> None:
        (await post_json(app, "/sample/twice", {"number": 4})).require(whole=9)

    reason = "POST /sample/twice answered whole = 8.0 where 9 is right"
    assert fault_of(check) == f"The self-test failed: {reason}"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        f"self-test failed: {reason}"
    ]


def test_a_broken_dependency_is_named_in_one_line_not_hidden_behind_500() -> None:
    async def check(app: ASGIApp) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(get(app, "/sample/broken"))

    assert fault_of(check) == "The self-test failed: ImportError: libsample.so.1: cannot open shared object file"


def test_an_answer_that_is_none_is_no_answer() -> None:
    async def missing(app: ASGIApp) -> None:
        (await get(app, "/sample/nowhere")).require()

    async def no_object(app: ASGIApp) -> None:
        (await post_json(app, "/sample/list", {})).require()

    async def answer_list(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"[]"})

    assert "GET /sample/nowhere answered 404" in fault_of(missing)
    with pytest.raises(SelftestError, match="did not answer a JSON object"):
        asyncio.run(no_object(answer_list))


def test_a_true_call_that_hangs_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(app: ASGIApp) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(selftest, "MOST_SECONDS", 0.01)
    assert fault_of(check) == "The self-test failed: it did not end within 0.01 s"


def test_true_calls_are_no_requests_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def check(app: ASGIApp) -> None:
        (await get(app, "/sample/version")).require_ok()

    caplog.set_level(logging.INFO)
    with started(check):
        assert [record.getMessage() for record in caplog.records if record.name == "nova.request"] == []


SAMPLE = """
from nova_kit.app import create_app
from nova_kit.selftest import get

async def check(app):
    (await get(app, "/sample/version")).require(service={expected!r})

app = create_app("sample", summary="A sample.", selftest=check)
"""


@pytest.mark.exhaustive("test_a_true_call_that_hangs_fails")
def test_the_command_passes_or_fails_a_build(tmp_path: Path) -> None:
    (tmp_path / "whole.py").write_text(SAMPLE.format(expected="sample"))
    (tmp_path / "wrong.py").write_text(SAMPLE.format(expected="other"))
    (tmp_path / "unable.py").write_text("import dependency_that_is_missing")
    before = sorted(tmp_path.rglob("*"))

    def outcome(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "nova_kit.selftest", *arguments]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{KIT}{os.pathsep}{tmp_path}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return result.returncode, result.stderr

    assert outcome("whole:app") == (0, "")
    assert outcome("wrong:app") == (
        1,
        "nova_kit.selftest: wrong:app: The self-test failed: GET /sample/version answered service = 'sample' where "
        "'other' is right\n",
    )
    assert outcome("unable:app") == (
        1,
        "nova_kit.selftest: unable:app: it cannot be loaded: ModuleNotFoundError: No module named "
        "'dependency_that_is_missing'\n",
    )
    assert outcome()[0] == 2
    assert sorted(tmp_path.rglob("*")) == before, "a root file system that is read-only has to do"


def test_an_app_that_is_started_again_elsewhere_is_still_warm() -> None:
    async def check(app: ASGIApp) -> None:
        (await get(app, "/sample/version")).require_ok()

    app = create_app("sample", routes, summary="A sample.", selftest=check)
    for _ in range(3):  # Each in an event loop of its own.
        with TestClient(app) as client:
            assert client.portal is not None
            client.portal.call(app.state.warmth.settled)
            assert client.get("/ready").status_code == 200
