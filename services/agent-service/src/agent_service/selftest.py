"""One true call: a question about a text is planned and carried out, with a stand-in for the sibling that it needs.

Siblings are not asked: whether they answer now says nothing about this process, and while an image is built there are
none.
"""

from __future__ import annotations

import io
import json

import httpx
from fastapi import UploadFile
from starlette.types import ASGIApp

from agent_service.names import SiblingNames
from agent_service.requests import understand
from agent_service.running import carry_out
from agent_service.siblings import Siblings
from nova_kit.selftest import SelftestError, get

_TEXT = b"A boat crosses the lake." + b" " * 400 + b"\n\nA tower stands on the hill."


async def selftest(app: ASGIApp) -> None:
    """Show the console, then find a passage of a text.

    Raises:
        SelftestError: The page is not there, or the run does not hold what the sibling answered.
    """
    page = await get(app, "/")
    if b"</html>" not in page.require_ok():
        raise SelftestError(f"{page.call} did not answer the console")
    siblings = Siblings("http://siblings", transport=httpx.MockTransport(_search))
    try:
        file, names = UploadFile(io.BytesIO(_TEXT), size=len(_TEXT)), SiblingNames(search="search")
        calls, upload = await understand(file, "Where is the tower?", 0.0, names)
        events = [event async for event in carry_out(calls, upload, siblings)]
    finally:
        await siblings.close()
    run = events[-1].run
    if run is None or run.outcome != "complete":
        raise SelftestError(f"a question about a text ended with {run.summary if run else 'no run'!r}")
    if (found := [step.result for step in run.steps]) != [{"hits": [{"id": "1"}], "searched": 1}]:
        raise SelftestError(f"a question about a text was answered with {found!r}")


def _search(request: httpx.Request) -> httpx.Response:
    """Find every document that is asked about."""
    documents = json.loads(request.content)["documents"]
    hits = [{"id": document["id"]} for document in documents]
    answer = json.dumps({"hits": hits, "searched": len(documents)}).encode()
    return httpx.Response(200, stream=httpx.ByteStream(answer))
