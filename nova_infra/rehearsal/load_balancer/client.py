"""The HTTP client of the load balancer and of the load: it sends every request once."""

from __future__ import annotations

from typing import Any

import aiohttp


def open_client(**options: Any) -> aiohttp.ClientSession:
    """An HTTP client that never sends a request again by itself.

    aiohttp repeats an idempotent request whose reused connection the server closes; neither a load balancer nor a
    user's own client would, so the repetition would hide that failure. There is no public way to switch that off.

    Args:
        options: Passed on to `aiohttp.ClientSession`.
    """
    session = aiohttp.ClientSession(**options)
    session._retry_connection = False
    return session
