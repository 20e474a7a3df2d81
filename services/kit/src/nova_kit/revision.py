"""Which task definition revision runs this process, as ECS tells it."""

from __future__ import annotations

import asyncio
import json
import logging
import urllib.request

_log = logging.getLogger("nova.revision")


class Revision:
    """The revision, looked up once and in the background: a slow metadata endpoint must not delay the start.

    Args:
        metadata_url: Base URL of the task metadata endpoint, version 4; None outside ECS.
    """

    def __init__(self, metadata_url: str | None) -> None:
        self._metadata_url = metadata_url
        self._task: asyncio.Task[None] | None = None
        self.value: str | None = None

    def look_up(self) -> None:
        """Start looking; `value` is `family:revision` once the endpoint has answered."""
        if self._metadata_url:
            self._task = asyncio.create_task(self._fetch(f"{self._metadata_url}/task"))

    async def _fetch(self, url: str) -> None:
        try:
            task = await asyncio.to_thread(_read_json, url)
            self.value = f"{task['Family']}:{task['Revision']}"
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("the task metadata endpoint gave no revision: %s", error)


def _read_json(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - the address comes from ECS
        document: dict[str, str] = json.load(response)
    return document
