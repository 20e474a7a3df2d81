"""The app that every service starts from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from nova_kit import draining as process_draining
from nova_kit import operations, problems, telemetry
from nova_kit.draining import Draining
from nova_kit.head import HeadAsGet
from nova_kit.limits import Limits, RequestLimits
from nova_kit.metrics import RequestMetrics
from nova_kit.operations import Operations, OperationsFirst
from nova_kit.problems import ProblemDocument
from nova_kit.requests import RequestScope, is_quiet
from nova_kit.revision import Revision
from nova_kit.routing import StrictRoute
from nova_kit.selftest import Selftest, Warmth
from nova_kit.settings import Settings


def router() -> APIRouter:
    """Return a router for a service's own routes."""
    return APIRouter(route_class=StrictRoute)


def create_app(
    service: str,
    *routers: APIRouter,
    summary: str,
    settings: Settings | None = None,
    limits: Limits | None = None,
    draining: Draining = process_draining.process,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
    selftest: Selftest | None = None,
) -> FastAPI:
    """Build a service's app.

    Args:
        service: The service's name, which is also the first segment of its routes' paths.
        routers: The service's own routes, with full paths.
        summary: One sentence about the service, for its OpenAPI document.
        settings: How the process runs. Default: read from the environment.
        limits: What one request may cost. Default: see `Limits`.
        draining: Whether the process is about to stop. Default: the process's own switch.
        lifespan: What the service holds open while it runs. Default: nothing.
        selftest: Makes one true call of the service; until it has passed, the process is not ready. Default: none.

    Returns:
        An app with `/health`, `/ready`, `/<service>/version` and `/<service>/openapi.json` besides the given routes.
    """
    settings = settings or Settings.from_environment(service)
    revision = Revision(settings.metadata_url)
    warmth = Warmth(selftest)
    answers = Operations(settings, revision, draining, warmth).answers(service)
    metrics = None if settings.collector_url else RequestMetrics(settings.service)

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        telemetry.start(settings)
        revision.look_up()
        async with lifespan(app) if lifespan else nullcontext():
            warmth.begin(app)
            yield
            await warmth.end()
        if metrics:
            metrics.flush()
        await telemetry.stop()

    app = FastAPI(
        title=service,
        summary=summary,
        version=settings.release,
        openapi_url=f"/{service}/openapi.json",
        # The documentation pages load scripts from another host.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=run,
        form_limits={"max_files": 1, "max_fields": 8},
        telemetry=telemetry.config(settings, is_quiet),
        middleware=[
            Middleware(RequestScope, metrics=metrics, draining=draining),
            Middleware(HeadAsGet),
            Middleware(OperationsFirst, answers=answers),
            Middleware(RequestLimits, limits=limits or Limits()),
        ],
    )
    app.state.settings = settings
    app.state.warmth = warmth
    problems.install(app)
    app.include_router(operations.routes(answers))
    for own in routers:
        app.include_router(own)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Add the problem document, which no route names as its model, to the OpenAPI document's schemas."""
    generate = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            document = generate()
            schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(schema.pop("$defs", {}))
            schemas["ProblemDocument"] = schema
        return app.openapi_schema or generate()

    app.openapi = openapi  # type: ignore[method-assign]
