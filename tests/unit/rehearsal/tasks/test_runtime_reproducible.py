"""Images that an engine builds here: nothing in them is of this machine."""

import uuid

import pytest

from nova_infra.containers.build import CACHE, Recipe, build, remove_images
from nova_infra.containers.engine import Engine
from nova_infra.images.build_context import ContextFile

DOCKERFILE = b"FROM scratch AS files\nCOPY a /a\nFROM scratch\nARG RELEASE\nCOPY --from=files /a /b\nUSER 10001\n"
FILES = (ContextFile("Dockerfile", "file", DOCKERFILE), ContextFile("a", "file", uuid.uuid4().bytes))


@pytest.mark.exhaustive(
    "rehearsal/tasks/test_container.py::test_a_container_gets_what_its_definition_says_and_nothing_of_this_machine"
)
def cached(engine: Engine, name: str) -> dict[str, str]:
    """The images that the next build of a service can begin with, by their names."""
    place = f"{name.rpartition(':')[0]}/{CACHE}:"
    return {each: image for each, image in engine.image_names().items() if each.startswith(place)}


@pytest.mark.exhaustive(
    "containers/test_build.py::test_builds_wait_for_each_other_whatever_their_tmpdir_and_leave_no_file_behind"
)
def test_a_build_leaves_what_the_next_one_begins_with_and_no_more(engine: Engine) -> None:
    if engine.is_docker:
        pytest.skip("BuildKit keeps its cache by itself")
    service, names, said = uuid.uuid4().hex[:16], [], []
    own = f"FROM scratch AS files\nLABEL service={service}\n".encode() + DOCKERFILE.partition(b"\n")[2]
    left: list[dict[str, str]] = []
    try:
        for content in (b"one", b"two", b"two"):
            name = f"localhost/nova-test/{service}:{uuid.uuid4().hex[:16]}"
            names.append(name)
            files = (ContextFile("Dockerfile", "file", own), ContextFile("a", "file", content + service.encode()))
            lines: list[str] = []
            build(engine, Recipe(name, "Dockerfile", f"linux/{engine.architecture}", {}, files), tell=lines.append)
            said.append(lines)
            left.append(cached(engine, name))
            assert all(each.rpartition(":")[2].startswith(name.rpartition(":")[2]) for each in left[-1])
        superseded = set(left[0].values()) - set(left[1].values())
        assert superseded
        assert [each for each in superseded if engine.image(each) is not None] == []
        assert set(left[1].values()) == set(left[2].values())
        uses = [sum("Using cache" in line for line in lines) for lines in said]
        assert uses[0] < uses[1] < uses[2], "what has not changed is not built again"
    finally:
        remove_images(engine, [*names, *cached(engine, names[0])])


@pytest.mark.exhaustive(
    "containers/test_build.py::test_builds_wait_for_each_other_whatever_their_tmpdir_and_leave_no_file_behind"
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
        remove_images(engine, [name, *cached(engine, name)])
