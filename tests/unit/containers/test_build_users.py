"""Images whose base a local one stands in for, which may lack the users of the official one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nova_infra.containers.build import Recipe, build
from nova_infra.containers.engine import Engine
from nova_infra.images.build_context import ContextFile

RECIPE = Recipe(
    "localhost/nova/shop:01234567",
    "Dockerfile",
    "linux/amd64",
    {},
    (ContextFile("Dockerfile", "file", b"FROM docker.io/node:22-slim\nUSER node\n"),),
)


def test_an_image_without_a_user_of_its_stand_in_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    images = {"localhost/node:22-slim": {"Id": "one"}, RECIPE.name: {"Labels": {"nova.built-on": "one"}}}
    monkeypatch.setattr(Engine, "image", lambda _, name: images.get(name))
    dockerfiles: list[str] = []

    def run(engine: Engine, arguments: Sequence[str], scratch: Path, *_: Any) -> None:
        assert engine.program == "podman"
        (scratch / "id").write_text("f00d")
        [path] = [each.partition("=")[2] for each in arguments if each.startswith("--file=")]
        dockerfiles.append(Path(path).read_text())

    monkeypatch.setattr("nova_infra.containers.build._run", run)
    monkeypatch.setattr("nova_infra.containers.build._keep_cache", lambda *_: None)
    assert build(Engine("podman", "amd64"), RECIPE, tell=lambda _: None)
    assert dockerfiles[0].splitlines()[1].startswith("RUN grep -q ^node: /etc/passwd ||")
    images[RECIPE.name] = {"Labels": {"nova.built-on": "one and users"}}
    assert not build(Engine("podman", "amd64"), RECIPE, tell=lambda _: None)
