"""Makes a service's image available in an engine's store: builds it, or pulls the ready one."""

from collections.abc import Callable

from nova_infra.containers.build import Recipe, build
from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError, ImageError
from nova_infra.images.tags import ImageSource


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
