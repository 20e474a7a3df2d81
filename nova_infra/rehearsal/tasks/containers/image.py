"""What the engine says of an image: architecture, program, stop signal, volumes."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nova_infra.containers.build import BASE_LABEL


@dataclass(frozen=True)
class EngineImage:
    """What an image in the engine's store says of itself.

    Attributes:
        stands_in: Whether it was built on an image that stands in for the one that its Dockerfile names.
    """

    name: str
    architecture: str
    program: tuple[str, ...]
    stop_signal: str
    volumes: tuple[str, ...]
    stands_in: bool = False

    @property
    def numbered_stop_signal(self) -> signal.Signals | None:
        """What asks it to stop, as this machine numbers it; None where it has none of that name."""
        number = getattr(signal, self.stop_signal, None)
        return number if isinstance(number, signal.Signals) else None

    def declares(self, path: str) -> bool:
        """Whether it declares a path as a volume."""
        return path.rstrip("/") in {volume.rstrip("/") for volume in self.volumes}

    @classmethod
    def read(cls, name: str, found: Mapping[str, Any]) -> EngineImage:
        """From what the engine's ``image inspect`` says."""
        config = found.get("Config") or {}
        return cls(
            name,
            str(found.get("Architecture", "")),
            (*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
            str(config.get("StopSignal") or "SIGTERM"),
            tuple(config.get("Volumes") or ()),
            bool((config.get("Labels") or {}).get(BASE_LABEL)),
        )
