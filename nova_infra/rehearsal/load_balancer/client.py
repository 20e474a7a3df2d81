"""HTTP clients of the rehearsal: what sends requests, and what checks the health of a target."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from nova_infra.rehearsal.load_balancer.targets import Target, TargetGroup
from nova_infra.rehearsal.usage.crowding import with_others


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


async def probe(client: aiohttp.ClientSession, group: TargetGroup, target: Target) -> bool:
    """Check once whether a target answers its health check; if not, the target remembers why."""
    if (fault := target.interference.health()) is not None:
        target.last_fault = fault
        return False
    if group.settings.version != "HTTP1":
        return await _greet(group, target)
    try:
        async with client.get(
            f"http://127.0.0.1:{target.task.port}{group.settings.health_path}",
            timeout=aiohttp.ClientTimeout(total=with_others(group.settings.timeout)),
            allow_redirects=False,
            headers={"User-Agent": "ELB-HealthChecker/2.0"},
        ) as response:
            if group.settings.accepts(response.status):
                return True
            target.last_fault = f"GET {group.settings.health_path} answered {response.status}"
    except TimeoutError:
        target.last_fault = f"GET {group.settings.health_path} did not answer within {group.settings.timeout:g} s"
    except (aiohttp.ClientError, ConnectionError) as error:
        target.last_fault = f"GET {group.settings.health_path} got no answer ({error.__class__.__name__})"
    return False


_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
"""What a client of HTTP/2 says first, with an empty frame of settings: https://www.rfc-editor.org/rfc/rfc9113#section-3.4."""
_FRAME_HEADER, _TYPE, _SETTINGS = 9, 3, 4


async def _greet(group: TargetGroup, target: Target) -> bool:
    """Check whether a target speaks HTTP/2 without an upgrade, as the load balancer does to it.

    Its first frame has to be its settings. The health check's own path or method is not asked for.
    """
    try:
        async with asyncio.timeout(group.settings.timeout):
            reader, writer = await asyncio.open_connection("127.0.0.1", target.task.port)
            try:
                writer.write(_PREFACE)
                header = await reader.readexactly(_FRAME_HEADER)
            finally:
                writer.close()
    except TimeoutError:
        target.last_fault = f"HTTP/2 was not answered within {group.settings.timeout:g} s"
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        target.last_fault = f"HTTP/2 got no answer ({error.__class__.__name__})"
    else:
        if header[_TYPE] == _SETTINGS:
            return True
        target.last_fault = f"HTTP/2 was answered with {header!r}: it speaks another protocol"
    return False
