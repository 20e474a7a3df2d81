"""The agent: what it decides, how it calls, and what it says when a sibling lets it down."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from agent_service.handbook import handbook
from agent_service.main import build_app
from agent_service.names import SiblingNames
from agent_service.siblings import Patience, Siblings
from nova_kit.settings import Settings

SOUND = {"duration_seconds": 1.0, "peak_dbfs": -20.0, "loudness_lufs": -23.0, "waveform": [0.1]}
VIDEO = {"duration_seconds": 2.0, "width": 64, "height": 48, "video_codec": "h264"}
HITS = {"searched": 1, "hits": []}
PNG = b"\x89PNG\r\n\x1a\n..."

NOT_JSON = json.dumps({**SOUND, "peak_dbfs": math.nan})

WAV = b"RIFF\x24\0\0\0WAVEfmt "
MP4 = b"\0\0\0\x18ftypisom"

NAMES = SiblingNames(sound="ears", video="eyes", search="finder")

Answer = Callable[[httpx.Request], httpx.Response]


class Neighbours(httpx.AsyncBaseTransport):
    """Stands in for the load balancer: answers as told, and remembers what it was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = {
            "analyze": lambda _: httpx.Response(200, json=SOUND),
            "probe": lambda _: httpx.Response(200, json=VIDEO),
            "thumbnail": lambda _: httpx.Response(200, content=PNG),
            "rank": lambda _: httpx.Response(200, json=HITS),
            **answers,
        }
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        answer = self.answers[request.url.path.rpartition("/")[2]](request)
        # As from the network: still to be read.
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)

    @property
    def paths(self) -> list[str]:
        return [request.url.path for request in self.requests]


def agent(neighbours: Neighbours, names: SiblingNames = NAMES, **patience: float) -> TestClient:
    siblings = Siblings("http://balancer", Patience(pause_seconds=0.001, **patience), neighbours)  # type: ignore[arg-type]
    return TestClient(build_app(Settings(service="agent-service"), siblings, names), raise_server_exceptions=False)


def run(client: TestClient, content: bytes | None = None, media_type: str = "", **fields: str) -> Any:
    files = {"file": ("upload", content, media_type)} if content is not None else {"": ("", b"")}
    return client.post("/agent-service/run", files=files, data=fields)


def failing(status: int) -> Answer:
    return lambda _: httpx.Response(status, text="oh")


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


def test_every_step_is_told_as_it_happens() -> None:
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


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_sibling_that_is_away_for_a_moment_is_asked_again(status: int) -> None:
    answers = iter([status, 200])
    neighbours = Neighbours(analyze=lambda _: httpx.Response(next(answers), json=SOUND))
    (step,) = run(agent(neighbours), WAV).json()["steps"]
    assert (step["status"], step["attempts"]) == ("succeeded", 2)


def test_a_sibling_that_fails_for_good_is_not_asked_again() -> None:
    neighbours = Neighbours(analyze=failing(500))
    response = run(agent(neighbours), WAV)
    assert response.status_code == 502
    assert len(neighbours.requests) == 1
    assert "ears failed" in response.json()["detail"]


def overloaded(seconds: str) -> Answer:
    return lambda _: httpx.Response(503, text="busy", headers={"Retry-After": seconds})


def test_a_sibling_with_too_much_to_do_is_asked_again_when_it_says() -> None:
    answers = iter([httpx.Response(503, headers={"Retry-After": "1"}), httpx.Response(200, json=SOUND)])
    neighbours = Neighbours(analyze=lambda _: next(answers))
    run_ = run(agent(neighbours), WAV).json()
    assert (run_["outcome"], run_["steps"][0]["attempts"]) == ("complete", 2)
    assert run_["steps"][0]["duration_ms"] >= 1000


def test_overload_that_lasts_is_told_to_the_caller_with_the_time_to_come_back() -> None:
    neighbours = Neighbours(analyze=overloaded("30"))
    client = agent(neighbours, failures=2)
    for _ in range(4):
        response = run(client, WAV)
        assert (response.status_code, response.headers["retry-after"]) == (503, "30")
        assert "ears has too much to do" in response.json()["detail"]
    # Asking again before then would make it worse; and a sibling that answers so is not one that has failed.
    assert len(neighbours.requests) == 4


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


