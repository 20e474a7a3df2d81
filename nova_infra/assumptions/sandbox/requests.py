"""Requests to the experiments' load balancer, sent as they are written: nothing normalizes their paths."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SandboxAnswer:
    """What came back.

    Attributes:
        status: HTTP's; 0 where nothing came.
    """

    status: int
    text: str = ""


def ask(address: str, path: str, *, headers: Mapping[str, str] | None = None, patience: float = 90) -> SandboxAnswer:
    """Send a GET request and wait for the answer."""
    connection = http.client.HTTPConnection(address, timeout=patience)
    try:
        connection.putrequest("GET", path)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return SandboxAnswer(answer.status, answer.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException):
        return SandboxAnswer(0)
    finally:
        connection.close()
