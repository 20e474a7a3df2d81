"""What answers had before a release and have no more."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from nova_infra.rehearsal.environment.shapes import Shape, lost

JSON = ("Content-Type", "application/json; charset=utf-8")
Answer = tuple[list[tuple[str, str]], bytes | None]


def answer(value: Any = None, *headers: tuple[str, str]) -> Answer:
    return [JSON, *headers], json.dumps(value).encode()


def shape(answers: Sequence[Answer]) -> Shape:
    found = Shape()
    for headers, body in answers:
        found.note(headers, body)
    return found


def page(cached: str = "no-cache") -> Answer:
    return [("Cache-Control", cached), ("Content-Type", "text/html; charset=utf-8")], b"<p>"


NO_CACHE = ("Cache-Control", "no-cache")
ITEM = {"id": 7, "price": {"net": 3, "tax": 1}}
CORS = ("Access-Control-Allow-Origin", "*")
SECURE, BARE = ("Set-Cookie", "sid=4; Secure; HttpOnly; Path=/"), ("Set-Cookie", "sid=9; Path=/")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([answer(ITEM)] * 4, [answer(ITEM)] * 5, ""),
        ([answer(ITEM)] * 4, [answer({"id": 8})] * 5, "the field price"),
        ([answer(ITEM)] * 4, [answer({"id": 8, "price": {"net": 2}})] * 5, "the field price.tax"),
        ([answer({"id": 8})] * 4, [answer(ITEM)] * 5, ""),
        ([answer([ITEM])] * 4, [answer([{"id": 1}])] * 5, "the field [].price"),
        ([answer({"all": [ITEM]})] * 4, [answer({"all": [{"id": 1}]})] * 5, "the field all[].price"),
        ([answer(ITEM)] * 4, [answer({"error": "no"})] * 5, "the field id, the field price"),
        ([answer(ITEM)] * 2, [answer({"id": 8})] * 5, ""),
        ([answer(ITEM)] * 4, [answer({"id": 8})] * 2, ""),
        ([*[answer(ITEM)] * 4, answer({"id": 8})], [answer({"id": 8})] * 5, ""),
        ([answer(ITEM)] * 4, [*[answer({"id": 8})] * 4, answer(ITEM)], ""),
        ([answer(1, CORS)] * 4, [answer(1)] * 5, "the header access-control-allow-origin"),
        ([answer(1, ("Date", "now"), ("Content-Length", "7"))] * 4, [answer(1)] * 5, ""),
        ([answer(1, ("ETag", "a"))] * 4, [answer(1, ("etag", "b"))] * 5, ""),
        ([answer(1, SECURE)] * 4, [answer(1, BARE)] * 5, "httponly of the cookie sid, secure of the cookie sid"),
        ([answer(1, SECURE)] * 4, [answer(1)] * 5, "the cookie sid"),
        ([answer(ITEM)] * 4, [([("Content-Type", "text/html")], b"<p>")] * 5, "the type application/json"),
        ([([JSON], b"{")] * 4, [([JSON], b"")] * 5, "a body"),
        ([answer(ITEM, CORS)] * 4, [([], b"")] * 5, "a body"),
        ([page()] * 4, [(page()[0], None)] * 5, "a body that browsers can unpack"),
        ([([], b"fine")] * 4, [*[([], b"")] * 4, ([], b"f")], ""),
        ([([CORS], b"")] * 4, [([CORS], b"")] * 5, ""),
        ([answer({"all": [ITEM]})] * 4, [answer({"all": []})] * 5, ""),
        ([answer([ITEM])] * 4, [answer([])] * 5, ""),
        ([answer({"next": ITEM, "id": 1})] * 4, [answer({"next": None, "id": 2})] * 5, ""),
        ([answer({"next": ITEM, "id": 1})] * 4, [answer({"next": {"id": 2}, "id": 2})] * 5, "the field next.price"),
        ([answer(ITEM)] * 4, [answer({})] * 5, "the field id, the field price"),
        ([answer(ITEM)] * 4, [answer(None)] * 5, "the field id, the field price"),
        ([answer({"all": "x" * 60_000})] * 4, [answer({"every": "x" * 70_000})] * 5, ""),
        (
            [page()] * 4,
            [page("public, max-age=31536000, immutable")] * 5,
            "a cache lifetime of its page below a day",
        ),
        (
            [page("max-age=60")] * 4,
            [page("No-Transform, Max-Age=31536000")] * 5,
            "a cache lifetime of its page below a day",
        ),
        ([page("no-cache")] * 4, [page("max-age=60")] * 5, ""),
        ([page("no-cache")] * 4, [page("No-Store, max-age=604800")] * 5, ""),
        ([page("max-age=60")] * 4, [page("no-cache, max-age=604800")] * 5, ""),
        ([answer(1, NO_CACHE)] * 4, [answer(1, ("Cache-Control", "max-age=604800"))] * 5, ""),
        ([answer(1, ("X-Powered-By", "it"), ("Content-Encoding", "gzip"))] * 4, [answer(1)] * 5, ""),
    ],
)
def test_what_every_answer_had_and_none_has_is_lost(before: list[Answer], after: list[Answer], said: str) -> None:
    found = lost({"GET /a": shape(before)}, {"GET /a": shape(after)})
    assert len(found) == bool(said), found
    if said:
        assert found[0].startswith(f"GET /a answers without {said}")
        assert found[0].endswith(f" now, which {len(before)} answers had before")


def test_an_operation_that_is_new_lacks_nothing() -> None:
    assert lost({}, {"GET /a": shape([answer(ITEM)] * 4)}) == []


def test_a_deep_body_is_not_read_to_its_end() -> None:
    found = shape([answer({"a": {"b": {"c": {"d": {"e": 1}}}}})])
    assert set(found.parts) == {
        *("a body", "a body that browsers can unpack", "the type application/json"),
        *("the field a", "the field a.b", "the field a.b.c"),
    }