def _refuse(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


def _stall(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("silence")


def _pack(content: bytes) -> Answer:
    headers = {"Content-Encoding": "gzip"}
    # With content of its own the response would be unpacked here already.
    return lambda _: httpx.Response(200, headers=headers, stream=httpx.ByteStream(content))


@pytest.mark.parametrize(
    ("answer", "status", "attempts"),
    [
        pytest.param(_refuse, 502, 3, id="down"),
        pytest.param(failing(503), 502, 3, id="unavailable"),
        pytest.param(_stall, 504, 1, id="slow"),
        pytest.param(failing(404), 502, 1, id="misrouted"),
        pytest.param(failing(200), 502, 1, id="not JSON"),
        pytest.param(lambda _: httpx.Response(200, json=["a"]), 502, 1, id="not an object"),
        pytest.param(lambda _: httpx.Response(200, json={"hello": 1}), 502, 1, id="not an analysis"),
        pytest.param(lambda _: httpx.Response(200, json={**SOUND, "waveform": 5}), 502, 1, id="of other types"),
        pytest.param(lambda _: httpx.Response(200, content=NOT_JSON), 502, 1, id="a number that JSON lacks"),
        pytest.param(_pack(b"broken"), 502, 1, id="packed, and broken"),
        pytest.param(_pack(gzip.compress(json.dumps(SOUND).encode())), 502, 1, id="packed unasked"),
        pytest.param(lambda _: httpx.Response(200, content=b"[" * 100_000), 502, 1, id="nested without end"),
        pytest.param(lambda _: httpx.Response(200, content=bytes(20_000_000)), 502, 1, id="without end"),
        pytest.param(lambda _: httpx.Response(422, text="no"), 502, 1, id="a refusal without a reason"),
    ],
)
def test_a_sibling_that_lets_the_agent_down_is_named(answer: Answer, status: int, attempts: int) -> None:
    neighbours = Neighbours(analyze=answer)
    response = run(agent(neighbours, failures=99), WAV)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert "ears" in response.json()["detail"]
    assert response.json()["steps"][0]["attempts"] == len(neighbours.requests) == attempts


def test_a_sibling_that_trickles_is_cut_off() -> None:
    class Trickle(Neighbours):
        async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
            await asyncio.sleep(5)
            raise AssertionError("nobody waits this long")

    assert run(agent(Trickle(), call_seconds=0.1), WAV).status_code == 504


def test_the_callers_own_mistake_is_passed_on_in_the_siblings_words() -> None:
    neighbours = Neighbours(analyze=lambda _: httpx.Response(422, json={"detail": "It was cut off."}))
    response = run(agent(neighbours), WAV)
    assert response.status_code == 422
    assert "It was cut off." in response.json()["detail"]


def test_an_answer_is_partial_when_a_part_failed_and_says_which() -> None:
    response = run(agent(Neighbours(thumbnail=failing(500))), MP4)
    assert response.status_code == 200
    document = response.json()
    assert document["outcome"] == "partial"
    assert [step["status"] for step in document["steps"]] == ["succeeded", "failed"]
    assert document["summary"].startswith("1 of 2 steps succeeded. Take a thumbnail: eyes failed")


def test_a_sibling_that_keeps_failing_is_left_alone_and_tried_again_after_a_rest() -> None:
    broken = True
    neighbours = Neighbours(
        analyze=lambda _: httpx.Response(500) if broken else httpx.Response(200, json=SOUND),
    )
    client = agent(neighbours, failures=3, rest_seconds=0.2)
    for _ in range(3):
        run(client, WAV)
    response = run(client, WAV)
    assert len(neighbours.requests) == 3
    assert "left alone" in response.json()["detail"]
    assert run(client, text="how loud?").status_code == 200, "the other siblings have breakers of their own"
    broken = False
    asyncio.run(asyncio.sleep(0.25))
    assert run(client, WAV).status_code == 200


def test_callers_mistakes_do_not_count_against_a_sibling() -> None:
    neighbours = Neighbours(analyze=lambda _: httpx.Response(422, json={"detail": "No."}))
    client = agent(neighbours, failures=2)
    for _ in range(5):
        assert run(client, WAV).status_code == 422
    assert len(neighbours.requests) == 5


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


def test_a_sibling_that_is_not_configured_is_said_and_never_called() -> None:
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
