"""The console page, assembled from its parts into one response.

One response, because a page and its assets that come from different revisions during a canary would not fit together.
The content security policy names the two inline parts by their hashes, so nothing else on the page can run.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from fastapi import Response
from fastapi.responses import HTMLResponse


@cache
def _page() -> tuple[str, dict[str, str]]:
    parts = {name: _read(f"console.{name}") for name in ("html", "css", "js")}
    # The hash covers everything between the tags, line ends included.
    page = parts["html"].replace("/*css*/", parts["css"]).replace("/*js*/", parts["js"])
    policy = {
        "default-src": "'none'",
        "script-src": f"'sha256-{_sha256(parts['js'])}'",
        "style-src": f"'sha256-{_sha256(parts['css'])}'",
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return page, headers


def console() -> Response:
    """Return the page, with headers that keep anything else from running in it."""
    page, headers = _page()
    return HTMLResponse(page, headers=headers)


def _read(name: str) -> str:
    return files(__package__).joinpath("console", name).read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
