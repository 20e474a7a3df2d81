"""The audio service in a deployed environment, through the load balancer."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest


@pytest.fixture(scope="session")
def sound(make_sound: Callable[..., bytes]) -> bytes:
    """Return two seconds of a stereo tone."""
    return make_sound(seconds=2, channels=2, rate=16_000)


def test_a_sound_is_measured(api: httpx.Client, sound: bytes) -> None:
    response = api.post("/audio-service/analyze", files={"file": ("tone.wav", sound, "audio/wav")})
    assert response.status_code == 200, response.text
    found = response.json()
    assert (found["duration_seconds"], found["sample_rate"], found["channels"]) == (2, 16_000, 2)
    assert found["peak_dbfs"] == pytest.approx(-20, abs=0.1)
    assert found["loudness_lufs"] == pytest.approx(-20, abs=0.2)
    assert 256 <= len(found["waveform"]) <= 512


@pytest.mark.parametrize(("content", "status"), [(b"", 422), (b"not a sound", 415)])
def test_what_is_no_sound_is_refused_with_a_sentence(api: httpx.Client, content: bytes, status: int) -> None:
    response = api.post("/audio-service/analyze", files={"file": ("upload", content, "audio/wav")})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].endswith(".")


def test_a_sound_that_was_cut_off_is_refused(api: httpx.Client, sound: bytes) -> None:
    response = api.post("/audio-service/analyze", files={"file": ("tone.wav", sound[:-1000], "audio/wav")})
    assert response.status_code == 422
    assert "cut off" in response.json()["detail"]


def test_a_body_of_the_wrong_kind_is_refused(api: httpx.Client) -> None:
    assert api.post("/audio-service/analyze", json={}).status_code == 415
