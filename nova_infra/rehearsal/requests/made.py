"""Finds what a request has made, by its answer, and the operation that reads it again."""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from nova_infra.rehearsal.requests.sample import SampleRequest

_MOST_BYTES = 64 * 1024
_ID = re.compile(r"(?!\.\.?$)[^\x00-\x1f\ud800-\udfff]{1,200}")
_NAMES = ("id", "identifier", "uuid")
_NAMED_ID = re.compile(r"(\w{3,}?)(?:[_-]id|Id|ID)")


def made_by(
    each: SampleRequest, operations: Iterable[str], headers: Sequence[tuple[str, str]], body: bytes
) -> tuple[str, str] | None:
    """The operation that reads what a good answer says was made, and its path; None where there is none.

    ``POST /orders`` makes what ``GET /orders/{id}`` reads, by the answer's ``Location`` or else by an id in its body;
    ``PUT /orders/{id}`` makes it where it was sent.
    """
    sent, place = each.path.partition("?")[0], each.operation.partition(" ")[2]
    for operation in operations if each.method in ("POST", "PUT") else ():
        method, _, template = operation.partition(" ")
        *_, collection, last = ["", *template.strip("/").split("/")]
        if method != "GET" or not re.fullmatch(r"\{[^{}]+\}", last):
            continue
        if each.method == "PUT" and template == place:
            return operation, sent
        if each.method == "POST" and template.strip("/") == f"{place.strip('/')}/{last}".strip("/"):
            path = _location(sent, headers)
            if re.fullmatch(re.sub(r"\\\{.+?\\\}", "[^/]+", re.escape(template)), path):
                return operation, path
            if (found := _id_in(body, last[1:-1], collection)) is not None:
                end = "/" if template.endswith("/") else ""
                return operation, f"{sent.rstrip('/')}/{found}{end}"
    return None


def _location(sent: str, headers: Sequence[tuple[str, str]]) -> str:
    """The path of the place that an answer names (RFC 9110, 10.2.2); empty where it names none."""
    where = next((value for name, value in headers if name.lower() == "location"), "")
    with contextlib.suppress(ValueError):  # half an address, such as http://[
        return urlsplit(urljoin(f"http://service{sent}", where)).path if where else ""
    return ""


def _id_in(body: bytes, parameter: str, collection: str) -> str | None:
    """The id in a body of JSON, under the parameter's name or one that ids have, as addresses have it."""
    content: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        content = json.loads(body) if len(body) <= _MOST_BYTES else None
    if not isinstance(content, dict):
        return None
    for name in (parameter, *_NAMES, ""):
        for fields in _objects(content):
            for key, value in fields.items():
                is_it = key.lower() == name.lower() if name else _is_named_for(key, collection)
                if is_it and isinstance(value, str | int) and not isinstance(value, bool):
                    return quote(str(value), safe="") if _ID.fullmatch(str(value)) else None
    return None


def _objects(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An answer, and what it wraps, such as ``{"data": {...}}``."""
    yield content
    for key, value in content.items():
        if isinstance(value, dict) and (key == "data" or len(content) == 1):
            yield value


def _is_named_for(key: str, collection: str) -> bool:
    """Whether a field such as ``order_id`` belongs to a collection such as ``orders``."""
    found = _NAMED_ID.fullmatch(key)
    return found is not None and collection.lower().startswith(found[1].lower()[:-1])
