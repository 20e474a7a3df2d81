"""The video service's HTTP interface."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import File, Query, Response, UploadFile

from nova_kit import media
from nova_kit.app import create_app, router
from nova_kit.problems import documented
from nova_kit.workers import Workers
from video_service.probe import Probe, probe
from video_service.selftest import selftest
from video_service.thumbnail import DEFAULT_WIDTH, MAX_WIDTH, take_thumbnail

_workers = Workers()
_routes = router()
_problems = documented(400, 408, 413, 415, 422, 503)

_Upload = Annotated[UploadFile, File(description="An MP4, QuickTime, WebM or Matroska file.")]


@_routes.post("/video-service/probe", tags=["video"], responses=_problems)
async def probe_upload(file: _Upload) -> Probe:
    """Describe a video file: duration, frame rate, size and codecs."""
    found = media.require(file.file, file.content_type, "video")
    return await _workers.run(partial(probe, file.file, found))


class PngResponse(Response):
    """A PNG picture."""

    media_type = "image/png"


@_routes.post(
    "/video-service/thumbnail",
    tags=["video"],
    response_class=PngResponse,
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}, **_problems},
)
async def thumbnail_of_upload(
    file: _Upload,
    at: Annotated[float, Query(ge=0, allow_inf_nan=False, description="Seconds from the start.")] = 0.0,
    width: Annotated[int, Query(ge=16, le=MAX_WIDTH, description="Pixels; never more than the video has.")] = (
        DEFAULT_WIDTH
    ),
) -> Response:
    """Take the picture that a video shows at a given second, as PNG."""
    found = media.require(file.file, file.content_type, "video")
    return PngResponse(await _workers.run(partial(take_thumbnail, file.file, found, at, width)))


app = create_app("video-service", _routes, summary="Probes uploaded video and takes thumbnails.", selftest=selftest)
