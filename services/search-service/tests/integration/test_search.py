"""The search service in a deployed environment, through the load balancer."""

from __future__ import annotations

import httpx


def test_documents_are_ranked(api: httpx.Client) -> None:
    documents = [
        {"id": "boat", "text": "A boat crosses the lake."},
        {"id": "canary", "text": "The canary release is watched; a bad canary is rolled back."},
    ]
    response = api.post("/search-service/rank", json={"query": "canary releases", "documents": documents})
    assert response.status_code == 200, response.text
    (hit,) = response.json()["hits"]
    assert hit["id"] == "canary"
    marked = [hit["snippet"][mark["start"] : mark["end"]] for mark in hit["highlights"]]
    assert marked == ["canary", "release", "canary"]


def test_a_body_of_the_wrong_kind_is_refused(api: httpx.Client) -> None:
    assert api.post("/search-service/rank", content=b"a", headers={"Content-Type": "text/plain"}).status_code == 415


def test_text_that_is_not_utf_8_is_refused(api: httpx.Client) -> None:
    response = api.post(
        "/search-service/rank", content=b'{"query": "caf\xe9"}', headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert "UTF-8" in response.json()["detail"]
