import json
import os
from pathlib import Path
from typing import Any

import pytest

from helpers.examples import bomb
from nova_infra.rehearsal.requests.openapi import looks_like_one, read_document, read_operations

GOOD = {"responses": {"200": {"description": "good"}}}


def document(**paths: Any) -> dict[str, Any]:
    found = {f"/{name.replace('__', '/')}": item for name, item in paths.items()}
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": found}


@pytest.mark.exhaustive("test_the_place_that_a_document_names_leads_to_its_operations")
def test_a_request_is_made_up_for_each_operation_and_examples_come_first() -> None:
    number = {"name": "n", "in": "path", "required": True, "schema": {"type": "integer"}, "example": 42}
    word = {"name": "w", "in": "query", "required": True, "schema": {"type": "string", "minLength": 3}}
    body = {"type": "object", "required": ["mail"], "properties": {"mail": {"type": "string", "format": "email"}}}
    posted = {"required": True, "content": {"application/json": {"schema": body}}}
    found, left_out = read_operations(
        document(
            **{
                "items__{n}": {"get": {"parameters": [number, word], **GOOD}},
                "mails": {"post": {"requestBody": posted, **GOOD}},
            }
        )
    )
    get, post = found
    assert get.operation == "GET /items/{n}"
    path, _, query = get.path.partition("?")
    assert path == "/items/42"
    assert len(query.removeprefix("w=")) >= 3
    assert "@" in json.loads(post.body)["mail"]
    assert ("Content-Type", "application/json") in post.headers
    assert left_out == []


def test_a_date_without_quotes_is_a_text_in_the_request() -> None:
    text = """
openapi: 3.1.0
info: {title: t, version: "1"}
paths:
  /flights:
    post:
      requestBody:
        required: true
        content:
          application/json:
            schema: {type: object, required: [day], properties: {day: {type: string, example: 2026-06-15}}}
      responses: {"200": {description: good}}
"""
    content = read_document(text)
    assert content is not None
    [post], left_out = read_operations(content)
    assert (json.loads(post.body), left_out) == ({"day": "2026-06-15"}, [])


def test_the_same_document_gives_the_same_requests() -> None:
    word = {"name": "w", "in": "query", "required": True, "schema": {"type": "string", "pattern": "^[a-z]{2}-[0-9]+$"}}
    once, again = (read_operations(document(a={"get": {"parameters": [word], **GOOD}})) for _ in range(2))
    assert once == again


def test_the_place_that_a_document_names_leads_to_its_operations() -> None:
    found, _ = read_operations({**document(a={"get": GOOD}), "servers": [{"url": "https://example.com/shop"}]})
    assert [(each.operation, each.path) for each in found] == [("GET /shop/a", "/shop/a")]


def test_only_a_document_is_read_as_one() -> None:
    assert read_document("<html>") is None
    assert read_document('{"paths": {}}') is None
    assert read_document("{") is None
    assert read_document("openapi: 3.0.0\npaths: {}\n") == {"openapi": "3.0.0", "paths": {}}


def test_a_document_that_cannot_be_read_is_said_to_be_left_out() -> None:
    found, left_out = read_operations({"openapi": "3.1.0", "paths": []})
    assert found == []
    assert left_out[0].startswith("its OpenAPI document cannot be read")


@pytest.mark.parametrize(
    ("text", "cut_off"),
    [
        ('{"openapi": "3.1.0", "paths": {"/a": {"get"', True),
        ("openapi: 3.1.0\npaths: {/a: [", True),
        ('{"swagger": "2.0", "paths": ' + "[" * 9000, True),
        ("openapi: 3.1.0\npaths: {}\n" + bomb("{<<: [*a, *a, *a], y: 1}"), True),
        ('{"openapi": "3.1.0", "paths": {}}', False),
        ("<html>openapi: see below", False),
        ('{"error": "openapi', False),
    ],
)
def test_a_document_that_is_cut_off_is_told_from_a_page(text: str, cut_off: bool) -> None:
    assert looks_like_one(text) is cut_off


def test_references_that_lead_in_a_circle_or_nowhere_leave_the_other_operations() -> None:
    node = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/components/schemas/Node"}}}
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}
    whole = document(a={"get": GOOD}, b={"post": {"requestBody": body, **GOOD}})
    found, left_out = read_operations({**whole, "components": {"schemas": {"Node": node}}})
    assert [each.operation for each in found] == ["GET /a"]
    assert len(left_out) == 1
    assert "attribute" not in left_out[0]


def test_references_out_of_a_document_are_named_and_not_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.json")  # whoever opens it waits for ever
    for reference in (f"file://{tmp_path}/x.json", "http://127.0.0.1:9/x.json", "x.json#/A"):
        body = {"required": True, "content": {"application/json": {"schema": {"$ref": reference}}}}
        found, left_out = read_operations(document(a={"post": {"requestBody": body, **GOOD}}))
        assert [each.operation for each in found] == ["POST /a"]
        assert left_out == [f"{reference}, which its OpenAPI document refers to outside of itself"]
