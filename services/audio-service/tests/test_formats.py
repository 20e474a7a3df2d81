"""The sound that people have: from phones, recorders, browsers and shops, told by what is in it."""

from __future__ import annotations

import struct
from collections.abc import Callable

import httpx2
import pytest
from starlette.testclient import TestClient

from audio_service.main import app

MakeSound = Callable[..., bytes]

client = TestClient(app, raise_server_exceptions=False)

NO_TAG = {"id3v2_version": "0", "write_xing": "0"}


def analyze(content: bytes, media_type: str = "application/octet-stream", name: str = "sound") -> httpx2.Response:
    return client.post("/audio-service/analyze", files={"file": (name, content, media_type)})


@pytest.mark.parametrize(
    ("container", "more", "name", "codec"),
    [
        ("mp3", {}, "MP3", "mp3"),
        ("mp3", NO_TAG, "MP3", "mp3"),
        ("mp3", {**NO_TAG, "rate": 22_050}, "MP3", "mp3"),
        ("mp3", {**NO_TAG, "rate": 11_025}, "MP3", "mp3"),
        ("mp3", {**NO_TAG, "rate": 8_000}, "MP3", "mp3"),
        ("mp3", {"cover": True}, "MP3", "mp3"),
        ("ipod", {}, "M4A", "aac"),
        ("ipod", {"codec": "alac"}, "M4A", "alac"),
        ("mp4", {}, "M4A", "aac"),
        ("mp4", {"movflags": "frag_keyframe+empty_moov"}, "M4A", "aac"),
        ("mov", {}, "QuickTime sound", "aac"),
        ("mov", {"codec": "pcm_s24le"}, "QuickTime sound", "pcm_s24le"),
        ("adts", {}, "AAC", "aac"),
        ("aiff", {}, "AIFF", "pcm_s16be"),
        ("aiff", {"codec": "pcm_f32be"}, "AIFF", "pcm_f32be"),
        ("caf", {}, "CAF", "pcm_s16be"),
        ("webm", {}, "WebM sound", "opus"),
        ("matroska", {}, "Matroska sound", "opus"),
        ("matroska", {"codec": "flac"}, "Matroska sound", "flac"),
        ("ogg", {"codec": "flac"}, "OGG", "flac"),
        ("flac", {"cover": True}, "FLAC", "flac"),
        ("wav", {"rf64": "always"}, "WAV", "pcm_s16le"),
        ("wav", {"codec": "pcm_s24le"}, "WAV", "pcm_s24le"),
        ("wav", {"codec": "pcm_f32le"}, "WAV", "pcm_f32le"),
        ("wav", {"codec": "pcm_mulaw", "rate": 8_000}, "WAV", "pcm_mulaw"),
    ],
)
def test_a_sound_is_measured_whatever_it_is_in(
    make_sound: MakeSound, container: str, more: dict[str, object], name: str, codec: str
) -> None:
    response = analyze(make_sound(container, seconds=2, **more))
    assert response.status_code == 200, response.json()
    found = response.json()
    assert (found["format"], found["codec"]) == (name, codec)
    # What encoders add before and after the sound is theirs.
    assert found["duration_seconds"] == pytest.approx(2, abs=0.2)
    assert found["rms_dbfs"] == pytest.approx(-23, abs=1)


@pytest.mark.parametrize(
    ("before", "after"),
    [(bytes(300), b""), (b"", b"TAG" + b"x" * 125), (b"ID3\4\0\0\0\0\1\0" + bytes(128), b""), (b"", bytes(40))],
)
def test_an_mp3_is_found_wherever_its_frames_begin(make_sound: MakeSound, before: bytes, after: bytes) -> None:
    assert analyze(before + make_sound("mp3", seconds=2, **NO_TAG) + after).json()["format"] == "MP3"


@pytest.mark.exhaustive("test_a_sound_is_measured_whatever_it_is_in")
def test_a_piece_of_an_mp3_stream_is_measured(make_sound: MakeSound) -> None:
    found = analyze(make_sound("mp3", seconds=3, **NO_TAG)[1000:-700]).json()
    assert found["duration_seconds"] == pytest.approx(2.8, abs=0.2)


@pytest.mark.exhaustive("test_an_mp3_is_found_wherever_its_frames_begin")
@pytest.mark.parametrize(
    ("container", "media_type", "name"),
    [
        ("mp3", "audio/mpeg", "song.mp3"),
        ("ipod", "audio/x-m4a", "memo.m4a"),
        ("mp4", "video/mp4", "memo.mp4"),
        ("mov", "video/quicktime", "memo.mov"),
        ("aiff", "audio/x-aiff", "take.aif"),
        ("webm", "audio/webm;codecs=opus", "recording.webm"),
        ("webm", "video/webm", "recording.webm"),
        ("mp3", "text/plain", "song.txt"),
        ("wav", "", "no-name"),
    ],
)
def test_the_labels_that_browsers_give_are_right(
    make_sound: MakeSound, container: str, media_type: str, name: str
) -> None:
    assert analyze(make_sound(container), media_type, name).status_code == 200


@pytest.mark.parametrize("container", ["mp3", "ipod", "mov", "aiff", "caf", "webm", "matroska"])
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_file_that_was_cut_off_is_refused(make_sound: MakeSound, container: str, share: float) -> None:
    content = make_sound(container, seconds=5)
    response = analyze(content[: int(len(content) * share)])
    assert response.status_code == 422
    assert "cut off" in response.json()["detail"]


def test_the_checksum_of_a_flac_file_is_compared(make_sound: MakeSound) -> None:
    content = bytearray(make_sound("flac"))
    assert content[26:42].strip(b"\0"), "the encoder has written one"
    content[30] ^= 1
    response = analyze(bytes(content))
    assert response.status_code == 422
    assert response.json()["detail"].startswith("The FLAC file was damaged: its sound is not what its checksum says.")
    content[26:42] = bytes(16)
    assert analyze(bytes(content)).status_code == 200, "an encoder may not know it"


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_checksum_holds_for_every_width(make_sound: MakeSound, bits: int, channels: int) -> None:
    content = make_sound("flac", channels=channels, sample_format="s32" if bits == 24 else "s16")
    assert (int.from_bytes(content[20:22], "big") >> 4 & 0x1F) + 1 == bits
    assert analyze(content).status_code == 200


def wav(samples: bytes, bits: int) -> bytes:
    header = struct.pack("<HHIIHH", 3, 1, 48_000, 48_000 * bits // 8, bits // 8, bits)
    return b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + header + struct.pack("<4sI", b"data", len(samples)) + samples


@pytest.mark.parametrize("value", [1e38, 3e3, float("inf"), float("nan")])
def test_a_peak_that_no_sound_has_is_refused(value: float) -> None:
    samples = [0.1] * 4800
    samples[2400] = value
    response = analyze(wav(struct.pack("<4800f", *samples), 32))
    assert response.status_code == 422
    assert response.json()["detail"].endswith("Export the file again.") or "not numbers" in response.json()["detail"]


def test_a_loud_but_possible_peak_is_measured() -> None:
    found = analyze(wav(struct.pack("<4800f", *[300.0] * 4800), 32)).json()
    assert found["peak_dbfs"] == pytest.approx(49.54, abs=0.01)
