"""What the app factory gives a service, on a service made up for it."""

from __future__ import annotations

import asyncio
import errno
import http.server
import io
import json
import logging
import re
import socket
import threading
from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from fastapi import File, UploadFile
from starlette.datastructures import Headers
from starlette.testclient import TestClient
from starlette.types import Message

from nova_kit import logs
from nova_kit.app import create_app, router
from nova_kit.draining import Draining
from nova_kit.limits import Limits
from nova_kit.problems import Problem
from nova_kit.settings import Settings, SettingsError
from nova_kit.workers import Deadline, TimedFile, Workers

draining = Draining()
routes = router()
workers = Workers(seconds=0.05)


@routes.get("/sample/broken")
async def broken() -> None:
    raise RuntimeError("a defect")


@routes.get("/sample/slow")
async def slow() -> None:
    await asyncio.sleep(5)


@routes.get("/sample/endless")
async def endless() -> None:
    def job(deadline: Deadline) -> None:
        while True:
            deadline.check()

    await workers.run(job)


@routes.post("/sample/upload")
async def upload(file: Annotated[UploadFile, File()]) -> int:
    return len(await file.read())


app = create_app(
    "sample",
    routes,
    summary="A sample.",
    draining=draining,
    limits=Limits(body_bytes=2_000, stall_seconds=0.1, request_seconds=0.3),
)
client = TestClient(app, raise_server_exceptions=False)


def multipart(content: bytes) -> tuple[bytes, dict[str, str]]:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + content + b"\r\n--b--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=b"}


def test_a_defect_is_a_problem_that_tells_nothing_about_the_code(caplog: pytest.LogCaptureFixture) -> None:
    response = client.get("/sample/broken", headers={"X-Request-Id": "id-1"})
    assert response.status_code == 500
    assert response.json()["request_id"] == response.headers["x-request-id"] == "id-1"
    assert "a defect" not in response.text
    assert "a defect" in caplog.text


def test_a_request_id_that_could_break_a_log_line_is_replaced() -> None:
    for offered in ("two\tparts", "x" * 200, ""):
        assert client.get("/ready", headers={"X-Request-Id": offered}).headers["x-request-id"] != offered


def test_while_it_drains_it_is_alive_but_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_begun", True)
    assert client.get("/health").status_code == 200
    response = client.get("/ready")
    assert response.status_code == 503
    assert response.headers["connection"] == "close"


def test_a_body_that_announces_too_much_is_refused_before_it_is_read() -> None:
    body, headers = multipart(b"x" * 3_000)
    response = client.post("/sample/upload", content=body, headers=headers)
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


def test_a_body_that_hides_its_size_is_refused_when_it_is_too_large() -> None:
    body, headers = multipart(b"x" * 3_000)
    pieces = (body[at : at + 100] for at in range(0, len(body), 100))
    assert client.post("/sample/upload", content=pieces, headers=headers).status_code == 413


def test_a_handler_that_takes_too_long_is_given_up() -> None:
    response = client.get("/sample/slow")
    assert response.status_code == 503
    assert (response.headers["retry-after"], "in time" in response.json()["detail"]) == ("1", True)


def test_a_job_that_takes_too_long_ends_by_itself() -> None:
    response = client.get("/sample/endless")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


