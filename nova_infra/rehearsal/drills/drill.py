"""A drill: a release with a fault, what must follow, and how it went."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from nova_infra.rehearsal.drills.blast_radius import BlastRadius, blast_radius
from nova_infra.rehearsal.drills.expectations import Expectation, deployment_of, in_words, missing
from nova_infra.rehearsal.drills.steering import Answers
from nova_infra.rehearsal.record import DeploymentRecord, Record
from nova_infra.rehearsal.tasks.faults import place_of
from nova_infra.rehearsal.usage.pressure import PRESSURES

Reach = Literal["first tests", "last tests", "approval", "production", "all of production"]

ServiceKind = Literal["web", "worker", "job"]

CONFIGURED = "as configured"
"""Name of the templates' own canary; a drill may be repeated with others."""


@dataclass(frozen=True)
class Drill:
    """One fault and what must follow.

    Attributes:
        title: What is wrong with the release.
        reach: The part of the pipeline that is played; by default the one service in production.
        baseline_fault: A fault in what ran before.
        minutes_before: Simulated minutes for which what ran before serves alone.
        needs_images: Whether it says nothing of services that run from their sources.
        answers: What the person who is asked does when a deployment waits.
        gated: Whether every deployment waits for an answer, whatever the templates say.
        tested: Whether it is about tests before any user's request.
        function: What the function of those tests does: its work, or ``fails`` or ``hangs``.
        suite: Whether it is about the test suite that answers a gate: it ``answers``, ``hangs``, or asks ``elsewhere``.
        kind: What kind of service has the fault.
        group: ``together`` or ``apart`` where it is about releases whose services do or do not wait for one another.
        has: What the service with the fault has: ``before_deploy``, a ``schedule`` that alone starts it, a machine that
            lets ``one run`` go at a time, or ``tests`` that ask it for what it promises.
    """

    name: str
    title: str
    must_follow: tuple[Expectation, ...]
    reach: Reach = "production"
    fault: str = ""
    baseline_fault: str = ""
    approves: bool = True
    minutes_before: int = 0
    everywhere: bool = False
    needs_images: bool = False
    answers: Answers = "go on"
    gated: bool = False
    tested: bool = False
    function: str = ""
    suite: Literal["", "answers", "hangs", "elsewhere"] = ""
    kind: ServiceKind = "web"
    group: Literal["", "together", "apart"] = ""
    has: Literal["", "before_deploy", "schedule", "one run", "tests"] = ""

    @property
    def needs_measuring(self) -> bool:
        """Whether it is about what a container uses, which not every machine shows."""
        return self.fault.partition(":")[0] in PRESSURES

    @property
    def place(self) -> str:
        """Where its fault sits; empty where it has none."""
        fault = self.fault or self.baseline_fault
        return place_of(fault) if fault else ""

    @property
    def expected(self) -> str:
        """What must follow, in a sentence."""
        return in_words(self.must_follow)

    def check(self, record: Record, service: str) -> list[str]:
        """What should have followed and did not, in clauses."""
        return missing(self.must_follow, record, service)


@dataclass
class DrillResult:
    """How a drill went.

    Attributes:
        canary: Which canary it was played with.
        misses: What did not follow; empty when it passed.
    """

    drill: str
    title: str
    expected: str
    service: str
    canary: str
    misses: list[str]
    seconds: float
    record: Record = field(repr=False)
    place: str = ""

    @property
    def passed(self) -> bool:
        """Whether everything that had to follow did."""
        return not self.misses

    @property
    def counts(self) -> bool:
        """Whether it judges the release: with another canary it only compares."""
        return self.canary == CONFIGURED

    @property
    def deployment(self) -> DeploymentRecord | None:
        """The faulty service's deployment; None if there was none."""
        return deployment_of(self.record, self.service)

    @property
    def blast(self) -> BlastRadius | None:
        """How far the fault got, None where it met no request: not deployed, or in what no user asks."""
        found = blast_radius(self.deployment) if self.deployment else None
        return found if found and found.served else None

    def as_json(self) -> dict[str, Any]:
        """The result as JSON-ready data."""
        blast = self.blast.as_json() if self.blast else None
        return {**asdict(self), "passed": self.passed, "blast_radius": blast}
