"""Images that an engine builds here: nothing in them is of this machine."""

from __future__ import annotations

import uuid

import pytest

from nova_infra.containers.build import Recipe, build
from nova_infra.containers.engine import Engine
from nova_infra.images.build_context import ContextFile

DOCKERFILE = b"FROM scratch AS files\nCOPY a /a\nFROM scratch\nARG RELEASE\nCOPY --from=files /a /b\nUSER 10001\n"
FILES = (ContextFile("Dockerfile", "file", DOCKERFILE), ContextFile("a", "file", uuid.uuid4().bytes))


@pytest.mark.exhaustive(
    "rehearsal/tasks/test_container.py::test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine"
)
def test_an_image_does_not_say_what_the_engine_built_before(engine: Engine) -> None:
    """The history names the cached images that a build began with, so that each machine would have its own digest."""
    if engine.is_docker:
        pytest.skip("BuildKit notes no cached image in the history")
    name = f"localhost/nova-test/sealed:{uuid.uuid4().hex[:16]}"
    try:
        assert build(engine, Recipe(name, "Dockerfile", f"linux/{engine.architecture}", {}, FILES), tell=lambda _: None)
        found = engine.image(name)
        assert found is not None
        assert not found["History"]
        assert not found["Annotations"]["org.opencontainers.image.base.digest"]
        assert found["Created"].startswith("1970-01-01")
        assert found["Config"]["User"] == "10001"
    finally:
        engine.run("rmi", "--force", name)
