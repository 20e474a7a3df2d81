"""The video service, through its HTTP interface."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import av
import httpx2
import pytest
from starlette.testclient import TestClient

from video_service import opening
from video_service.main import app

MakeVideo = Callable[..., bytes]

client = TestClient(app, raise_server_exceptions=False)


def send(
    operation: str, content: bytes, media_type: str = "application/octet-stream", **query: float
) -> httpx2.Response:
    return client.post(f"/video-service/{operation}", files={"file": ("clip", content, media_type)}, params=query)


def picture(png: bytes) -> tuple[int, int, tuple[int, ...]]:
    """Return a PNG's width, height and the colour in its middle."""
    with av.open(io.BytesIO(png), "r") as container:
        pixels = next(container.decode(video=0)).to_ndarray(format="rgb24")
    height, width, _ = pixels.shape
    return width, height, tuple(int(value) for value in pixels[height // 2, width // 2])


@pytest.mark.exhaustive("test_a_video_from_a_camera_held_upright_is_shown_upright")
@pytest.mark.parametrize(
    ("container", "codec", "name", "shown"),
    [
        ("mp4", "libx264", "MP4", "h264"),
        ("mp4", "libx265", "MP4", "hevc"),
        ("webm", "libvpx", "WebM", "vp8"),
        ("webm", "libvpx-vp9", "WebM", "vp9"),
        ("mov", "libx264", "QuickTime", "h264"),
        ("mov", "libx265", "QuickTime", "hevc"),
        ("mov", "mpeg4", "QuickTime", "mpeg4"),
        ("matroska", "libx264", "Matroska", "h264"),
    ],
)
def test_a_video_is_described(make_video: MakeVideo, container: str, codec: str, name: str, shown: str) -> None:
    content = make_video(container, codec=codec)
    found = send("probe", content).json()
    assert found["format"] == name
    codec = shown
    assert found["duration_seconds"] == pytest.approx(2, abs=0.05)
    assert found["frame_rate"] == pytest.approx(25, abs=0.1)
    assert (found["width"], found["height"]) == (64, 48)
    assert (found["video_codec"], found["audio_codec"]) == (codec, None)
    assert found["size_bytes"] == len(content)


@pytest.mark.exhaustive("test_time_stamps_may_begin_anywhere")
def test_a_videos_sound_is_named(make_video: MakeVideo) -> None:
    assert send("probe", make_video(sound=True)).json()["audio_codec"] == "aac"
    assert send("probe", make_video("webm", sound=True)).json()["audio_codec"] == "opus"


@pytest.mark.exhaustive("test_time_stamps_may_begin_anywhere")
@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_a_thumbnail_shows_the_picture_of_its_second(make_video: MakeVideo, container: str) -> None:
    content = make_video(container)
    for at, brightest in [(0.0, 0), (0.9, 0), (1.1, 2), (1.95, 2)]:
        response = send("thumbnail", content, at=at)
        assert response.headers["content-type"] == "image/png"
        width, height, colour = picture(response.content)
        assert (width, height) == (64, 48)
        assert colour[brightest] > 200
        assert colour[2 - brightest] < 60


def test_a_thumbnail_keeps_the_videos_proportions(make_video: MakeVideo) -> None:
    assert picture(send("thumbnail", make_video(), width=32).content)[:2] == (32, 24)


def test_a_video_from_a_camera_held_upright_is_shown_upright(make_video: MakeVideo) -> None:
    """The matrix of the track header (ISO/IEC 14496-12, 8.3.2) says how pictures are to be turned."""
    content = bytearray(make_video(marked=True))
    matrix = content.index(b"tkhd") + 44
    turns = {
        (1, 0, 0, 1): (64, 48, "top left"),
        (0, 1, -1, 0): (48, 64, "top right"),
        (-1, 0, 0, -1): (64, 48, "bottom right"),
        (0, -1, 1, 0): (48, 64, "bottom left"),
    }
    for (a, b, c, d), (width, height, corner) in turns.items():
        struct.pack_into(">8i", content, matrix, a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0)
        found = send("probe", bytes(content)).json()
        assert (found["width"], found["height"]) == (width, height)
        with av.open(io.BytesIO(send("thumbnail", bytes(content)).content), "r") as container:
            pixels = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert pixels.shape == (height, width, 3)
        corners = {"top left": (4, 4), "top right": (4, -4), "bottom left": (-4, 4), "bottom right": (-4, -4)}
        green = [name for name, (row, column) in corners.items() if pixels[row, column, 1] > 200]
        assert green == [corner]


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_time_stamps_may_begin_anywhere(make_video: MakeVideo, container: str) -> None:
    content = make_video(container, begin=5.0)
    assert picture(send("thumbnail", content, at=0.5).content)[2][0] > 200
    assert picture(send("thumbnail", content, at=1.5).content)[2][2] > 200


def test_a_second_after_the_end_is_refused(make_video: MakeVideo) -> None:
    response = send("thumbnail", make_video(), at=60)
    assert response.status_code == 422
    assert "2.000 s long" in response.json()["detail"]


@pytest.mark.parametrize("at", ["-1", "nan", "inf", "soon"])
def test_a_second_that_is_none_is_refused(make_video: MakeVideo, at: str) -> None:
    response = client.post("/video-service/thumbnail", params={"at": at}, files={"file": make_video()})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "query.at"


@pytest.mark.parametrize("operation", ["probe", "thumbnail"])
@pytest.mark.parametrize("container", ["mp4", "webm"])
@pytest.mark.parametrize("share", [0.3, 0.95])
def test_a_file_that_was_cut_off_is_refused(
    make_video: MakeVideo, operation: str, container: str, share: float
) -> None:
    content = make_video(container)
    response = send(operation, content[: int(len(content) * share)])
    assert response.status_code == 422
    assert "cut off" in response.json()["detail"]


def test_a_video_without_pictures_is_refused() -> None:
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=48_000)
        frame = av.AudioFrame(format="fltp", layout=stream.layout.name, samples=1024)
        frame.rate = 48_000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    response = send("probe", target.getvalue())
    assert response.status_code == 415
    assert response.json()["detail"].startswith("The file is M4A, which has sound and no pictures.")


def test_pictures_too_large_to_hold_are_refused(make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_PIXELS", 64 * 48 - 1)
    response = send("probe", make_video())
    assert response.status_code == 422
    assert "64 x 48" in response.json()["detail"]


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_a_damaged_video_is_the_callers_mistake(
    make_video: MakeVideo, container: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = bytearray(make_video(container))
    for start in range(60, len(content) - 8, 23):
        content[start : start + 7] = b"\xa5" * 7
    for operation in ("probe", "thumbnail"):
        assert send(operation, bytes(content)).status_code == 422
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "video/mp4", 422),
        (b"not a video", "video/mp4", 415),
        (b"not a video", "application/octet-stream", 415),
        (b"\0\0\0\x18ftypisom", "video/webm", 415),
        (b"\0\0\0\x18ftypisom", "video/mp4", 422),
        (b"\x1aE\xdf\xa3", "video/webm", 422),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/\n", "video/mp4", 415),
    ],
)
def test_what_is_no_video_is_refused(content: bytes, media_type: str, status: int) -> None:
    assert send("probe", content, media_type).status_code == status


def test_a_thumbnail_is_what_the_openapi_document_says(make_video: MakeVideo) -> None:
    """Requests that are made up never hold a video, so the one answer without a model is compared here."""
    documented = app.openapi()["paths"]["/video-service/thumbnail"]["post"]["responses"]["200"]["content"]
    assert [send("thumbnail", make_video()).headers["content-type"]] == list(documented)
