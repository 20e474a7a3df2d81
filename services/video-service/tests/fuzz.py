"""What `make fuzz` damages and sends to the video service."""

from __future__ import annotations

from pathlib import Path

_MP4 = (Path(__file__).parents[1] / "src" / "video_service" / "selftest.mp4").read_bytes()

SAMPLES = {
    f"{kind} {operation}": (f"/video-service/{operation}", "form", content)
    for kind, content in {"MP4": _MP4}.items()
    for operation in ("probe", "thumbnail")
}
