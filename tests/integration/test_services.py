"""Each service does its work, through the load balancer, in a deployed environment."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import httpx
import pytest

# What is delivered, so that a new service is asked from its first deployment on.
_CONFIG = tomllib.loads((Path(__file__).parents[2] / "nova.toml").read_text(encoding="utf-8"))
SERVICES = [service["name"] for service in _CONFIG["services"]]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_tells_what_runs(api: httpx.Client, service: str) -> None:
    response = api.get(f"/{service}/version")
    assert response.status_code == 200
    assert response.json()["service"] == service
    assert response.json()["release"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_describes_itself(api: httpx.Client, service: str) -> None:
    document = api.get(f"/{service}/openapi.json").json()
    assert document["info"]["title"] == service
    assert f"/{service}/version" in document["paths"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_answers_an_unknown_route_with_a_problem(api: httpx.Client, service: str) -> None:
    response = api.get(f"/{service}/no-such-route", headers={"X-Request-Id": "integration-test"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["x-request-id"] == "integration-test"


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_answers_head_as_get_without_the_body(api: httpx.Client, service: str) -> None:
    response = api.head(f"/{service}/version")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_names_the_methods_it_takes(api: httpx.Client, service: str) -> None:
    response = api.put(f"/{service}/version")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"


def test_a_sound_is_measured(api: httpx.Client, sound: bytes) -> None:
    response = api.post("/audio-service/analyze", files={"file": ("tone.wav", sound, "audio/wav")})
    assert response.status_code == 200, response.text
    found = response.json()
    assert (found["duration_seconds"], found["sample_rate"], found["channels"]) == (2, 16_000, 2)
    assert found["peak_dbfs"] == pytest.approx(-20, abs=0.1)
    assert found["loudness_lufs"] == pytest.approx(-20, abs=0.2)
    assert 256 <= len(found["waveform"]) <= 512


def test_a_video_is_probed(api: httpx.Client, video: bytes) -> None:
    response = api.post("/video-service/probe", files={"file": ("clip.mp4", video, "video/mp4")})
    assert response.status_code == 200, response.text
    found = response.json()
    assert (found["width"], found["height"], found["frame_rate"]) == (64, 48, 25)
    assert found["duration_seconds"] == pytest.approx(1, abs=0.05)
    assert found["video_codec"] == "h264"


def test_a_thumbnail_is_a_png(api: httpx.Client, video: bytes) -> None:
    response = api.post(
        "/video-service/thumbnail", params={"at": 0.5}, files={"file": ("clip.mp4", video, "video/mp4")}
    )
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    assert response.content.startswith(b"\x89PNG\r\n\x1a\n")


def test_documents_are_ranked(api: httpx.Client) -> None:
    documents = [
        {"id": "boat", "text": "A boat crosses the lake."},
        {"id": "canary", "text": "The canary release is watched; a bad canary is rolled back."},
    ]
    response = api.post("/search-service/rank", json={"query": "canary releases", "documents": documents})
    assert response.status_code == 200, response.text
    (hit,) = response.json()["hits"]
    assert hit["id"] == "canary"
    marked = [hit["snippet"][mark["start"] : mark["end"]] for mark in hit["highlights"]]
    assert marked == ["canary", "release", "canary"]


def test_the_agent_has_a_sound_measured(api: httpx.Client, sound: bytes) -> None:
    response = api.post("/agent-service/run", files={"file": ("tone.wav", sound, "audio/wav")})
    assert response.status_code == 200, response.text
    (step,) = response.json()["steps"]
    assert (step["service"], step["status"]) == ("audio-service", "succeeded")
    assert step["result"]["channels"] == 2


def test_the_agent_has_a_video_looked_at_and_a_question_answered(api: httpx.Client, video: bytes) -> None:
    response = api.post(
        "/agent-service/run",
        files={"file": ("clip.mp4", video, "video/mp4")},
        data={"text": "what is a frame rate?", "at": "0.5"},
    )
    assert response.status_code == 200, response.text
    assert response.json()["outcome"] == "complete"
    probe, thumbnail, ranking = response.json()["steps"]
    assert probe["result"]["width"] == 64
    assert thumbnail["result"]["image"].startswith("data:image/png;base64,")
    assert ranking["result"]["hits"][0]["title"] == "Frame rate"


def test_the_agent_tells_its_steps_as_they_happen(api: httpx.Client, sound: bytes) -> None:
    request = {"files": {"file": ("tone.wav", sound, "audio/wav")}, "headers": {"Accept": "application/x-ndjson"}}
    with api.stream("POST", "/agent-service/run", **request) as response:
        events = [json.loads(line)["event"] for line in response.iter_lines()]
    assert events == ["planned", "started", "finished", "done"]


@pytest.mark.parametrize(
    ("path", "content", "media_type", "status"),
    [
        ("/audio-service/analyze", b"", "audio/wav", 422),
        ("/audio-service/analyze", b"not a sound", "audio/wav", 415),
        ("/video-service/probe", b"", "video/mp4", 422),
        ("/video-service/probe", b"not a video", "video/mp4", 415),
        ("/video-service/thumbnail", b"not a video", "video/mp4", 415),
        ("/agent-service/run", b"%PDF-1.7", "application/pdf", 415),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(
    api: httpx.Client, path: str, content: bytes, media_type: str, status: int
) -> None:
    response = api.post(path, files={"file": ("upload", content, media_type)})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].endswith(".")


def test_a_sound_that_was_cut_off_is_refused_through_the_agent_as_well(api: httpx.Client, sound: bytes) -> None:
    for path in ("/audio-service/analyze", "/agent-service/run"):
        response = api.post(path, files={"file": ("tone.wav", sound[:-1000], "audio/wav")})
        assert response.status_code == 422
        assert "cut off" in response.json()["detail"]


def test_a_body_of_the_wrong_kind_is_refused(api: httpx.Client) -> None:
    assert api.post("/search-service/rank", content=b"a", headers={"Content-Type": "text/plain"}).status_code == 415
    assert api.post("/audio-service/analyze", json={}).status_code == 415


def test_text_that_is_not_utf_8_is_refused(api: httpx.Client) -> None:
    response = api.post(
        "/search-service/rank", content=b'{"query": "caf\xe9"}', headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert "UTF-8" in response.json()["detail"]


def test_the_console_is_at_the_root(api: httpx.Client) -> None:
    response = api.get("/")
    assert response.status_code == 200
    assert "<h1>Nova console</h1>" in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]
