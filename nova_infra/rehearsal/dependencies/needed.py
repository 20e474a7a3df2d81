"""Finds the dependencies of nova.toml that a rehearsal has to start."""

from pathlib import Path

from nova_infra.config import Config
from nova_infra.config.rehearsal.rules import names_of, uncovered
from nova_infra.containers.engine import Engine, detect
from nova_infra.containers.errors import EngineError
from nova_infra.containers.probe import require_start
from nova_infra.errors import NovaError
from nova_infra.rehearsal.dependencies.container import Needed
from nova_infra.rehearsal.dependencies.images import have_dependency_image
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


async def prepare_dependencies(runtime: TaskRuntime, config: Config, root: Path, logs: Path) -> None:
    """Get each dependency's image, and tell the runtime what every environment needs."""
    environments = dict(enumerate(config.environments))
    found = []
    for dependency in config.rehearsal.dependencies:
        assert isinstance(runtime, ImageRuntime | SourceRuntime), "there are no others"
        assert runtime.engine is not None, "dependencies have an engine"
        image = await have_dependency_image(
            runtime.engine,
            dependency,
            root=root,
            platform=config.platform.name,
            log=logs / f"dependency-{dependency.name}.log",
        )
        hosts = frozenset(name for host in dependency.stands_for for name in names_of(host, environments))
        found.append(Needed(dependency, image, hosts))
    runtime.dependencies = tuple(found)


def unreached(config: Config) -> list[str]:
    """What services connect to that has no stand-in, a sentence each."""
    dependencies, environments = config.rehearsal.dependencies, config.environments
    return uncovered(dict(enumerate(dependencies)), dict(enumerate(environments)), dict(enumerate(config.services)))


def provided(config: Config | None) -> frozenset[str]:
    """The variables that dependencies provide; none without a configuration."""
    found = config.rehearsal.dependencies if config is not None else ()
    return frozenset(name for each in found for name in each.provides)
