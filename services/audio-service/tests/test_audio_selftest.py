"""The audio service's true call fails when what it depends on does."""

from __future__ import annotations

import asyncio
from typing import Any

import av
import pytest

from audio_service.main import app
from audio_service.selftest import selftest
from nova_kit.selftest import SelftestError


def test_it_passes_as_the_service_is() -> None:
    asyncio.run(selftest(app))


def test_a_decoder_that_takes_other_arguments_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Any = av.open

    def without_metadata_errors(file: Any, mode: str = "r", format: str | None = None) -> Any:  # noqa: A002
        return opened(file, mode=mode, format=format)

    monkeypatch.setattr(av, "open", without_metadata_errors)
    with pytest.raises(TypeError, match="metadata_errors"):
        asyncio.run(selftest(app))


def test_a_measurement_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audio_service.analysis._decibels", lambda linear: linear)
    with pytest.raises(SelftestError, match="peak_dbfs"):
        asyncio.run(selftest(app))
