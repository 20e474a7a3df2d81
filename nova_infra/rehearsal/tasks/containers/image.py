"""What the engine says of an image: architecture, program, stop signal, volumes."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.containers.build import BASE_LABEL


@dataclass(frozen=True)
class EngineImage:
    """What an image in the engine's store says of itself.

    Attributes:
        stood_in: Base images that its Dockerfile names, and that images of this machine stand in for.
        is_local: Whether it has no name but those of this machine, and no build of a service left it.
    """

    name: str
    architecture: str
    program: tuple[str, ...]
    stop_signal: str
    volumes: tuple[str, ...]
    stood_in: tuple[str, ...] = ()
    is_local: bool = False

    @property
    def numbered_stop_signal(self) -> signal.Signals | None:
        """What asks it to stop, as this machine numbers it; None where it has none of that name."""
        number = getattr(signal, self.stop_signal, None)
        return number if isinstance(number, signal.Signals) else None

    def declares(self, path: str) -> bool:
        """Whether it declares a path as a volume."""
        return path.rstrip("/") in {volume.rstrip("/") for volume in self.volumes}

    def stand_ins(self, wanted: str) -> dict[str, str]:
        """Images that others on this machine stand in for, each with a sentence.

        Args:
            wanted: The image that a task definition names: it may be one of them itself.
        """
        own = wanted.partition("@")[0].rpartition("/")[2]
        is_public = not re.search(r"\.dkr[.-]ecr(-fips)?\.|^localhost/", wanted)
        names = (own,) if is_public and self.is_local else self.stood_in
        return {each: f"{each}: an image of this machine stands in for it, and may differ" for each in names}

    @classmethod
    def read(cls, name: str, found: Mapping[str, Any]) -> EngineImage:
        """From what the engine's ``image inspect`` says."""
        config = found.get("Config") or {}
        built_on = (config.get("Labels") or {}).get(BASE_LABEL)
        return cls(
            name,
            str(found.get("Architecture", "")),
            (*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
            str(config.get("StopSignal") or "SIGTERM"),
            tuple(config.get("Volumes") or ()),
            tuple(each.partition("=")[0] for each in (built_on or "").split() if each not in ("and", "users")),
            built_on is None and all(each.startswith("localhost/") for each in found.get("RepoTags") or [name]),
        )
