"""Finds what a process wrote where a read-only root file system would not let it."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from nova_infra.assembly import DockerAsset
from nova_infra.containers.dockerfile import volumes_of
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.usage.filling.disk import changed


def wrote_read_only(definition: TaskDefinition, asset: DockerAsset | None, work: Path, tmp: Path) -> str | None:
    """A file that a task wrote outside its volumes, as its image would call it; None where it may, or none was found.

    ECS mounts an image's own volumes, too: they can be written.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html

    Args:
        work: Its working directory, a copy of the asset's.
        tmp: Its directory for temporary files.
    """
    if not definition.read_only_root:
        return None
    place, volumes = volumes_of(asset.directory / asset.dockerfile, asset.target) if asset is not None else ("", [])
    place = definition.working_directory or place
    writable = [PurePosixPath(each) for each in (*definition.mounts, *volumes)]
    if not _covered("/tmp", writable) and (wrote := changed(tmp, None)) is not None:  # noqa: S108 - the task's, not ours
        return f"/tmp/{wrote}"  # noqa: S108 - the task's, not ours
    if place and _covered(place, writable):
        return None
    # Where the working directory is unknown, a volume may be below it by the end of its path.
    below = {Path(*each.parts[n:]) for each in writable for n in range(1, len(each.parts))}
    wrote = changed(work, asset.directory if asset is not None else None, below)
    return str(PurePosixPath(place) / wrote) if wrote is not None else None


def _covered(place: str, volumes: Sequence[PurePosixPath]) -> bool:
    return any(PurePosixPath(place).is_relative_to(each) for each in volumes)
