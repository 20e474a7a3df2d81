"""The audio service's HTTP interface."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import File, UploadFile

from audio_service.analysis import Analysis, analyze
from audio_service.selftest import selftest
from nova_kit import media
from nova_kit.app import create_app, router
from nova_kit.problems import documented
from nova_kit.workers import Workers

_workers = Workers()
_routes = router()

_Upload = Annotated[
    UploadFile,
    File(description="WAV, MP3, M4A, AAC, FLAC, OGG, AIFF, CAF, AMR, or sound in QuickTime, WebM or Matroska."),
]


@_routes.post("/audio-service/analyze", tags=["audio"], responses=documented(400, 408, 413, 415, 422, 503))
async def analyze_upload(file: _Upload) -> Analysis:
    """Measure a sound file: duration, level, loudness after EBU R 128, and a waveform to draw."""
    found = media.require(file.file, file.content_type, "audio")
    return await _workers.run(partial(analyze, file.file, found))


app = create_app("audio-service", _routes, summary="Measures uploaded sound.", selftest=selftest)
