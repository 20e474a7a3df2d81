"""Decides which dependencies of nova.toml a rehearsal needs, and gets their images."""

import contextlib
import hashlib
import shlex
from dataclasses import replace
from pathlib import Path

from nova_infra.assembly import DockerAsset
from nova_infra.config import Config, Dependency, load_config
from nova_infra.config.rehearsal.rules import names_of, uncovered
from nova_infra.containers.asset import asset_command, asset_files
from nova_infra.containers.build import ENGINES, local_name
from nova_infra.containers.engine import Engine, detect
from nova_infra.containers.errors import EngineError
from nova_infra.containers.probe import require_start
from nova_infra.errors import NovaError
from nova_infra.machine.commands import run_command
from nova_infra.names import repository_name
from nova_infra.rehearsal.dependencies.container import Needed
from nova_infra.rehearsal.tasks.runtime import ImageRuntime, SourceRuntime, TaskRuntime


def engine_for(config: Config) -> Engine:
    """An engine for the dependencies of services that run from their sources."""
    try:
        engine = detect()
        require_start(engine)
    except NovaError as error:
        names = ", ".join(each.name for each in config.rehearsal.dependencies)
        raise EngineError(
            f"rehearsal.dependencies: {names} needs a container engine, even if services run from their sources: "
            f"{error}"
        ) from None
    return engine


async def prepare_dependencies(
    runtime: TaskRuntime, config: Config, root: Path, logs: Path, *, baseline: Path | None = None
) -> None:
    """Get each dependency's image, and tell the runtime what every environment needs.

    Args:
        baseline: The sources of the baseline, whose tasks go on as its own nova.toml says.
    """
    former = _former(baseline) if baseline is not None else None
    earlier = {each.name: each for each in former.rehearsal.dependencies} if former is not None else {}
    found = []
    for dependency in config.rehearsal.dependencies:
        image = await _image(runtime, dependency, root, config, logs)
        needed = Needed(dependency, image, _hosts(dependency, config))
        if former is not None and (before := earlier.pop(dependency.name, None)) not in (None, dependency):
            provides = {**before.provides, **dependency.provides}
            wanted = dependency.model_copy(update={"provides": provides})
            needed = replace(needed, before=Needed(wanted, image, needed.hosts | _hosts(before, former)))
        found.append(needed)
    if former is not None and baseline is not None:
        for dependency in earlier.values():
            with contextlib.suppress(NovaError):  # The baseline may run without it; if not, it says so.
                image = await _image(runtime, dependency, baseline, former, logs)
                found.append(Needed(dependency, image, _hosts(dependency, former), retired=True))
    runtime.dependencies = tuple(found)


def _former(baseline: Path) -> Config | None:
    """What a baseline's own nova.toml says; nothing where it is older than this code."""
    try:
        return load_config(baseline)
    except NovaError:
        return None


def _hosts(dependency: Dependency, config: Config) -> frozenset[str]:
    environments = dict(enumerate(config.environments))
    return frozenset(name for host in dependency.stands_for for name in names_of(host, environments))


async def _image(runtime: TaskRuntime, dependency: Dependency, root: Path, config: Config, logs: Path) -> str:
    assert isinstance(runtime, ImageRuntime | SourceRuntime), "there are no others"
    if runtime.engine is None:
        raise EngineError(f"rehearsal.dependencies: {dependency.name} needs a container engine: start Docker or Podman")
    log, platform = logs / f"dependency-{dependency.name}.log", config.platform.name
    return await have_dependency_image(runtime.engine, dependency, root=root, platform=platform, log=log)


def unreached(config: Config) -> list[str]:
    """What services connect to that has no stand-in, a sentence each."""
    dependencies, environments = config.rehearsal.dependencies, config.environments
    return uncovered(dict(enumerate(dependencies)), dict(enumerate(environments)), dict(enumerate(config.services)))


def provided(config: Config | None) -> frozenset[str]:
    """The variables that dependencies provide; none without a configuration."""
    found = config.rehearsal.dependencies if config is not None else ()
    return frozenset(name for each in found for name in each.provides)


def image_name(dependency: Dependency, *, root: Path, platform: str) -> str:
    """What a dependency's image is called: as nova.toml says, or by the content of what it is built from."""
    if dependency.image is not None:
        return dependency.image
    content = hashlib.sha256()
    for file in asset_files(root / str(dependency.build)):
        content.update(repr((file.path, file.kind, file.content)).encode())
    return local_name(f"{repository_name(platform, f'rehearsal-{dependency.name}')}:{content.hexdigest()[:16]}")


async def have_dependency_image(engine: Engine, dependency: Dependency, *, root: Path, platform: str, log: Path) -> str:
    """Make sure that the engine's store has a dependency's image.

    Returns:
        Its name there.
    """
    name = image_name(dependency, root=root, platform=platform)
    stand_in = f"localhost/{name.partition('@')[0].rpartition('/')[2]}"
    for known in (name, stand_in):
        if engine.image(known) is not None:
            return known
    try:
        if dependency.build is not None:
            await _build(engine, name, root / dependency.build, log)
            return name
        await engine.call("pull", "--quiet", engine.full_name(name))
    except NovaError as error:
        raise EngineError(f"rehearsal.dependencies: {dependency.name}: {error}") from None
    return engine.full_name(name)


async def _build(engine: Engine, name: str, directory: Path, log: Path) -> None:
    command = shlex.join(asset_command(name, engine.architecture, DockerAsset(directory, "Dockerfile", {})))
    log.parent.mkdir(parents=True, exist_ok=True)
    code, said = await run_command(
        command, directory=directory, environment={}, log=log, spare=ENGINES, without_aws=True
    )
    if code:
        raise EngineError(f"{said[-1] if said else 'its image does not build'}; all of its output: {log}")
