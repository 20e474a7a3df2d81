"""What the images of the project's own services hold, and what they do not: `make faults`."""

import json
from pathlib import Path

import pytest

from nova_infra.config import load_config
from nova_infra.containers.build import local_name
from nova_infra.containers.engine import Engine
from nova_infra.containers.local import have_image
from nova_infra.images.tags import image_sources
from nova_infra.names import repository_name

ROOT = Path(__file__).parents[2]
CONFIG = load_config(ROOT)
LOOK = """
import json, importlib.util, os, shutil, sys
tools = ["pip", "pip3", "gcc", "cc", "c++", "ld", "make", "git", "curl", "wget", "pytest"]
modules = ["pip", "setuptools", "wheel", "ensurepip", "idlelib", "pytest", "test"]
print(json.dumps({
    "tools": [each for each in tools if shutil.which(each, path="/bin:/usr/bin:/sbin:/usr/sbin:/usr/local/bin:/opt/nova/bin")],
    "modules": [each for each in modules if importlib.util.find_spec(each)],
    "user": os.getuid(),
}))
"""


@pytest.fixture(scope="module", params=[each.name for each in CONFIG.services if each.kit])
def image(engine: Engine, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A service's name, and its image, built unless it is there."""
    [source] = image_sources(ROOT, CONFIG, [request.param])
    name = local_name(f"{repository_name(CONFIG.platform.name, source.service)}:{source.tag}")
    have_image(engine, source, name, tell=lambda _: None)
    return source.service, name


def run(engine: Engine, image: str, *arguments: str) -> str:
    return engine.run("run", "--rm", "--network=none", "--read-only", "--entrypoint=python", image, *arguments)


def test_an_image_has_no_tools_of_a_build_or_a_test(engine: Engine, image: tuple[str, str]) -> None:
    found = json.loads(run(engine, image[1], "-c", LOOK))
    assert found == {"tools": [], "modules": [], "user": 10001}


def test_nothing_is_compiled_again_when_a_task_starts(engine: Engine, image: tuple[str, str]) -> None:
    """A module whose compiled file is not taken is compiled at every start: its cached file is none, or out of date."""
    service, name = image
    module = service.replace("-", "_")
    look = (
        f"import sys, pathlib, nova_kit.serve, nova_kit.healthcheck, {module}.main\n"
        "files = {m.__spec__.origin: m.__spec__.cached for m in list(sys.modules.values()) if getattr(m, '__spec__', 0)}\n"
        "for origin, cached in files.items():\n"
        "    if origin and origin.endswith('.py'):\n"
        "        head = pathlib.Path(cached).read_bytes()[:8] if cached and pathlib.Path(cached).exists() else b''\n"
        "        if head[4:] != b'\\x01\\x00\\x00\\x00': print(origin)\n"
    )
    assert run(engine, name, "-c", look) == ""
