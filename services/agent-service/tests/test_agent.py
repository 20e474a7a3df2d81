"""The agent: what it decides, and how it calls its siblings."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from starlette.testclient import TestClient

from agent_service.handbook import handbook
from agent_service.main import build_app
from agent_service.names import SiblingNames
from agent_service.siblings import Siblings
from nova_kit.settings import Settings

from .neighbours import MP4, NAMES, WAV, Neighbours, agent, run


@pytest.mark.exhaustive("test_siblings_are_told_how_long_the_caller_waits_and_which_trace_it_belongs_to")
@pytest.mark.parametrize(
    ("content", "media_type", "fields", "paths"),
    [
        (WAV, "audio/wav", {}, ["/ears/analyze"]),
        (WAV, "", {}, ["/ears/analyze"]),
        (MP4, "video/mp4", {}, ["/eyes/probe", "/eyes/thumbnail"]),
        (None, "", {"text": "how loud?"}, ["/finder/rank"]),
        (b"A lake.\n\nA boat.", "text/plain", {"text": "boat"}, ["/finder/rank"]),
        (WAV, "audio/wav", {"text": "how loud?"}, ["/ears/analyze", "/finder/rank"]),
    ],
)
def test_the_content_and_the_question_decide_which_siblings_are_called(
    content: bytes | None, media_type: str, fields: dict[str, str], paths: list[str]
) -> None:
    neighbours = Neighbours()
    response = run(agent(neighbours), content, media_type, **fields)
    assert response.status_code == 200
    assert response.json()["outcome"] == "complete"
    assert sorted(neighbours.paths) == paths
    assert all(step["status"] == "succeeded" and step["duration_ms"] >= 0 for step in response.json()["steps"])


def test_a_question_alone_is_looked_up_in_the_handbook() -> None:
    neighbours = Neighbours()
    run(agent(neighbours), text="how loud?")
    sent = json.loads(neighbours.requests[0].content)
    assert sent["query"] == "how loud?"
    assert [document["title"] for document in sent["documents"]] == [article.title for article in handbook()]


def test_a_question_about_a_text_is_looked_up_in_that_text() -> None:
    neighbours = Neighbours()
    run(agent(neighbours), ("A lake. " * 60 + "\n\n" + "A boat. " * 60).encode(), "text/plain", text="boat")
    documents = json.loads(neighbours.requests[0].content)["documents"]
    assert [document["text"][:7] for document in documents] == ["A lake.", "A boat."]


def test_the_file_is_forwarded_whole_and_the_request_id_goes_along() -> None:
    neighbours = Neighbours()
    content = MP4 + bytes(range(256)) * 12_000
    client = agent(neighbours)
    client.headers["X-Request-Id"] = "id-7"
    run(client, content, "video/mp4", at="1.5")
    assert len(neighbours.requests) == 2
    for request in neighbours.requests:
        assert content in request.content
        assert int(request.headers["content-length"]) == len(request.content)
        assert request.headers["x-request-id"] == "id-7"
    assert {request.url.params.get("at") for request in neighbours.requests} == {None, "1.5"}


def test_every_step_is_reported_as_it_happens() -> None:
    response = agent(Neighbours()).post(
        "/agent-service/run",
        files={"file": ("clip", MP4, "video/mp4")},
        headers={"Accept": "application/x-ndjson"},
    )
    assert response.headers["content-type"].startswith("application/x-ndjson")
    events = [json.loads(line) for line in response.text.splitlines()]
    names = [event["event"] for event in events]
    assert names[0] == "planned"
    assert names[-1] == "done"
    assert sorted(names[1:-1]) == ["finished", "finished", "started", "started"]
    thumbnail = next(event for event in events if event["event"] == "finished" and event["index"] == 1)
    assert thumbnail["step"]["result"]["image"].startswith("data:image/png;base64,")
    assert events[-1]["run"]["outcome"] == "complete"


def test_siblings_are_told_how_long_the_caller_waits_and_which_trace_it_belongs_to() -> None:
    neighbours = Neighbours()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-Envoy-Expected-Rq-Timeout-Ms": "5000", "traceparent": trace}
    agent(neighbours).post("/agent-service/run", files={"file": ("upload", WAV)}, headers=headers)
    (request,) = neighbours.requests
    assert 3000 < int(request.headers["x-envoy-expected-rq-timeout-ms"]) < 5000
    assert request.headers["traceparent"] == trace


def test_a_caller_who_leaves_ends_the_calls_that_are_made_for_it() -> None:
    class Waiting(httpx.AsyncBaseTransport):
        def __init__(self) -> None:
            self.begun, self.ended = asyncio.Event(), asyncio.Event()

        async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
            self.begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.set()
            raise AssertionError

    async def scenario() -> None:
        waiting = Waiting()
        siblings = Siblings("http://balancer", transport=waiting)
        app = build_app(Settings(service="agent-service"), siblings, NAMES)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as caller:
            call = asyncio.create_task(caller.post("/agent-service/run", files={"file": ("upload", WAV)}))
            await waiting.begun.wait()
            call.cancel()
            async with asyncio.timeout(10):
                await waiting.ended.wait()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("content", "media_type", "fields", "status"),
    [
        (None, "", {}, 422),
        (None, "", {"text": "   "}, 422),
        (None, "", {"text": "x" * 1001}, 422),
        (b"", "audio/wav", {}, 422),
        (WAV, "video/mp4", {}, 415),
        (b"%PDF-1.7", "application/pdf", {}, 415),
        (b"A lake.", "text/plain", {}, 422),
        (b"caf\xe9", "text/plain", {"text": "cafe"}, 422),
        (b"\0\1\2", "", {"text": "what?"}, 415),
        (b"\n \n", "text/plain", {"text": "what?"}, 422),
        (MP4, "video/mp4", {"at": "-1"}, 422),
    ],
)
def test_what_cannot_be_worked_with_is_refused_before_any_call(
    content: bytes | None, media_type: str, fields: dict[str, str], status: int
) -> None:
    neighbours = Neighbours()
    response = run(agent(neighbours), content, media_type, **fields)
    assert response.status_code == status
    assert neighbours.requests == []


def test_without_an_address_the_siblings_count_as_down() -> None:
    app = build_app(Settings(service="agent-service"), Siblings(None), NAMES)
    response = run(TestClient(app), text="how loud?")
    assert response.status_code == 502
    assert "NOVA_API_URL" in response.json()["detail"]


def test_a_sibling_that_is_not_configured_is_reported_and_never_called() -> None:
    neighbours = Neighbours()
    client = agent(neighbours, SiblingNames(search="finder"))
    document = run(client, WAV, "audio/wav", text="how loud?").json()
    assert document["outcome"] == "partial"
    sound, search = document["steps"]
    assert (sound["service"], sound["status"], sound["attempts"]) == (None, "failed", 0)
    assert sound["problem"]["detail"].startswith("Not configured")
    assert search["status"] == "succeeded"
    assert neighbours.paths == ["/finder/rank"]
    assert run(client, WAV).status_code == 422, "whoever asks for what is not offered is told so; nobody is paged"
