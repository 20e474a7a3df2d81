"""Structured logs: one JSON object per line on stdout, each with the id of the request it belongs to."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from nova_kit.settings import Settings

#: The id of the request that the running task serves. Outgoing calls pass it on.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

#: The id of the trace that it belongs to, 32 hexadecimal digits.
trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)

_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode

# What a caller sends ends up in every log line: nothing that could break a line, or flood it, is taken over.
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,128}")


def adopt_request_id(offered: str | None) -> str:
    """Return the caller's request id if it is fit for a log line, else a new one."""
    if offered and _ACCEPTABLE_ID.fullmatch(offered):
        return offered
    return os.urandom(16).hex()


def fields(**values: Any) -> dict[str, Mapping[str, Any]]:
    """Return the `extra` argument of a logging call that puts values into the JSON object, beside the message."""
    return {"fields": values}


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._constant = {"service": settings.service, "release": settings.release}

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON; values that JSON lacks are written as text."""
        document: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._constant,
        }
        if (identifier := request_id.get()) is not None:
            document["request_id"] = identifier
        if (trace := trace_id.get()) is not None:
            document["trace_id"] = trace
        document.update(getattr(record, "fields", {}))
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return _encode(document)


def configure(settings: Settings, *, stream: TextIO = sys.stdout) -> None:
    """Send every log record of the process to `stream` as JSON, from level info on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(settings))
    # Libraries set levels of their own on import; the handler has the last word.
    handler.setLevel(logging.INFO)
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # No line holds them, and finding them out takes as long as the rest.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # They say again, or in more words, what the request line and the response say.
    for noisy in ("uvicorn", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # What they warn of is a caller's mistake, or passes.
    for noisy in ("uvicorn.error", "python_multipart", "opentelemetry"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
