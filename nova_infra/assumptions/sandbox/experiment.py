"""The data classes of an experiment: what it settles, what it takes, and what it has read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from nova_infra.assumptions.sandbox.stacks import Sandbox

Verdict = Literal["held", "refuted", "undecided"]
MARGIN_MINUTES = 2
"""Minutes that an experiment's resources may be up beyond its own: CloudFormation removes them."""


@dataclass(frozen=True)
class Reading:
    """The outcome of a row.

    Attributes:
        said: What was seen, or why nothing is known.
    """

    row: str
    verdict: Verdict
    said: str

    @property
    def line(self) -> str:
        """The reading in a line."""
        verdict = "could not be decided, because" if self.verdict == "undecided" else f"{self.verdict}:"
        return f"{self.row}: {verdict} {self.said}"


@dataclass(frozen=True)
class Experiment:
    """One experiment, which settles one row or several that need the same resources.

    Attributes:
        rows: Ids of the rows that it settles.
        minutes: How long it takes, without the removal of what it has made.
        read: Does what the rows say, and yields a reading for each.
        tasks: How many tasks of a quarter of a vCPU run at once at most.
        usd: What it costs in addition to its tasks.
        ground: Whether it needs the network, the load balancer and the cluster that experiments share.
    """

    name: str
    rows: tuple[str, ...]
    minutes: int
    read: Callable[[Sandbox], Iterator[Reading]]
    tasks: int = 0
    usd: float = 0.0
    ground: bool = True


def held_if(row: str, held: bool, said: str) -> Reading:
    """A reading: held where the condition is true, and refuted otherwise."""
    return Reading(row, "held" if held else "refuted", said)
