"""Errors as problem details (RFC 9457): one shape for everything that goes wrong, with a sentence to act on."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from nova_kit.logs import request_id

MEDIA_TYPE = "application/problem+json"


class Problem(HTTPException):
    """An error that a caller should read.

    Args:
        status: HTTP status code.
        detail: A sentence that says what is wrong and what the caller can do.
        headers: Headers that the response needs besides its body.
        extensions: Further members of the problem document.
    """

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **extensions: Any
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.extensions = extensions


class FieldProblem(BaseModel):
    """One member of the input that cannot be used."""

    field: str = Field(description="Where in the request: body, query or path, then the names on the way to the value.")
    detail: str


class ProblemDocument(BaseModel):
    """The body of every error response."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(default="about:blank", description="`about:blank`: the status code says it all.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path that was asked for.")
    request_id: str | None = Field(default=None, description="Quote it when asking for help.")
    errors: list[FieldProblem] | None = None


class ProblemResponse(JSONResponse):
    """A response with a problem document."""

    media_type = MEDIA_TYPE


def respond(
    path: str,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, Any] | None = None,
) -> ProblemResponse:
    """Build the response for a problem met while serving `path`."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": path,
        "request_id": request_id.get(),
        **(extensions or {}),
    }
    return ProblemResponse(document, status, dict(headers or {}))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems a route may answer with, for its OpenAPI document."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Make an app answer every error with a problem document."""
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)


async def _on_http_exception(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if not isinstance(error, Problem):
        detail = _SENTENCES.get(error.status_code, detail).format(method=request.method, path=request.url.path)
    extensions = error.extensions if isinstance(error, Problem) else None
    headers = dict(error.headers or {})
    if "GET" in headers.get("Allow", "").split(", "):
        headers["Allow"] += ", HEAD"
    return respond(request.url.path, error.status_code, detail, headers=headers, extensions=extensions)


async def _on_invalid_request(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return respond(request.url.path, 400, "The body is not valid JSON. Send one JSON object.")
    errors = [
        {"field": ".".join(str(part) for part in problem["loc"]), "detail": _explained(problem["msg"])}
        for problem in problems[:_MOST_ERRORS]
    ]
    detail = "; ".join(f"{entry['field']}: {entry['detail']}" for entry in errors[:3])
    return respond(request.url.path, 422, f"The request cannot be used: {detail}.", extensions={"errors": errors})


def _explained(message: str) -> str:
    # The framework names its own classes here.
    if "Expected UploadFile" in message:
        return "Expected a file, got a text. Give this part of the form a file name"
    return message


# One mistake repeated in each of 2000 documents need not be told 2000 times.
_MOST_ERRORS = 20

# What the framework says for these is a bare phrase.
_SENTENCES = {
    404: "There is nothing at {path}. The service's openapi.json lists its routes.",
    405: "{method} is not possible at {path}. The Allow header lists the methods that are.",
}
