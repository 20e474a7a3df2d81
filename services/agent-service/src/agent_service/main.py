"""The agent service's HTTP interface, and the console page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, FastAPI, File, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, StreamingResponse

from agent_service.console import console
from agent_service.models import Event, Run
from agent_service.names import SiblingNames
from agent_service.requests import understand
from agent_service.running import carry_out, require_success
from agent_service.selftest import selftest
from agent_service.siblings import Siblings
from nova_kit.app import create_app, router
from nova_kit.problems import documented
from nova_kit.settings import Settings

_STREAM = "application/x-ndjson"


def build_app(
    settings: Settings | None = None, siblings: Siblings | None = None, names: SiblingNames | None = None
) -> FastAPI:
    """Build the app.

    Args:
        settings: How the process runs. Default: read from the environment.
        siblings: How the services beside it are called. Default: behind `NOVA_API_URL`.
        names: Which services they are. Default: read from the environment.
    """
    settings = settings or Settings.from_environment("agent-service")
    siblings = siblings or Siblings(settings.api_url)
    names = names or SiblingNames.from_environment()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await siblings.close()

    return create_app(
        "agent-service",
        _routes(siblings, names),
        summary="Decides which services a request needs, calls them and tells every step.",
        settings=settings,
        lifespan=lifespan,
        selftest=selftest,
    )


def _routes(siblings: Siblings, names: SiblingNames) -> APIRouter:
    routes = router()

    @routes.get("/", tags=["console"], response_class=HTMLResponse)
    async def page(request: Request) -> Response:
        """Show the console, a page to drive the services by hand."""
        # Of a chain of proxies, the first saw the browser.
        scheme = request.headers.get("x-forwarded-proto", request.url.scheme).partition(",")[0].strip()
        return console(names, secure=scheme == "https")

    @routes.post(
        "/agent-service/run",
        tags=["agent"],
        response_model=Run,
        responses={
            200: {
                "description": f"The run; for callers that accept `{_STREAM}`, one event per line while it happens.",
                "content": {_STREAM: {"schema": {"type": "string"}}},
            },
            **documented(400, 408, 413, 415, 422, 502, 503, 504),
        },
    )
    async def run(
        request: Request,
        file: Annotated[UploadFile | None, File(description="Sound, video, or text.")] = None,
        text: Annotated[str | None, Form(description="What to look for: in a text file, or in the handbook.")] = None,
        at: Annotated[
            float, Form(ge=0, allow_inf_nan=False, description="The second of a video to take a thumbnail at.")
        ] = 0.0,
    ) -> Run | Response:
        """Find out what a file or a question needs, have the other services do it, and tell every step.

        The answer is partial when some steps failed; only when all of them did is it an error.
        """
        calls, upload = await understand(file, text, at, names)
        events = carry_out(calls, upload, siblings)
        if _STREAM in request.headers.get("accept", ""):
            return StreamingResponse(_lines(events), media_type=_STREAM, headers={"Cache-Control": "no-store"})
        async for event in events:
            last = event
        assert last.run is not None
        return require_success(last.run)

    return routes


async def _lines(events: AsyncIterator[Event]) -> AsyncIterator[str]:
    async for event in events:
        yield event.model_dump_json(exclude_none=True) + "\n"


app = build_app()
