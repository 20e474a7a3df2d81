"""Images whose base a local one stands in for, which may lack the users of the official one."""

import os
from pathlib import Path

import pytest

from nova_infra.containers.build import Recipe, build
from nova_infra.containers.engine import Engine
from nova_infra.images.build_context import ContextFile

DOCKERFILE = ContextFile("Dockerfile", "file", b"FROM docker.io/node:22-slim\nUSER node\n")
RECIPE = Recipe("localhost/nova/shop:01234567", "Dockerfile", "linux/amd64", {}, (DOCKERFILE,))
ENGINE = """#!/bin/sh
if [ "$1 $3" = "image localhost/node:22-slim" ]; then echo '[{"Id": "one"}]'; exit; fi
if [ "$1" = image ]; then exec cat "$(dirname "$0")/built"; fi
for word; do
  case $word in
    --iidfile=*) echo f00d >"${word#*=}" ;;
    --file=*) cat "${word#*=}" >>"$(dirname "$0")/dockerfiles" ;;
  esac
done
"""


def test_an_image_without_a_user_of_its_stand_in_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "podman").write_text(ENGINE)
    (tmp_path / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "built").write_text('[{"Labels": {"nova.built-on": "node:22-slim=one"}}]')
    assert build(Engine("podman", "amd64"), RECIPE, tell=lambda _: None)
    given = (tmp_path / "dockerfiles").read_text().splitlines()
    assert given[1].startswith("RUN grep -q ^node: /etc/passwd ||")
    (tmp_path / "built").write_text('[{"Labels": {"nova.built-on": "node:22-slim=one and users"}}]')
    assert not build(Engine("podman", "amd64"), RECIPE, tell=lambda _: None)
