"""The console page, assembled from its parts into one response.

One response, because a page and its assets that come from different revisions during a canary would not fit together.
The content security policy names the style and the script by their hashes, so nothing else on the page can run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files

from fastapi import Response
from fastapi.responses import HTMLResponse

from agent_service.names import SiblingNames

_SCRIPTS = ("page", "language", "choosing", "waveform", "results", "details", "running")
_LANGUAGES = ("en", "ja")

# What the page never asks a browser for, and what nothing else that got into it may ask for.
_PERMISSIONS = (
    "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi",
    "payment", "usb",
)  # fmt: skip

# A year. Names below this one are not the console's to speak for.
_STRICT_TRANSPORT = "max-age=31536000"


@cache
def _page(names: SiblingNames) -> tuple[str, dict[str, str]]:
    style = _read("console.css")
    script = "".join(_read(f"{name}.js") for name in _SCRIPTS)
    words = {
        "words": {language: json.loads(_read(f"words.{language}.json")) for language in _LANGUAGES},
        "problems": json.loads(_read("problems.ja.json")),
    }
    offers = {"sound": names.sound, "video": names.video, "search": names.search}
    # The hashes cover everything between the tags, line ends included.
    parts = {
        "/*offers*/": " ".join(offer for offer, service in offers.items() if service),
        "/*css*/": style,
        # A script of data is never run, so the policy need not name it; it must not end its own element, though.
        "/*words*/": json.dumps(words, ensure_ascii=False).replace("<", "\\u003c"),
        "/*js*/": script,
    }
    page = _read("console.html")
    for place, part in parts.items():
        page = page.replace(place, part)
    policy = {
        "default-src": "'none'",
        "script-src": f"'sha256-{_sha256(script)}'",
        "style-src": f"'sha256-{_sha256(style)}'",
        "img-src": "data:",
        # What the user chose, to be played.
        "media-src": "blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": ", ".join(f"{name}=()" for name in _PERMISSIONS),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return page, headers


def console(names: SiblingNames, *, secure: bool) -> Response:
    """Return the page, with headers that keep anything else from running in it.

    Args:
        names: The services that the page can have work done by; what none of them does, it does not offer.
        secure: Whether the browser came by TLS, as a load balancer in front tells.
    """
    page, headers = _page(names)
    return HTMLResponse(
        page, headers={**headers, **({"Strict-Transport-Security": _STRICT_TRANSPORT} if secure else {})}
    )


def _read(name: str) -> str:
    return files(__package__).joinpath("console", name).read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
