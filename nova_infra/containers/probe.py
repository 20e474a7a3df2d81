"""Checks that an engine can do what a rehearsal needs: start a container, and get the base images."""

import io
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from nova_infra.containers.build import base_images
from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError, explain
from nova_infra.machine.scratch import scratch_directory

_PROBE = "localhost/nova-probe:1"
SECONDS = 60


def require_usable(engine: Engine, dockerfiles: Iterable[Path]) -> None:
    """Check that an engine starts a container and has, or can pull, the base images.

    Args:
        dockerfiles: What would be built.

    Raises:
        EngineError: It does not, on this machine as it is.
    """
    require_start(engine)
    wanted = {
        image for file in dockerfiles for image in base_images(file.read_text(encoding="utf-8", errors="replace"))
    }
    for image in sorted(wanted):
        stand_in = f"localhost/{image.partition('@')[0].rpartition('/')[2]}"
        if engine.image(image) is None and engine.image(stand_in) is None:
            _pull(engine, image)


def require_start(engine: Engine) -> None:
    """Start a container of an empty image: the only failure allowed is that its program is missing.

    It has a network and limits, as tasks have: engines without root often cannot give them.

    Raises:
        EngineError: This machine does not let the engine run containers.
    """
    if engine.image(_PROBE) is None:
        with scratch_directory("probe") as directory:
            archive = Path(directory, "image.tar")
            with tarfile.open(archive, "w") as tar:
                tar.addfile(tarfile.TarInfo("probe"), io.BytesIO())
            engine.run("import", str(archive), _PROBE)
    said = _said(engine, "run", "--rm", "--publish=127.0.0.1::80", "--memory=64m", "--cpus=0.5", _PROBE, "/missing")
    error = explain(engine.program, ["run"], said)
    if isinstance(error, EngineError):
        raise error


def _pull(engine: Engine, image: str) -> None:
    said = _said(engine, "pull", "--quiet", image)
    if engine.image(image) is None:
        error = explain(engine.program, ["pull"], said)
        raise error if isinstance(error, EngineError) else EngineError(str(error))


def _said(engine: Engine, *arguments: str) -> str:
    """What a command of the engine that may fail prints to its error output. A pull takes as long as it takes.

    Raises:
        EngineError: It does not end.
    """
    command, limit = [engine.program, *arguments], None if arguments[0] == "pull" else SECONDS
    try:
        return subprocess.run(
            command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=limit
        ).stderr
    except subprocess.TimeoutExpired:
        raise EngineError(
            f"{engine.program} {arguments[0]}: does not end within {SECONDS} s: find out what it is doing"
        ) from None
