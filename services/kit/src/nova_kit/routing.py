"""Routes that look at what a request claims to carry before they read it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from nova_kit.problems import Problem


class StrictRoute(APIRoute):
    """A route that answers 415 unless the body has the media type it takes, and says why a body cannot be read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with the checks in front of it."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle
        expected = "multipart/form-data" if isinstance(self.body_field.field_info, Form) else "application/json"

        async def checked(request: Request) -> Response:
            sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if sent != expected:
                raise Problem(
                    415,
                    f"The body was sent as {sent or 'no media type at all'}. Send it as {expected}.",
                    headers={"Accept-Post": expected},
                )
            # Unpacking would let a small body grow without limit.
            if (encoding := request.headers.get("content-encoding", "").strip().lower()) not in ("", "identity"):
                raise Problem(415, f"The body is packed with {encoding}. Send it unpacked.")
            try:
                return await handle(request)
            except Problem:
                raise
            except HTTPException as error:
                # The framework would blame the caller for a disk that is full.
                if isinstance(error.__cause__, OSError):
                    raise error.__cause__ from None
                raise _explained(error) from error

        return checked


def _explained(error: HTTPException) -> HTTPException:
    """Put into words why the framework could not read a body."""
    if isinstance(error.__context__, MultiPartException):
        form = str(error.detail).rstrip(".")
        return Problem(
            400, f"The form cannot be read: {form}. Send it as multipart/form-data, one part for each field."
        )
    match error.__cause__:
        case UnicodeDecodeError():
            return Problem(400, "The body is not text in UTF-8. Encode it as UTF-8.")
        case RecursionError():
            return Problem(400, "The body is nested too deeply. Send a flatter document.")
        case ValueError():
            return Problem(400, "The body holds a number with too many digits. Send a shorter one.")
        case _:
            return error
