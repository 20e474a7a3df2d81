"""The search service's true call fails when what it depends on does."""

from __future__ import annotations

import asyncio
from typing import Any

import bm25s
import pytest

from nova_kit.selftest import SelftestError
from search_service.main import app
from search_service.selftest import selftest


def test_it_passes_as_the_service_is() -> None:
    asyncio.run(selftest(app))


def test_an_index_that_takes_other_arguments_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_progress(self: Any, corpus: list[list[str]]) -> None: ...

    monkeypatch.setattr(bm25s.BM25, "index", without_progress)
    with pytest.raises(TypeError, match="show_progress"):
        asyncio.run(selftest(app))


def test_a_ranking_that_finds_the_wrong_document_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search_service.ranking._wanted", lambda _: ["boat"])
    with pytest.raises(SelftestError, match="lake"):
        asyncio.run(selftest(app))
