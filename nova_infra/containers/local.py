"""``nova image build --local``, ``scan --local``: builds, pulls and scans services' images in an engine's store."""

from collections.abc import Callable, Sequence
from pathlib import Path

from nova_infra.config import Config
from nova_infra.containers.build import ENGINES, Recipe, build, local_name
from nova_infra.containers.engine import Engine, detect
from nova_infra.containers.errors import EngineError, ImageError
from nova_infra.errors import NovaError, noting, raise_all
from nova_infra.images.tags import ImageSource, image_sources
from nova_infra.machine.scratch import scratch_directory
from nova_infra.names import repository_name


def have_image(engine: Engine, source: ImageSource, name: str, *, tell: Callable[[str], None]) -> bool:
    """Have a service's image in the engine's store under a name.

    Args:
        name: What it is called there, with its content tag.

    Returns:
        Whether it was built, or fetched, now.

    Raises:
        EngineError: This machine cannot build or fetch it.
        ImageError: It does not build, or there is none.
    """
    if source.image:
        return _fetch(engine, source, name, tell)
    recipe = Recipe(name, source.dockerfile_path, source.platform, source.arguments, source.files, source.target)
    return build(engine, recipe, tell=tell)


def _fetch(engine: Engine, source: ImageSource, name: str, tell: Callable[[str], None]) -> bool:
    if engine.image(name) is not None:
        return False
    stand_in = f"localhost/{source.image.partition('@')[0].rpartition('/')[2]}"
    origin = source.image
    if engine.image(stand_in) is not None:
        tell(f"{stand_in} stands in for {source.image}")
        origin = stand_in
    elif engine.image(origin) is None:
        try:
            engine.run("pull", "--quiet", f"--platform={source.platform}", origin)
        except (EngineError, ImageError) as error:
            raise type(error)(f"services: {source.service!r}: image {origin}: {error}") from None
    engine.run("tag", origin, name)
    return True


def build_here(root: Path, config: Config, services: Sequence[str], notify: Callable[[str], None]) -> None:
    """Build services' images on this machine, but those that are there.

    Raises:
        NovaError: What was wrong with any of them; the others are built.
    """
    engine = detect(ENGINES)
    faults: list[NovaError] = []
    for source in image_sources(root, config, services):
        name = _name(config, source)
        with noting(faults):
            built = have_image(engine, source, name, tell=notify)
            notify(f"built {name} with {engine.program}" if built else f"{name} is unchanged: not built again")
    raise_all(faults)


def scan_here(root: Path, config: Config, services: Sequence[str], notify: Callable[[str], None]) -> None:
    """Scan the images of these files on this machine, as a pull request does: it may not ask a registry."""
    from nova_infra.images.publish import checked_by_scanner  # which imports botocore, as nothing else here needs

    engine = detect()
    names = [config.service(name).name for name in services] or [service.name for service in config.services]
    build_here(root, config, names, notify)
    faults: list[NovaError] = []
    for source in image_sources(root, config, names):
        name = _name(config, source)
        with scratch_directory("scan") as scratch:
            archive = Path(scratch, "image.tar")
            engine.run("save", f"--output={archive}", name)
            with noting(faults):
                checked_by_scanner(root, config, source.service, engine.run)(archive, "docker-archive")
                notify(f"scanned {name}")
    raise_all(faults)


def _name(config: Config, source: ImageSource) -> str:
    return local_name(f"{repository_name(config.platform.name, source.service)}:{source.tag}")
