"""The audio service, through its HTTP interface."""

from __future__ import annotations

import struct
from collections.abc import Callable

import httpx2
import pytest
from starlette.testclient import TestClient

from audio_service.main import app

MakeSound = Callable[..., bytes]

client = TestClient(app, raise_server_exceptions=False)


def analyze(content: bytes, media_type: str = "application/octet-stream") -> httpx2.Response:
    return client.post("/audio-service/analyze", files={"file": ("sound", content, media_type)})


def wav(samples: bytes, *, kind: int = 3, bits: int = 32, rate: int = 48_000, size: int | None = None) -> bytes:
    """Write a mono WAV file by hand, so that it can hold what no encoder would write."""
    header = struct.pack("<HHIIHH", kind, 1, rate, rate * bits // 8 % 2**32, bits // 8, bits)
    length = len(samples) if size is None else size
    return b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + header + struct.pack("<4sI", b"data", length) + samples


@pytest.mark.parametrize("container", ["wav", "flac", "ogg"])
def test_every_format_is_measured(make_sound: MakeSound, container: str) -> None:
    found = analyze(make_sound(container, seconds=2, channels=2)).json()
    assert found["format"] == container.upper()
    assert found["duration_seconds"] == pytest.approx(2, abs=0.05)
    assert (found["sample_rate"], found["channels"]) == (48_000, 2)
    assert found["peak_dbfs"] == pytest.approx(-20, abs=0.3)
    assert found["rms_dbfs"] == pytest.approx(-23.01, abs=0.2)
    assert found["loudness_lufs"] == pytest.approx(-20, abs=0.3)


@pytest.mark.exhaustive("test_a_sound_may_have_any_number_of_samples")
@pytest.mark.parametrize(
    ("dbfs", "channels", "lufs"),
    [(-23, 2, -23), (-33, 2, -33), (-20, 1, -23)],
    ids=["tech-3341-1", "tech-3341-2", "mono"],
)
def test_loudness_meets_the_tolerance_of_ebu_tech_3341(
    make_sound: MakeSound, dbfs: float, channels: int, lufs: float
) -> None:
    """Cases 1 and 2 of EBU Tech 3341, table 1: a stereo sine at 1 kHz reads its own level, within 0.1 LU."""
    content = make_sound(seconds=20, dbfs=dbfs, channels=channels, hertz=1000)
    assert analyze(content).json()["loudness_lufs"] == pytest.approx(lufs, abs=0.1)


@pytest.mark.exhaustive("test_a_sound_may_have_any_number_of_samples")
def test_quiet_passages_are_gated_out_of_the_loudness(make_sound: MakeSound) -> None:
    """Case 3 of EBU Tech 3341: 10 s at -36, 60 s at -23, 10 s at -36 dBFS read -23 LUFS."""
    levels = [(-36, 10), (-23, 60), (-36, 10)]
    parts = [make_sound(seconds=seconds, dbfs=dbfs, channels=2, hertz=1000, rate=16_000) for dbfs, seconds in levels]
    start = parts[0].index(b"data") + 8
    samples = b"".join(part[start : start + seconds * 64_000] for part, (_, seconds) in zip(parts, levels, strict=True))
    content = bytearray(parts[0][:start] + samples)
    struct.pack_into("<I", content, start - 4, len(samples))
    assert analyze(bytes(content)).json()["loudness_lufs"] == pytest.approx(-23, abs=0.1)


def test_silence_has_a_duration_but_no_levels(make_sound: MakeSound) -> None:
    found = analyze(make_sound(dbfs=None)).json()
    assert found["duration_seconds"] == 1
    assert [found[key] for key in ("peak_dbfs", "rms_dbfs", "loudness_lufs", "loudness_range_lu")] == [None] * 4


@pytest.mark.exhaustive("test_the_waveform_shows_where_the_sound_is")
@pytest.mark.parametrize("seconds", [0.3, 1, 63.7])
def test_the_waveform_has_at_most_512_points(make_sound: MakeSound, seconds: float) -> None:
    points = analyze(make_sound(seconds=seconds, rate=8000)).json()["waveform"]
    assert 100 <= len(points) <= 512
    assert max(points) == pytest.approx(0.1, abs=0.002)


def test_the_waveform_shows_where_the_sound_is() -> None:
    quiet, loud = struct.pack("<4800f", *[0.0] * 4800), struct.pack("<4800f", *[0.5] * 4800)
    points = analyze(wav(quiet + loud)).json()["waveform"]
    half = len(points) // 2
    assert max(points[: half - 1]) == 0
    assert min(points[half + 1 :]) == 0.5


@pytest.mark.parametrize("samples", [1, 100, 4799, 4801, 59_999])
def test_a_sound_may_have_any_number_of_samples(samples: int) -> None:
    found = analyze(wav(struct.pack(f"<{samples}f", *[0.5] * samples))).json()
    assert found["duration_seconds"] == round(samples / 48_000, 3)
    assert found["peak_dbfs"] == -6.02
    assert (found["loudness_lufs"] is None) == (samples < 19_200)


def test_a_title_in_an_old_encoding_does_no_harm() -> None:
    content = wav(struct.pack("<480f", *[0.5] * 480))
    title = b"LIST" + struct.pack("<I", 16) + b"INFOINAM" + struct.pack("<I", 4) + b"caf\xe9"
    assert analyze(content[:36] + title + content[36:]).status_code == 200


def test_a_float_recording_may_be_above_full_scale() -> None:
    assert analyze(wav(struct.pack("<4800f", *[2.0] * 4800))).json()["peak_dbfs"] == pytest.approx(6.02, abs=0.01)


def test_a_recording_that_was_streamed_states_no_size(make_sound: MakeSound) -> None:
    samples = struct.pack("<4800f", *[0.5] * 4800)
    assert analyze(wav(samples, size=0xFFFFFFFF)).json()["duration_seconds"] == 0.1


@pytest.mark.parametrize("container", ["wav", "flac", "ogg"])
def test_a_file_that_was_cut_off_is_refused(make_sound: MakeSound, container: str) -> None:
    content = make_sound(container, seconds=3)
    response = analyze(content[: len(content) * 2 // 3])
    assert response.status_code == 422
    assert "cut off" in response.json()["detail"] or "damaged" in response.json()["detail"]


@pytest.mark.parametrize("signature", [b"RF64", b"BW64"])
def test_a_large_file_that_was_cut_off_is_refused(signature: bytes) -> None:
    """RF64 states the size of its samples in a chunk of its own (EBU Tech 3306); so does BW64 (ITU-R BS.2088)."""
    for stated, status in [(960, 200), (961, 422)]:
        sizes = struct.pack("<4sIQQQI", b"ds64", 28, 0, stated, 0, 0)
        content = wav(bytes(960), kind=1, bits=16, size=0xFFFFFFFF)
        assert analyze(signature + content[4:12] + sizes + content[12:]).status_code == status


@pytest.mark.parametrize("container", ["flac", "ogg"])
def test_a_bit_that_flipped_on_the_way_is_found(make_sound: MakeSound, container: str) -> None:
    content = bytearray(make_sound(container, seconds=3))
    content[len(content) // 2] ^= 0x10
    response = analyze(bytes(content))
    assert response.status_code == 422
    assert "damaged" in response.json()["detail"]


def test_a_codec_that_makes_an_hour_of_noise_of_a_few_bytes_is_refused_by_its_name() -> None:
    response = analyze(wav(bytes(48_000), kind=0x161, bits=16))
    assert response.status_code == 422
    assert response.json()["detail"] == "The WAV file's sound is in wmav2. Export it as PCM or ADPCM."


def test_the_highest_level_is_zero_without_a_sign() -> None:
    assert '"peak_dbfs":0.0' in analyze(wav(struct.pack("<480h", *[32767] * 480), kind=1, bits=16)).text


def test_samples_whose_energy_is_beyond_all_numbers_are_refused(recwarn: pytest.WarningsRecorder) -> None:
    response = analyze(wav(struct.pack("<480d", *[1e300] * 480), bits=64))
    assert response.status_code == 422
    assert [str(warning.message) for warning in recwarn] == []


def test_an_empty_file_is_refused() -> None:
    response = analyze(b"")
    assert (response.status_code, response.json()["detail"]) == (422, "The file is empty. Send one with content.")


def test_a_label_that_contradicts_the_content_is_refused(make_sound: MakeSound) -> None:
    response = analyze(make_sound("flac"), "audio/wav")
    assert response.status_code == 415
    assert "is FLAC" in response.json()["detail"]


def test_another_format_is_refused_by_its_name() -> None:
    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), name) + content

    track = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"vide" + bytes(12))))
    response = analyze(box(b"ftyp", b"isom" + bytes(4)) + box(b"moov", track))
    assert response.status_code == 415
    assert response.json()["detail"] == (
        "The file is MP4, which has pictures. This service takes sound (WAV, MP3, M4A, FLAC, OGG, AIFF …)."
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(wav(b""), id="no samples"),
        pytest.param(wav(struct.pack("<480f", *[float("nan")] * 480)), id="samples that are not numbers"),
        pytest.param(wav(b"\0" * 960, rate=2_000_000_000), id="an absurd sample rate"),
        pytest.param(wav(b"\0" * 960, rate=0), id="no sample rate"),
        pytest.param(wav(b"\0" * 960, rate=3000), id="a sample rate that loudness is not defined for"),
        pytest.param(wav(b"\0" * 960, kind=0x9999), id="an unknown codec"),
        pytest.param(b"RIFF\0\0\0\0WAVE", id="a header and nothing else"),
        pytest.param(b"fLaC" + bytes(range(256)) * 8, id="noise after the signature of FLAC"),
        pytest.param(b"OggS" + bytes(range(256)) * 8, id="noise after the signature of OGG"),
    ],
)
def test_a_damaged_file_is_the_callers_mistake(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    response = analyze(content)
    assert response.status_code == 422
    assert response.json()["detail"].endswith(".")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_play_list_cannot_make_the_service_open_other_files() -> None:
    assert analyze(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n").status_code == 415


def test_a_body_that_is_no_form_is_refused() -> None:
    response = client.post("/audio-service/analyze", content=b"RIFF", headers={"Content-Type": "audio/wav"})
    assert response.status_code == 415
    assert response.headers["accept-post"] == "multipart/form-data"
