"""The video service's true call fails when what it depends on does."""

from __future__ import annotations

import asyncio
from typing import Any

import av
import pytest

from nova_kit.selftest import SelftestError
from video_service.main import app
from video_service.selftest import selftest


def test_it_passes_as_the_service_is() -> None:
    asyncio.run(selftest(app))


def test_a_decoder_that_takes_other_arguments_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Any = av.open

    def without_metadata_errors(file: Any, mode: str = "r", format: str | None = None) -> Any:  # noqa: A002
        return opened(file, mode=mode, format=format)

    monkeypatch.setattr(av, "open", without_metadata_errors)
    with pytest.raises(TypeError, match="metadata_errors"):
        asyncio.run(selftest(app))


def test_an_encoder_that_gives_no_picture_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("video_service.main.take_thumbnail", lambda *_: b"")
    with pytest.raises(SelftestError, match="PNG"):
        asyncio.run(selftest(app))
