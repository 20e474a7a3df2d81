"""The search service, through its HTTP interface."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from search_service.main import app

client = TestClient(app, raise_server_exceptions=False)


def rank(query: str, *documents: str | dict[str, Any], **options: Any) -> httpx2.Response:
    listed = [{"text": document} if isinstance(document, str) else document for document in documents]
    return client.post("/search-service/rank", json={"query": query, "documents": listed, **options})


def found(query: str, *documents: str | dict[str, Any], **options: Any) -> list[str]:
    return [hit["id"] for hit in rank(query, *documents, **options).json()["hits"]]


def test_the_document_that_answers_best_comes_first() -> None:
    documents = ["a boat on a lake", "the canary sings", "a canary watches over the canary release"]
    assert found("canary release", *documents) == ["2", "1"]


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    documents = ["service alarm", "service health", "service metric", "service rollback"]
    assert found("service rollback", *documents)[0] == "3"


def test_a_long_document_has_no_advantage() -> None:
    assert found("canary", "canary " + "filler words that say nothing " * 50, "a canary sings")[0] == "1"


def test_documents_without_any_of_the_words_are_left_out() -> None:
    assert found("zebra", "a boat", "a lake") == []


def test_small_words_do_not_decide_unless_there_are_no_others() -> None:
    assert found("where is the lake", "the where is the the", "a lake") == ["1"]
    assert found("to be or not to be", "to be or not to be", "a lake") == ["0"]


def test_equal_documents_keep_their_order() -> None:
    assert found("lake", "a lake", "a lake", "a lake") == ["0", "1", "2"]


def test_a_title_is_searched_and_ids_are_kept() -> None:
    documents = [{"id": "a", "title": "Rollback", "text": "Go back."}, {"id": "b", "text": "Go on."}]
    assert found("rollback", *documents) == ["a"]


def test_the_limit_is_kept() -> None:
    assert len(found("lake", *["a lake"] * 30)) == 10
    assert len(found("lake", *["a lake"] * 30, limit=3)) == 3


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("CAFÉ", "the cafe is open"),
        ("résumé", "my re\u0301sume\u0301, decomposed"),
        ("alarms", "an alarm rings"),
        ("デプロイ", "本番へのデプロイ手順"),
        ("user's", "a user"),
    ],
)
def test_words_match_across_case_accents_plurals_and_scripts(query: str, text: str) -> None:
    assert found(query, text, "something else") == ["0"]


def test_highlights_are_where_the_words_are() -> None:
    (hit,) = rank("canary release", "Straße 😀: the Canary, and two releases.").json()["hits"]
    marked = [hit["snippet"][mark["start"] : mark["end"]] for mark in hit["highlights"]]
    assert marked == ["Canary", "releases"]


def test_the_snippet_is_cut_around_the_matches_of_a_long_text() -> None:
    text = "filler words " * 200 + "here the canary watches the release " + "more filler " * 200
    (hit,) = rank("canary release", text).json()["hits"]
    assert len(hit["snippet"]) <= 240
    assert {hit["snippet"][mark["start"] : mark["end"]] for mark in hit["highlights"]} == {"canary", "release"}


def test_a_snippet_shows_where_text_was_left_out() -> None:
    words = "filler " * 100
    texts = ["needle in a haystack", f"needle {words}", f"{words} needle", f"{words} needle {words}"]
    hits = rank("needle", *texts).json()["hits"]
    ends = {hit["id"]: (hit["snippet"].startswith("\u2026 "), hit["snippet"].endswith(" \u2026")) for hit in hits}
    assert ends == {"0": (False, False), "1": (False, True), "2": (True, False), "3": (True, True)}
    for hit in hits:
        assert [hit["snippet"][mark["start"] : mark["end"]] for mark in hit["highlights"]] == ["needle"]


def test_a_text_without_spaces_is_cut_as_well() -> None:
    (hit,) = rank("needle", "needle " + "x" * 5000).json()["hits"]
    assert len(hit["snippet"]) <= 240


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"query": "", "documents": [{"text": "a"}]}, "body.query"),
        ({"query": "a", "documents": []}, "body.documents"),
        ({"query": "a", "documents": [{"title": "no text"}]}, "body.documents.0.text"),
        ({"query": "a", "documents": [{"text": "a"}], "limit": 0}, "body.limit"),
        ({"query": "a", "documents": [{"text": "a"}], "page": 2}, "body.page"),
    ],
)
def test_a_request_that_cannot_be_used_names_the_member(body: dict[str, Any], field: str) -> None:
    response = client.post("/search-service/rank", json=body)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_query_without_a_word_is_refused() -> None:
    assert rank("?! ...", "a boat").status_code == 422


@pytest.mark.parametrize(
    ("content", "media_type", "status", "hint"),
    [
        (b'{"query": "caf\xe9"}', "application/json", 400, "UTF-8"),
        (b"{", "application/json", 400, "not valid JSON"),
        (b'{"query":' + b"[" * 100_000, "application/json", 400, "nested too deeply"),
        (b'{"query": "a", "query": NaN}', "application/json", 422, "body.query"),
        (b'{"query": "a", "limit": ' + b"9" * 5000 + b"}", "application/json", 400, "too many digits"),
        (b"query=a", "application/x-www-form-urlencoded", 415, "application/json"),
        (b"", "application/json", 422, "body"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(content: bytes, media_type: str, status: int, hint: str) -> None:
    response = client.post("/search-service/rank", content=content, headers={"Content-Type": media_type})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert hint in response.json()["detail"]


def test_a_packed_body_is_refused_before_it_can_grow() -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert client.post("/search-service/rank", content=b"\x1f\x8b", headers=headers).status_code == 415


def test_a_mistake_made_a_thousand_times_is_told_a_few_times() -> None:
    response = rank("a", *[{"title": "no text"}] * 1000)
    assert response.status_code == 422
    assert len(response.json()["errors"]) == 20


@pytest.mark.exhaustive("test_a_query_without_a_word_is_refused")
def test_a_body_that_is_too_large_is_refused() -> None:
    response = rank("a", *["x" * 200_000] * 90)
    assert response.status_code == 413
    assert "16 MiB" in response.json()["detail"]


def test_lone_surrogates_do_no_harm() -> None:
    content = b'{"query": "a \\ud800", "documents": [{"text": "a \\ud800 b"}]}'
    response = client.post("/search-service/rank", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in (200, 400, 422)
