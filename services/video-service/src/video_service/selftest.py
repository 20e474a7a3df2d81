"""One true call: a video of four pictures is probed, and one of its pictures taken."""

from __future__ import annotations

from importlib.resources import files

from starlette.types import ASGIApp

from nova_kit.selftest import SelftestError, post_form

_PNG = b"\x89PNG\r\n\x1a\n"


async def selftest(app: ASGIApp) -> None:
    """Probe half a second of H.264, and take a picture out of it.

    Raises:
        SelftestError: The answer is not what is in the video.
    """
    video = files(__package__).joinpath("selftest.mp4").read_bytes()
    answer = await post_form(app, "/video-service/probe", video)
    answer.require(format="MP4", duration_seconds=0.5, width=32, height=32, video_codec="h264", size_bytes=len(video))
    picture = await post_form(app, "/video-service/thumbnail", video)
    if not picture.require_ok().startswith(_PNG):
        raise SelftestError(f"{picture.call} did not answer a PNG picture")
