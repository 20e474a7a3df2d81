"""What a call of another service carries along: its request, its trace, and how long somebody waits for it."""

from __future__ import annotations

import math

from nova_kit import deadlines, logs, telemetry


def headers() -> dict[str, str]:
    """Return the headers for a call that is made for the running request."""
    carried = telemetry.carried_headers()
    if identifier := logs.request_id.get():
        carried["x-request-id"] = identifier
    if (left := deadlines.seconds_left()) is not None:
        carried[deadlines.HEADER] = str(math.floor(left * 1000))
    return carried
