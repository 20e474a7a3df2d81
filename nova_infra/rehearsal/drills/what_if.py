"""``--what-if``: repeats drills with another canary, to compare how far a fault gets."""

from __future__ import annotations

from dataclasses import dataclass

from nova_infra.errors import NovaError
from nova_infra.rehearsal.delivery.definition import DeployAction
from nova_infra.rehearsal.pipeline.edits import Edit, canary
from nova_infra.rehearsal.pipeline.release import Release


@dataclass(frozen=True)
class WhatIf:
    """Another canary to compare the configured one with."""

    percent: float
    bake_minutes: int

    @property
    def name(self) -> str:
        """What to call it."""
        return f"{self.percent:g} % for {self.bake_minutes} min"

    @property
    def edit(self) -> Edit:
        """The change to a template that gives its services this canary."""
        return canary(self.percent, self.bake_minutes)

    @classmethod
    def parse(cls, text: str) -> WhatIf:
        """Read ``percent=5,bake=10``."""
        try:
            values = dict(part.split("=") for part in text.replace(" ", "").split(","))
            percent, bake = float(values.pop("percent")), int(values.pop("bake"))
        except (KeyError, ValueError):
            values = {"": ""}
            percent, bake = 0.0, 0
        if values or not 0.1 <= percent <= 100 or not 0 <= bake <= 1440:
            raise NovaError(
                f"--what-if {text}: is not a canary: write percent=5,bake=10 (0.1 to 100 percent, 0 to 1440 minutes)"
            )
        return cls(percent, bake)

    def require_difference(self, candidate: Release) -> None:
        """Check that this canary would change something, before minutes are spent on it."""
        actions = [action for stage in candidate.pipeline().stages for action in stage.actions]
        templates = [candidate.template(action) for action in actions if isinstance(action, DeployAction)]
        if all(self.edit(template) == template for template in templates):
            raise NovaError(
                f"--what-if: {self.name} is already configured, or no service shifts traffic: "
                "name another canary, or set another strategy than rolling"
            )
