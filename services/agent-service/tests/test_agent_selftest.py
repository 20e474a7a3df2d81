"""The agent service's true call fails when what it depends on does."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from agent_service.main import app
from agent_service.selftest import selftest
from nova_kit.selftest import SelftestError


def test_it_passes_as_the_service_is() -> None:
    asyncio.run(selftest(app))


def test_a_client_that_cannot_send_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ImportError("no h11")

    monkeypatch.setattr(httpx.AsyncClient, "send", broken)
    with pytest.RaisesGroup(pytest.RaisesExc(ImportError, match="no h11")):
        asyncio.run(selftest(app))


def test_a_plan_that_asks_nobody_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_service.requests.plan", lambda *_: [])
    with pytest.raises(SelftestError):
        asyncio.run(selftest(app))
