"""What load balancers, container agents and release tools ask: is it alive, is it ready, what runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Receive, Scope, Send

from nova_kit.draining import Draining
from nova_kit.problems import Problem, documented, respond
from nova_kit.revision import Revision
from nova_kit.routing import StrictRoute
from nova_kit.selftest import Warmth
from nova_kit.settings import Settings


class Status(BaseModel):
    """How a process is doing."""

    status: str = Field(examples=["ok"])


class Version(BaseModel):
    """What runs."""

    service: str
    release: str = Field(description="Tag of the image.")
    revision: str | None = Field(description="Task definition, as family:revision; null outside ECS.")


Answers = Mapping[str, Callable[[], Awaitable[BaseModel]]]


class Operations:
    """The answers of one process.

    Args:
        settings: How it runs.
        revision: Which task definition it belongs to.
        draining: Whether it is about to stop.
        warmth: Whether it has passed its self-test.
    """

    def __init__(self, settings: Settings, revision: Revision, draining: Draining, warmth: Warmth) -> None:
        self._settings = settings
        self._revision = revision
        self._draining = draining
        self._warmth = warmth

    async def health(self) -> Status:
        """Say that the process works: its self-test has passed.

        That stays true while it drains, so that ECS does not cut its last requests.
        """
        if self._warmth.fault:
            raise Problem(503, self._warmth.fault)
        return Status(status="ok")

    async def ready(self) -> Status:
        """Say whether new requests are welcome."""
        if self._draining:
            raise Problem(503, "This process is about to stop. Send new requests to another one.")
        if self._warmth.fault:
            raise Problem(503, self._warmth.fault)
        return Status(status="ready")

    async def version(self) -> Version:
        """Say what runs."""
        settings = self._settings
        return Version(service=settings.service, release=settings.release, revision=self._revision.value)

    def answers(self, service: str) -> Answers:
        """Return the answers by their paths."""
        return {"/health": self.health, "/ready": self.ready, f"/{service}/version": self.version}


def routes(answers: Answers) -> APIRouter:
    """Return the routes, for the OpenAPI document and for methods that are refused."""
    router = APIRouter(route_class=StrictRoute)
    for path, answer in answers.items():
        responses = {} if path.endswith("/version") else documented(503)
        router.add_api_route(path, answer, tags=["operations"], responses=responses)
    return router


class OperationsFirst:
    """ASGI middleware that answers them ahead of all else.

    They are asked most often of all, by machines that take a slow answer for a sick process; finding the route and its
    dependencies would take longer than everything else about them.
    """

    def __init__(self, app: ASGIApp, answers: Answers) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        answer = self._answers.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        # A request that is traced needs the name of its route.
        if answer is None or scope.get("fastapi.telemetry"):
            await self._app(scope, receive, send)
            return
        try:
            body = (await answer()).model_dump_json().encode()
        except Problem as problem:
            await respond(scope["path"], problem.status_code, problem.detail)(scope, receive, send)
            return
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