async def _problem_when_body(pieces: AsyncIterator[bytes]) -> tuple[int, str, Headers]:
    """Call the app as a server does, with a body that arrives as it likes; return the status and the detail."""
    _, headers = multipart(b"")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/sample/upload",
        "raw_path": b"/sample/upload",
        "query_string": b"",
        "headers": [(b"transfer-encoding", b"chunked")]
        + [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": await anext(pieces), "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, body = sent
    return start["status"], json.loads(body["body"])["detail"], Headers(raw=start["headers"])


def test_a_body_that_stops_arriving_is_given_up() -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"--b\r\n"
        await asyncio.sleep(5)

    status, detail, headers = asyncio.run(_problem_when_body(stalled()))
    assert (status, "in time" in detail) == (408, True)
    assert headers["connection"] == "close"


def test_a_body_that_trickles_in_is_given_up() -> None:
    async def trickling() -> AsyncIterator[bytes]:
        yield multipart(b"")[0][:-9]
        while True:
            await asyncio.sleep(0.02)
            yield b"x"

    status, detail, headers = asyncio.run(_problem_when_body(trickling()))
    assert (status, "in time" in detail) == (408, True)
    assert headers["connection"] == "close"


def test_a_disk_that_is_full_is_the_services_fault(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", full)
    response = client.post("/sample/upload", files={"file": b"x"})
    assert response.status_code == 500
    assert "No space left" in caplog.text


def test_a_second_file_is_refused_rather_than_one_of_the_two_ignored() -> None:
    files = [("file", (f"{number}", b"x")) for number in range(2)]
    response = client.post("/sample/upload", files=files)
    assert response.status_code == 400
    assert response.json()["detail"] == (
        "The form cannot be read: Too many files. Maximum number of files is 1. "
        "Send it as multipart/form-data, one part for each field."
    )


@pytest.mark.parametrize("path", ["/health", "/sample/version", "/sample/openapi.json", "/nowhere", "/sample/upload"])
def test_head_is_answered_as_get_without_the_body(path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.headers["content-type"]) == (get.status_code, get.headers["content-type"])
    assert head.content == b""


def test_a_callers_mistakes_are_not_errors_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    client.post("/sample/upload", content=b"garbage", headers={"Content-Type": "multipart/form-data; boundary=b"})
    client.post("/sample/upload", content=b"garbage", headers={"Content-Type": "multipart/form-data"})
    client.get("/nowhere")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_every_response_to_a_broken_form_is_a_problem() -> None:
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=b", "multipart/form-data; boundary="):
        response = client.post("/sample/upload", content=b"garbage", headers={"Content-Type": content_type})
        assert 400 <= response.status_code < 500
        assert json.loads(response.content)["detail"]


def _version(metadata_url: str, *, wait_for_revision: bool) -> dict[str, str | None]:
    """Return the version document of a process that finds the task metadata endpoint at an address."""
    settings = Settings(service="sample", release="abc123", metadata_url=metadata_url)
    with TestClient(create_app("sample", summary="A sample.", settings=settings)) as started:
        if wait_for_revision:
            assert started.portal is not None
            started.portal.call(_revision_looked_up)
        version: dict[str, str | None] = started.get("/sample/version").json()
        return version


async def _revision_looked_up() -> None:
    """Wait for what the start leaves to be done in the background, if it is still under way."""
    for task in asyncio.all_tasks():
        if getattr(task.get_coro(), "__qualname__", None) == "Revision._fetch":
            await task


def test_the_revision_comes_from_the_task_metadata_endpoint() -> None:
    class Metadata(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"Family": "nova-dev-sample", "Revision": "7"}' if self.path == "/v4/abc/task" else b"{}"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        version = _version(f"http://127.0.0.1:{server.server_port}/v4/abc", wait_for_revision=True)
        server.shutdown()
    assert version == {"service": "sample", "release": "abc123", "revision": "nova-dev-sample:7"}


def test_a_metadata_endpoint_that_hangs_does_not_delay_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # Ends the wait for an answer long after the first request, and long before the look-up gives up.
        hang_up = threading.Timer(0.3, silent.close)
        hang_up.start()
        version = _version(f"http://127.0.0.1:{silent.getsockname()[1]}", wait_for_revision=False)
        hang_up.join()
    assert version["revision"] is None


def test_a_text_where_a_file_belongs_is_explained() -> None:
    response = client.post("/sample/upload", files={"file": (None, b"a text")})
    assert response.status_code == 422
    assert "Expected a file, got a text" in response.json()["detail"]


def test_a_file_is_not_read_beyond_the_deadline() -> None:
    file = TimedFile(io.BytesIO(b"abc"), Deadline(0))
    with pytest.raises(Problem, match="in time"):
        file.read(1)


def test_only_what_matters_is_logged_whatever_level_a_library_sets() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure(Settings(service="sample"), stream=stream)
        chatty = logging.getLogger("chatty")
        chatty.setLevel(logging.DEBUG)
        chatty.debug("a detail")
        chatty.info("an event")
    finally:
        root.handlers[:], root.level = before
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["an event"]


def test_settings_come_from_the_environment_and_empty_means_default(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "PORT": "9000",
        "NOVA_RELEASE": "",
        "NOVA_API_URL": "http://balancer/",
        "STOP_TIMEOUT": "2.5",
        "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/abc",
        # Others' variables, of which some are called as a setting is here.
        "SERVICE": "other",
        "RELEASE": "other",
        "port": "1",
        "API_URL": "http://other",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_environment("sample") == Settings(
        service="sample",
        release="dev",
        port=9000,
        api_url="http://balancer",
        stop_timeout=2.5,
        metadata_url="http://169.254.170.2/v4/abc",
    )
    monkeypatch.setenv("NOVA_SERVICE", "renamed")
    assert Settings.from_environment("sample").service == "renamed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "none"),
        ("PORT", "-1"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("STOP_TIMEOUT", "nan"),
        ("STOP_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}='{value}'"):
        Settings.from_environment("sample")


def test_a_pattern_is_named_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")
    with pytest.raises(SettingsError, match=re.escape(r"string should match pattern '^https?://\S+$'")):
        Settings.from_environment("sample")
