"""Integration tests drive the services of one environment over HTTP. They need `API_BASE_URL` and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import httpx
import pytest


@pytest.fixture(scope="session")
def api() -> Iterator[httpx.Client]:
    """Return a client for the environment's services."""
    base_url = os.environ.get("API_BASE_URL")
    if not base_url:
        pytest.exit("usage: make integration API_BASE_URL=https://<load balancer>", returncode=2)
    with httpx.Client(base_url=base_url, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def sound(make_sound: Callable[..., bytes]) -> bytes:
    """Return two seconds of a stereo tone, as WAV."""
    return make_sound(seconds=2, channels=2)


@pytest.fixture(scope="session")
def video(make_video: Callable[..., bytes]) -> bytes:
    """Return a second of grey pictures, as MP4."""
    return make_video(container="mp4", codec="libx264")
