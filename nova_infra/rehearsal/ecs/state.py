"""A deployment's state, in the words of ECS's API."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from nova_infra.rehearsal.ecs.lifecycle.hooks import BEFORE_STEP


@dataclass
class DeploymentState:
    """Where a deployment is, as ECS would describe it.

    Attributes:
        number: Its place among the service's deployments, from 1.
        hooks: The hooks that it has come to, as ECS details them, by their places.
        per_minute: Requests that the new revision got in the latest whole minute.
    """

    number: int
    status: str = "IN_PROGRESS"
    stage: str = "SCALE_UP"
    percent: float = 0.0
    hooks: dict[int, dict[str, str]] = field(default_factory=dict)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    finished: datetime | None = None
    strategy: str = "ROLLING"
    per_minute: int = 0

    def come_to(self, number: int, stage: str, kind: str, function: str) -> None:
        """Reach a hook at a stage."""
        status = "AWAITING_ACTION" if kind == "PAUSE" else "IN_PROGRESS"
        target = {"targetArn": function} if function else {}
        self.stage, self.hooks[number] = stage, {"hookId": str(number), "targetType": kind, "status": status, **target}

    def answered(self, number: int) -> None:
        """A hook was answered: ECS describes only active ones."""
        self.hooks.pop(number, None)
        if not self.hooks and self.stage == BEFORE_STEP:
            self.stage = "PRODUCTION_TRAFFIC_SHIFT"

    def shift(self, percent: float) -> None:
        """Give the new revision another share of the users."""
        self.percent, self.stage = percent, "BAKE_TIME" if percent >= 100 else "PRODUCTION_TRAFFIC_SHIFT"

    def end(self, status: str) -> None:
        """It is over."""
        self.status, self.finished = status, datetime.now(UTC)
