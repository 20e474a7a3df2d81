"""The search service's true call fails when what it depends on does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nova_kit.selftest import SelftestError
from search_service.main import app
from search_service.selftest import selftest


def test_it_passes_as_the_service_is() -> None:
    asyncio.run(selftest(app))


def test_a_dictionary_that_takes_other_arguments_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_mode(self: Any, text: str, *, mode: str) -> None: ...

    monkeypatch.setattr(
        "search_service.japanese._tokenizer", lambda: type("Tokenizer", (), {"tokenize": without_mode})()
    )
    with pytest.raises(TypeError, match="mode"):
        asyncio.run(selftest(app))


def test_a_ranking_that_finds_the_wrong_document_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search_service.ranking._scores", lambda *_: {0: 1.0})
    with pytest.raises(SelftestError, match="lake"):
        asyncio.run(selftest(app))
