"""Reads requests that a browser or a proxy has recorded (HAR): http://www.softwareishard.com/blog/har-12-spec/."""

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from nova_infra.rehearsal.requests.sample import METHODS, RequestFileError, SampleRequest, sample

_EXPORT = "export it again from the browser's network tab"
_ELSEWHERE = re.compile(r"(?:about|blob|chrome|chrome-extension|data|file|moz-extension|safari-web-extension):")
"""What browsers record beside the requests that they send over HTTP."""


def read_har(path: Path, text: str) -> list[SampleRequest]:
    """The requests of a file, each different one once."""
    try:
        content = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:  # nobody's browser nests so deeply either
        line = getattr(error, "lineno", 1)
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise RequestFileError(f"{path}:{line}: is not JSON ({why}): {_EXPORT}") from None
    log = content.get("log") if isinstance(content, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        raise RequestFileError(f"{path}:1: has no log.entries, so it is not a HAR file: {_EXPORT}")
    found: dict[SampleRequest, None] = {}
    for index, entry in enumerate(entries):
        try:
            if not _ELSEWHERE.match(str(entry["request"]["url"])) and entry["request"]["method"] != "CONNECT":
                found[_request(entry["request"])] = None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            starts = [match.start() for match in re.finditer(r'"request"\s*:', text)]
            line = text.count("\n", 0, starts[index]) + 1 if index < len(starts) else 1
            raise RequestFileError(
                f"{path}:{line}: log.entries[{index}].request is not a request ({error!r}): "
                f"{_EXPORT}, or remove the entry"
            ) from None
    return list(found)


def _request(request: dict[str, Any]) -> SampleRequest:
    method, url = str(request["method"]).upper(), str(request["url"])
    if method not in METHODS:
        raise ValueError(f"method {method}")
    if not url.startswith(("http://", "https://", "ws://", "wss://", "/")):
        raise ValueError(f"url {url}")
    headers = [(str(header["name"]), str(header["value"])) for header in request.get("headers", ())]
    posted = request.get("postData") or {}
    body = str(posted.get("text") or "").encode()
    if posted.get("encoding") == "base64":
        body = base64.b64decode(body)
    elif not body and posted.get("params"):
        body = urlencode([(p["name"], p.get("value", "")) for p in posted["params"]]).encode()
    return sample(method, url, headers, body, origin="file")
