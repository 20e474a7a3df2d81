"""Manifests of Copilot's, written into a directory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Write = Callable[..., Path]

API: dict[str, Any] = {
    "name": "api",
    "type": "Load Balanced Web Service",
    "image": {"build": "./api/Dockerfile", "port": 8081},
    "http": {"path": "api"},
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes files below ``copilot/``: texts as they are, the rest as YAML. Gives the directory above."""

    def write(**files: object) -> Path:
        for name, content in files.items():
            path = tmp_path / "copilot" / name.replace("__", "/") / "manifest.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return tmp_path

    return write
