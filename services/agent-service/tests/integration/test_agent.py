"""The agent in a deployed environment, through the load balancer: it has the services beside it do the work."""

from __future__ import annotations

import json

import httpx
import pytest


@pytest.mark.siblings("sound")
def test_a_sound_is_measured(api: httpx.Client, tone: bytes) -> None:
    response = api.post("/agent-service/run", files={"file": ("tone.wav", tone, "audio/wav")})
    assert response.status_code == 200, response.text
    (step,) = response.json()["steps"]
    assert (step["name"], step["status"]) == ("Measure the sound", "succeeded")
    assert step["result"]["channels"] == 1


@pytest.mark.siblings("video", "search")
def test_a_video_is_looked_at_and_a_question_answered(api: httpx.Client, clip: bytes) -> None:
    response = api.post(
        "/agent-service/run",
        files={"file": ("clip.webm", clip, "video/webm")},
        data={"text": "what is a frame rate?", "at": "0.5"},
    )
    assert response.status_code == 200, response.text
    assert response.json()["outcome"] == "complete"
    probe, thumbnail, ranking = response.json()["steps"]
    assert probe["result"]["width"] == 64
    assert thumbnail["result"]["image"].startswith("data:image/png;base64,")
    assert ranking["result"]["hits"][0]["title"] == "Frame rate"


@pytest.mark.siblings("sound")
def test_steps_are_told_as_they_happen(api: httpx.Client, tone: bytes) -> None:
    files, headers = {"file": ("tone.wav", tone, "audio/wav")}, {"Accept": "application/x-ndjson"}
    with api.stream("POST", "/agent-service/run", files=files, headers=headers) as response:
        events = [json.loads(line)["event"] for line in response.iter_lines()]
    assert events == ["planned", "started", "finished", "done"]


def test_a_file_that_no_service_takes_is_refused_with_a_sentence(api: httpx.Client) -> None:
    response = api.post("/agent-service/run", files={"file": ("paper.pdf", b"%PDF-1.7", "application/pdf")})
    assert response.status_code == 415
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].endswith(".")


@pytest.mark.siblings("sound")
def test_the_siblings_own_refusal_is_passed_on(api: httpx.Client, tone: bytes) -> None:
    response = api.post("/agent-service/run", files={"file": ("tone.wav", tone[:-1000], "audio/wav")})
    assert response.status_code == 422
    assert "cut off" in response.json()["detail"]


def test_the_console_is_at_the_root(api: httpx.Client) -> None:
    response = api.get("/")
    assert response.status_code == 200
    assert "<h1>Nova console</h1>" in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]
