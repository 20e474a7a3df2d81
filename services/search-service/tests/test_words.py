"""What finds what, script by script. `words.json`: a query, documents, the first hits in order, what is no hit."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from nova_kit.workers import Deadline
from search_service.main import app
from search_service.models import Document, Query
from search_service.ranking import rank
from search_service.text import AlignedText, normalize

CASES = json.loads((Path(__file__).parent / "words.json").read_text(encoding="utf-8"))

client = TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(("query", "texts", "first", "not_found"), CASES, ids=[f"{at}" for at in range(len(CASES))])
def test_a_query_finds_what_its_readers_expect(
    query: str, texts: list[str], first: list[int], not_found: list[int]
) -> None:
    documents = [{"text": text} for text in texts]
    hits = client.post("/search-service/rank", json={"query": query, "documents": documents}).json()["hits"]
    found = [int(hit["id"]) for hit in hits]
    assert found[: len(first)] == first
    assert not set(found) & set(not_found)
    for hit in hits:
        assert hit["highlights"], "what made it a hit is marked"


@pytest.mark.parametrize(
    ("query", "text", "marked"),
    [
        ("ビザ", "今日はﾋﾞｻﾞの話", ["ﾋﾞｻﾞ"]),
        ("ビザ", "ヒ\u3099サ\u3099とﾋﾞﾃﾞｵ", ["ヒ\u3099サ\u3099"]),
        ("株式会社", "㍿ノバと株式会社ノバ", ["㍿", "株式会社"]),
        ("食べる", "😀もう食べた？", ["食べ"]),
        ("abc", "全角ＡＢＣと半角abc", ["ＡＢＣ", "abc"]),
        ("東京都", "夏の東京都の天気", ["東京都"]),
        ("e-mail", "😀 My E-Mail, your email", ["E-Mail", "email"]),
        ("ﬁnal", "the ﬁnal final", ["ﬁnal", "final"]),
        ("한글", "\u1112\u1161\u11ab\u1100\u1173\u11af 문서", ["\u1112\u1161\u11ab\u1100\u1173\u11af"]),
        ("é", "e\u0301 and é", ["e\u0301", "é"]),
    ],
)
def test_highlights_mark_the_original_spelling(query: str, text: str, marked: list[str]) -> None:
    document = {"query": query, "documents": [{"text": text}]}
    (hit,) = client.post("/search-service/rank", json=document).json()["hits"]
    assert hit["snippet"] == text
    assert [text[mark["start"] : mark["end"]] for mark in hit["highlights"]] == marked


@pytest.mark.parametrize("filler", ["これは長い文章の一部です。", "長い文章", "กขค", "é\u0323 ", "ﾊﾞﾋﾟ。", "👩‍👩‍👧 "])
def test_the_snippet_of_a_long_text_shows_the_match(filler: str) -> None:
    text = filler * 200 + "、検索、" + filler * 200
    (hit,) = client.post("/search-service/rank", json={"query": "検索", "documents": [{"text": text}]}).json()["hits"]
    assert len(hit["snippet"]) <= 240
    assert [hit["snippet"][mark["start"] : mark["end"]] for mark in hit["highlights"]] == ["検索"]


# Composed, decomposed, half-width, compatibility and conjoining characters, and what may follow them.
_ODD = st.text(alphabet=st.one_of(st.sampled_from("aeコヒハ\u3099\u309aﾊﾋﾞﾟ\u0301\u0323한ﾡￂㄱㅏ㍿ﬁำ्๋꙯Åſ"), st.characters()))


@pytest.mark.exhaustive("test_a_query_finds_what_its_readers_expect")
@given(_ODD)
@example("ㄱㅏ")
@example("ﾊﾞ")
def test_a_text_brought_into_one_form_piece_by_piece_is_the_same_as_at_once(text: str) -> None:
    assert AlignedText(text, Deadline(60)).text == normalize(text)


@pytest.mark.exhaustive("test_a_query_finds_what_its_readers_expect")
@given(_ODD)
def test_the_pieces_lead_back_to_the_whole_original(text: str) -> None:
    aligned = AlignedText(text, Deadline(60))
    stretches = [aligned.original(at, at + 1) for at in range(len(aligned.text))]
    assert all(0 <= start < end <= len(text) for start, end in stretches)
    assert stretches == sorted(stretches)
    for at, (start, end) in enumerate(stretches):
        assert aligned.text[at] in normalize(text[start:end])


def test_equal_ids_are_refused() -> None:
    for documents in ([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}], [{"id": "1", "text": "x"}, {"text": "y"}]):
        response = client.post("/search-service/rank", json={"query": "x", "documents": documents})
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "body.documents.1.id"
        assert "id of document 0" in response.json()["detail"]


@pytest.mark.parametrize("text", ["京都" * 9_000, "ﾋﾞｻﾞ" * 9_000, "走った" * 6_000, "京都の" * 6_000])
def test_a_run_longer_than_the_dictionary_takes_is_searched(text: str) -> None:
    """The dictionary refuses more than 48 kB at once; without spaces a text is one run."""
    query = Query(query="京都 ビザ 走る", documents=[Document(text=text)])
    assert len(rank(query, Deadline(600)).hits) == 1


def test_marks_beyond_what_any_language_needs_are_left_out() -> None:
    """To sort n marks takes n² steps; a request of nothing else must not keep a processor for minutes."""
    some, many = ("a" + "\u0323\u0301" * times + "b" for times in (15, 1000))
    assert normalize(many) == unicodedata.normalize("NFKC", some)


@pytest.mark.exhaustive("test_a_query_finds_what_its_readers_expect")
def test_what_is_too_long_for_a_word_is_left_alone() -> None:
    document = {"query": "needle", "documents": [{"text": "é'a-" * 40_000}, {"text": "needle"}]}
    assert [hit["id"] for hit in client.post("/search-service/rank", json=document).json()["hits"]] == ["1"]
