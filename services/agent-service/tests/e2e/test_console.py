"""A person uses the console: files, questions, mistakes, and the keyboard alone."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from consoles import Console, Upload


@pytest.mark.siblings("sound")
def test_a_sound_shows_its_levels_and_its_waveform(console: Console, sound: Upload) -> None:
    shown = console.run(sound)
    assert shown.status.startswith("Complete in")
    assert shown.steps == ["Measure the sound: done"]
    assert shown.waveform == "Waveform of 1 s of sound, peak -20 dBFS"
    assert shown.facts["Loudness"] == "-23 LUFS"
    assert shown.facts["Channels"] == "1"
    assert console.complaints() == []


@pytest.mark.siblings("video")
def test_a_video_shows_its_facts_and_a_thumbnail(console: Console, video: Upload) -> None:
    shown = console.run(video, second="0.5")
    assert shown.status.startswith("Complete in")
    assert shown.steps == ["Probe the video: done", "Take a thumbnail: done"]
    assert shown.facts["Size"] == "64 \u00d7 48"
    assert shown.facts["Video"] == "vp8"
    assert shown.thumbnail == (64, 48)
    assert console.complaints() == []


@pytest.mark.siblings("search")
def test_a_question_shows_the_ranked_hits_with_the_words_that_match(console: Console) -> None:
    shown = console.run(question="frame rate")
    assert shown.steps == ["Rank what was found: done"]
    title, marked = shown.hits[0]
    assert title == "Frame rate"
    assert {word.casefold() for word in marked} == {"frame", "rate"}


@pytest.mark.siblings("search")
def test_a_question_about_a_text_file_is_answered_from_that_file(console: Console) -> None:
    text = "The lake is calm.\n\n" + "Boats cross it every hour. " * 20
    shown = console.run(Upload("notes.txt", "text/plain", text.encode()), question="boat")
    assert [title for title, _ in shown.hits] == ["Passage 2"]


@pytest.mark.siblings("search")
def test_a_file_may_be_dropped_anywhere_on_the_page(console: Console) -> None:
    shown = console.drop("notes.txt", "The lake is calm.\n\n" + "Boats cross it every hour. " * 20, "boat")
    assert [title for title, _ in shown.hits] == ["Passage 2"]


@pytest.mark.siblings("sound")
def test_a_file_that_cannot_be_used_is_explained(console: Console, sound: Upload) -> None:
    shown = console.run(Upload("cut.wav", "audio/wav", sound.content[:-5000]))
    assert "cut off" in shown.status
    assert shown.waveform is None


def test_an_unknown_file_is_refused_in_a_sentence(console: Console) -> None:
    shown = console.run(Upload("paper.pdf", "application/pdf", b"%PDF-1.7"))
    assert shown.status == (
        "No service takes PDF files. Send sound (WAV, MP3, M4A, FLAC, OGG, AIFF …), "
        "video (MP4, QuickTime, WebM, Matroska) or text."
    )


def test_an_empty_form_asks_for_something(console: Console) -> None:
    assert console.run().status == "Choose a file or type a question first."


@pytest.mark.siblings("search")
def test_the_keyboard_is_enough(console: Console) -> None:
    shown = console.ask_by_keyboard("what is a canary?")
    assert shown.hits[0][0] == "Releases and versions"


def test_the_page_asks_no_other_host(console: Console, base_url: str) -> None:
    console.run(question="loudness")
    assert console.requested_hosts() <= {urlsplit(base_url).netloc}
    assert console.complaints() == []
