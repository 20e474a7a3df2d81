"""How long the running request may still take, and how that is told to the services that it calls.

The header is Envoy's, and so that of ECS Service Connect: the milliseconds that the caller will wait. It is relative,
because clocks differ. https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter
"""

from __future__ import annotations

import time
from contextvars import ContextVar, Token

from nova_kit.problems import Problem

HEADER = "x-envoy-expected-rq-timeout-ms"

_end: ContextVar[float | None] = ContextVar("deadline", default=None)


def begin(most_seconds: float, offered: str | None) -> Token[float | None]:
    """Set the deadline of the running request.

    Args:
        most_seconds: What the service gives it.
        offered: The header's value, if the caller sent one; a shorter time than the service's counts.
    """
    if offered and offered.isascii() and offered.isdigit() and len(offered) < 10:
        most_seconds = min(most_seconds, int(offered) / 1000)
    return _end.set(time.monotonic() + most_seconds)


def end(token: Token[float | None]) -> None:
    """Forget the deadline again."""
    _end.reset(token)


def seconds_left() -> float | None:
    """Seconds until nobody waits for the running request any more, 0 at least; None outside of one."""
    end = _end.get()
    return None if end is None else max(end - time.monotonic(), 0.0)


def overloaded(detail: str, retry_after: float = 1.0) -> Problem:
    """Return the problem for what another time, or another process, would have done.

    Args:
        detail: A sentence that says what did not happen.
        retry_after: Seconds after which trying again makes sense.
    """
    seconds = min(max(round(retry_after), 1), 60)
    return Problem(503, f"{detail} Try again in {seconds} s.", headers={"Retry-After": str(seconds)})
