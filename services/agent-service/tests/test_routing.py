"""A file goes where its content belongs, whatever it is called; a text is read in the encodings that people have."""

from __future__ import annotations

import struct

import httpx
import pytest
from starlette.testclient import TestClient

from agent_service.handbook import handbook, passages_of
from agent_service.main import build_app
from agent_service.names import SiblingNames
from agent_service.siblings import Siblings
from agent_service.texts import read_text
from nova_kit.problems import Problem
from nova_kit.settings import Settings, SettingsError

NAMES = SiblingNames(sound="ears", video="eyes", search="finder")


def box(name: bytes, *content: bytes) -> bytes:
    joined = b"".join(content)
    return struct.pack(">I4s", 8 + len(joined), name) + joined


def movie(*kinds: bytes) -> bytes:
    return box(b"moov", *(box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + kind + bytes(12)))) for kind in kinds))


def element(identifier: int, *content: bytes) -> bytes:
    joined = b"".join(content)
    length = (1 << 28) | len(joined)
    return identifier.to_bytes((identifier.bit_length() + 7) // 8, "big") + length.to_bytes(4, "big") + joined


def matroska(kind: bytes, *tracks: int) -> bytes:
    head = element(0x1A45DFA3, element(0x4282, kind))
    listed = element(0x1654AE6B, *(element(0xAE, element(0x83, bytes([track]))) for track in tracks))
    return head + element(0x18538067, element(0xEC, bytes(20)), listed, element(0x1F43B675, bytes(40)))


# MPEG-1 layer III at 128 kbit/s and 44.1 kHz, of 417 bytes; MPEG-2.5 at 32 kbit/s and 8 kHz, of 288.
MPEG_1 = (b"\xff\xfb\x90\xc4" + bytes(413)) * 8
MPEG_25 = (b"\xff\xe3\x48\xc4" + bytes(284)) * 8
ADTS = (b"\xff\xf1\x50\x40\x02\x1f\xfc" + bytes(9)) * 4
ISOM = box(b"ftyp", b"isom" + bytes(4))
QT = box(b"ftyp", b"qt  " + bytes(4))

SOUNDS = {
    "WAV": b"RIFF\x24\0\0\0WAVEfmt ",
    "RF64": b"RF64\xff\xff\xff\xffWAVEds64",
    "MP3": MPEG_1,
    "MP3, MPEG-2.5": MPEG_25,
    "MP3 after a tag": b"ID3\3\0\0\0\0\1\0" + bytes(128) + MPEG_1,
    "MP3 after zeros": bytes(700) + MPEG_1,
    "MP3 from the middle of a frame": MPEG_1[300:],
    "AAC": ADTS,
    "AIFF": b"FORM\0\0\1\0AIFFCOMM" + bytes(20),
    "AIFC": b"FORM\0\0\1\0AIFCFVER" + bytes(20),
    "FLAC": b"fLaC\0\0\0\x22",
    "FLAC after a tag": b"ID3\3\0\0\0\0\0\x08" + bytes(8) + b"fLaC\0\0\0\x22",
    "OGG": b"OggS\0\2" + bytes(22) + b"OpusHead",
    "CAF": b"caff\0\1\0\0desc" + bytes(20),
    "AMR": b"#!AMR\n" + bytes(32),
    "a voice memo in MP4": ISOM + box(b"mdat", bytes(64)) + movie(b"soun"),
    "a voice memo in QuickTime": QT + movie(b"soun") + box(b"mdat", bytes(64)),
    "M4A with chapters": box(b"ftyp", b"M4A " + bytes(4)) + movie(b"soun", b"text"),
    "old QuickTime": box(b"wide") + box(b"mdat", bytes(64)) + movie(b"soun"),
    "WebM from a browser": matroska(b"webm", 2),
    "Matroska": matroska(b"matroska", 2),
}
VIDEOS = {
    "MP4": ISOM + movie(b"vide", b"soun") + box(b"mdat", bytes(64)),
    "MP4 whose index is at the end": ISOM + box(b"mdat", bytes(64)) + movie(b"soun", b"vide"),
    "MP4 without its index": ISOM + box(b"mdat", bytes(64)),
    "QuickTime": QT + movie(b"vide"),
    "old QuickTime": movie(b"vide") + box(b"mdat", bytes(64)),
    "WebM": matroska(b"webm", 1, 2),
    "Matroska": matroska(b"matroska", 2, 1),
}


class Balancer(httpx.AsyncBaseTransport):
    """Remembers the paths that it is asked for, and answers nothing of use."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.paths.append(request.url.path)
        return httpx.Response(500)


def asked(content: bytes, media_type: str, name: str = "upload") -> set[str]:
    balancer = Balancer()
    app = build_app(Settings(service="agent-service"), Siblings("http://balancer", transport=balancer), NAMES)
    TestClient(app).post("/agent-service/run", files={"file": (name, content, media_type)})
    return set(balancer.paths)


@pytest.mark.exhaustive("test_a_text_is_never_taken_for_something_else")
@pytest.mark.parametrize("content", SOUNDS.values(), ids=list(SOUNDS))
@pytest.mark.parametrize(("media_type", "name"), [("", "upload"), ("text/plain", "notes.txt"), ("video/avi", "a.avi")])
def test_a_sound_goes_to_the_service_for_sound(content: bytes, media_type: str, name: str) -> None:
    assert asked(content, media_type, name) == {"/ears/analyze"}


@pytest.mark.parametrize("content", VIDEOS.values(), ids=list(VIDEOS))
@pytest.mark.parametrize(("media_type", "name"), [("", "upload"), ("text/plain", "notes.txt")])
def test_a_video_goes_to_the_service_for_video(content: bytes, media_type: str, name: str) -> None:
    assert asked(content, media_type, name) == {"/eyes/probe", "/eyes/thumbnail"}


@pytest.mark.parametrize(
    "content",
    [
        b"BMW is a maker of cars.",
        b"MZ is a prefix, GIF is not.",
        b"ID;name;value\n1;boat;2\n",
        b'{"lake": [1, 2, 3]}',
        b"<html><body>A lake.</body></html>",
        b"%!PS-like text is text.",
        "ÿþ is no mark here".encode(),
        "\ufeffA lake.".encode("utf-16-le"),
        b"OggT is no OggS",
    ],
)
def test_a_text_is_never_taken_for_something_else(content: bytes) -> None:
    assert passages_of(content)
    balancer = Balancer()
    app = build_app(Settings(service="agent-service"), Siblings("http://balancer", transport=balancer), NAMES)
    TestClient(app).post("/agent-service/run", files={"file": ("notes", content, "")}, data={"text": "lake"})
    assert balancer.paths == ["/finder/rank"]


TEXTS = [
    "これは日本語の文章です。京都の天気は雨。",
    "湖は静かだ。",
    "会議の議事録\r\n・予算\r\n・日程",
    "The lake is calm.\nボート",
    "ボートは毎時、湖を渡る。\n\n塔は丘の上に立つ。",
    "名前,住所\r\n山田,東京\r\n佐藤,大阪\r\n",
    "①株式会社　全角スペース",
    "plain ASCII",
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp932", "euc_jp", "iso2022_jp"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("times", [1, 100])
def test_a_text_is_read_in_the_encodings_of_japan(text: str, encoding: str, times: int) -> None:
    try:
        content = (text * times).encode(encoding)
    except UnicodeEncodeError:
        pytest.skip(f"{encoding} has no such characters")
    assert read_text(content) == text * times


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (bytes(range(256)) * 20, 415),
        (b"\0\1\2", 415),
        (b"caf\xe9", 422),
        (b"\x80abc\xff", 422),
        (b"\xff\xfe\0\xd8", 415),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, status: int) -> None:
    with pytest.raises(Problem) as refused:
        read_text(content)
    assert refused.value.status_code == status


def test_lines_of_japanese_are_joined_without_spaces() -> None:
    (passage,) = passages_of("東\n京の\n lake\nis 京\n都".encode())
    assert passage.text == "東京の lake is 京都"


def test_the_handbook_has_the_same_articles_in_both_languages() -> None:
    assert [article.id for article in handbook("en")] == [article.id for article in handbook("ja")]
    assert all(
        article.text and article.title and article.id for language in ("en", "ja") for article in handbook(language)
    )


def test_a_text_with_too_many_passages_is_refused() -> None:
    with pytest.raises(Problem, match="413"):
        passages_of(b"\n\n".join([b"word " * 100] * 2001))


def test_no_word_of_a_text_is_lost_in_its_passages() -> None:
    text = "First paragraph.\n\nSecond " + "long " * 600 + "end.\n\n" + "x" * 3000
    assert "".join("".join(passage.text for passage in passages_of(text.encode())).split()) == "".join(text.split())


def test_the_siblings_are_named_by_variables() -> None:
    assert SiblingNames.from_environment({"SOUND_SERVICE": "ears", "VIDEO_SERVICE": ""}) == SiblingNames(sound="ears")
    with pytest.raises(SettingsError, match=r"SEARCH_SERVICE='\.\./x' is not the name of a service"):
        SiblingNames.from_environment({"SEARCH_SERVICE": "../x"})
