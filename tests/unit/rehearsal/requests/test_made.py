"""What an answer says was made, and which operation reads it."""

import json
from typing import Any

import pytest

from nova_infra.rehearsal.requests.made import made_by
from nova_infra.rehearsal.requests.sample import SampleRequest, sample

POST = SampleRequest("POST /carts/{cart}/orders", "POST", "/carts/7/orders?dry=no")
READS = "GET /carts/{cart}/orders/{number}"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"id": 41}, "/carts/7/orders/41"),
        ({"number": "b-9", "id": 41}, "/carts/7/orders/b-9"),
        ({"cart_id": 7, "order_id": 12}, "/carts/7/orders/12"),
        ({"orderId": "x/y"}, "/carts/7/orders/x%2Fy"),
        ({"Identifier": 3}, "/carts/7/orders/3"),
        ({"data": {"uuid": "u"}, "links": {"id": 5}}, "/carts/7/orders/u"),
        ({"order": {"id": 6}}, "/carts/7/orders/6"),
        ({"cart": {"id": 7}, "user": {"id": 8}}, None),
        ({"cart_id": 7}, None),
        ({"paid": True, "id": True}, None),
        ({"id": ""}, None),
        ({"id": ".."}, None),
        ({"id": "\ud800"}, None),
        ({"or_id": 8, "o_id": 9}, None),
        ({"id": "9" * 201}, None),
        ([{"id": 4}], None),
    ],
)
def test_what_a_post_made_is_found_by_the_id_in_its_answer(body: Any, path: str | None) -> None:
    found = made_by(POST, [POST.operation, READS], [], json.dumps(body).encode())
    assert found == (None if path is None else (READS, path))


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("https://shop.example.com/carts/7/orders/31", "/carts/7/orders/31"),
        ("orders/32", "/carts/7/orders/32"),
        ("/carts/7/orders/33?new=yes", "/carts/7/orders/33"),
        ("/welcome", "/carts/7/orders/2"),
        ("http://[half", "/carts/7/orders/2"),
        ("/carts/7/orders/34/lines", "/carts/7/orders/2"),
    ],
)
def test_the_place_that_the_answer_names_comes_before_its_id(location: str, path: str) -> None:
    assert made_by(POST, [READS], [("Location", location)], b'{"id": 2}') == (READS, path)


@pytest.mark.parametrize(
    ("made", "operation", "path"),
    [
        (SampleRequest("POST /orders/", "POST", "/orders/"), "GET /orders/{id}/", "/orders/5/"),
        (SampleRequest("PUT /notes/{name}", "PUT", "/notes/a?draft=1"), "GET /notes/{name}", "/notes/a"),
        (sample("POST", "/orders", origin="file"), sample("GET", "/orders/977", origin="file").operation, "/orders/5"),
        (SampleRequest("POST /", "POST", "/"), "GET /{id}", "/5"),
        (SampleRequest("POST /orders", "POST", "/orders"), "GET /orders/latest", None),
        (SampleRequest("POST /orders", "POST", "/orders"), "DELETE /orders/{id}", None),
        (SampleRequest("POST /orders", "POST", "/orders"), "GET /orders/{id}/lines", None),
        (SampleRequest("PATCH /notes/{name}", "PATCH", "/notes/a"), "GET /notes/{name}", None),
    ],
)
def test_only_what_asks_for_the_thing_itself_reads_it(made: SampleRequest, operation: str, path: str | None) -> None:
    found = made_by(made, [operation], [], b'{"id": 5}')
    assert found == (None if path is None else (operation, path))


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"id": 1, "more": "' + b"x" * 70_000 + b'"}'])
def test_a_body_that_is_not_readable_json_or_is_long_says_nothing(body: bytes) -> None:
    assert made_by(POST, [READS], [], body) is None
