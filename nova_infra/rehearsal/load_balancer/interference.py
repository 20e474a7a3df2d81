"""Puts a drill's faults between load balancer and targets: errors, delays, dropped requests."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from nova_infra.rehearsal.tasks.faults import value_of

_WATCHED = "/version"


class DroppedError(ConnectionError):
    """The connection is closed without an answer."""


@dataclass
class Interference:
    """What happens to the requests to one task.

    Attributes:
        fault: Its fault as its definition names it; empty where it has none.
        health_path: Path of the load balancer's health check, which faults leave alone unless they are about it.
    """

    fault: str
    health_path: str
    _asked: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def before(self, path: str) -> int | None:
        """What happens to a request before the task gets it.

        Args:
            path: Without its query.

        Returns:
            The status that stands for the task's answer; None where the task answers.
        """
        name, value = self.fault.partition(":")[0], value_of(self.fault)
        match name:
            case "errors" if self._hits(value):
                return 500
            case "errors-after" if next(self._asked) > value:
                return 500
            case "not-found" if not path.endswith((self.health_path.partition("?")[0], _WATCHED)):
                return 404
            case "unanswered" if self._hits(value):
                raise TimeoutError
            case "dropped" if self._hits(value):
                raise DroppedError
        return None

    def added_seconds(self, seconds: float) -> float:
        """How much longer a fault makes an answer of some seconds: counted, but not waited for."""
        match self.fault.partition(":")[0]:
            case "delay":
                return value_of(self.fault)
            case "slower":
                return seconds * (value_of(self.fault) - 1)
        return 0.0

    def health(self) -> str | None:
        """What the health check sees instead of the task's answer; None if it sees that."""
        return f"GET {self.health_path} answered 500" if self.fault == "unhealthy" else None

    def _hits(self, share: float) -> bool:
        """Whether the next request is among an evenly spread share: the outcome must not depend on chance."""
        number = next(self._asked)
        return int(number * share) > int((number - 1) * share)
