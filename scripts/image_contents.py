"""Checks that the images built here hold nothing that builds or tests, and are small: exits with 1 if not.

``python scripts/image_contents.py`` asks the engine for the image of each service on the kit, by the content tag of
these files. Where no engine answers it checks nothing, and says so.
"""

import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from nova_infra.config import load_config
from nova_infra.containers.build import local_name
from nova_infra.containers.engine import Engine, detect
from nova_infra.errors import NovaError
from nova_infra.images.tags import image_tags
from nova_infra.names import repository_name

MOST_MEGABYTES = 416
"""A fifth less than the 520 MB of the largest one before runtime images were made from scratch."""
UNWANTED = re.compile(
    r"(?:usr/)?(?:local/)?bin/(?:pip[\d.]*|gcc(?:-\d+)?|cc|g\+\+|make|ld|as|cargo|rustc|cmake|uv|pytest|hatch(?:ling)?)"
    r"|(?:.*/)?bin/pip[\d.]*"
    r"|.*/(?:site|dist)-packages/(?:pip|setuptools|wheel|pytest|_pytest|hatchling)/.*"
    r"|.*/(?:site|dist)-packages/(?:.*/)?tests?/.*|opt/nova/src/(?:.*/)?tests?/.*"
    r"|.*/ensurepip/.*|usr/include/.*|.*/lib/python[\d.]+/test/.*"
)


def main(root: Path) -> int:
    """Check the images; returns the exit code."""
    try:
        engine = detect()
    except NovaError as error:
        print(f"images are not checked: {error}")
        return 0
    config, faults = load_config(root), []
    kit = {service.name for service in config.services if service.kit}
    for service, tag in image_tags(root, config).items():
        if service not in kit:
            continue
        name = local_name(f"{repository_name(config.platform.name, service)}:{tag}")
        found = engine.image(name)
        if found is None:
            faults.append(f"{service}: is not built: nova image build --local {service}")
            continue
        megabytes = int(found["Size"]) / 1e6
        print(f"{service}: {megabytes:.0f} MB")
        faults += [f"{service}: {fault}" for fault in faults_of(megabytes, _paths(engine, name))]
    print("\n".join(faults) or "no image holds what builds or tests")
    return int(bool(faults))


def faults_of(megabytes: float, paths: Iterable[str]) -> list[str]:
    """What is wrong with an image.

    Args:
        paths: The files in it, without a slash at their beginning.
    """
    faults = [f"has {megabytes:.0f} MB, more than {MOST_MEGABYTES}"] if megabytes > MOST_MEGABYTES else []
    unwanted = sorted(path for path in paths if UNWANTED.fullmatch(path))
    return faults + ([f"holds {len(unwanted)} files that nothing runs, such as {unwanted[0]}"] if unwanted else [])


def _paths(engine: Engine, image: str) -> list[str]:
    container = engine.run("create", "--network=none", image).splitlines()[-1]
    try:
        with (
            subprocess.Popen([engine.program, "export", container], stdout=subprocess.PIPE) as exporting,
            tarfile.open(fileobj=exporting.stdout, mode="r|") as tar,
        ):
            return [member.name.removeprefix("./") for member in tar if not member.isdir()]
    finally:
        engine.run("rm", "--force", "--volumes", container)


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
