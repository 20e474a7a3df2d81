"""The video service in a deployed environment, through the load balancer."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest


@pytest.fixture(scope="session")
def video(make_video: Callable[..., bytes]) -> bytes:
    """Return a second of pictures, as MP4."""
    return make_video(seconds=1.0)


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


@pytest.mark.parametrize(
    ("operation", "content", "status"),
    [("probe", b"", 422), ("probe", b"not a video", 415), ("thumbnail", b"not a video", 415)],
)
def test_what_is_no_video_is_refused_with_a_sentence(
    api: httpx.Client, operation: str, content: bytes, status: int
) -> None:
    response = api.post(f"/video-service/{operation}", files={"file": ("upload", content, "video/mp4")})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].endswith(".")
