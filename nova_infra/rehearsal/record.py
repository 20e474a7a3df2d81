"""The data classes of what happened in a rehearsal, for the report, the terminal and ``--json``."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass, field
from typing import Any, Literal

from nova_infra.rehearsal.rerouted import Answers, Elsewhere

NO_TARGET = "no target"
"""Stands for a revision where a request found none."""

UNMEASURED = "CPU and memory: this machine cannot measure containers, so their alarms have no data and cannot fire"

Status = Literal["not reached", "running", "succeeded", "failed", "stopped"]

REQUESTS_PER_MINUTE = 40
"""Requests to each service in a simulated minute: enough for an error rate to mean something."""

USERS = 200
"""Users of each service. Each sends one request in five simulated minutes."""


@dataclass
class ConnectionsRecord:
    """Connections to a dependency.

    Attributes:
        limit: How many it takes in production; None where nobody says.
        origin: Where the limit comes from, in a clause.
        most: Revision to the most that one of its tasks held at once.
    """

    limit: int | None
    origin: str = ""
    most: dict[str, int] = field(default_factory=dict)


@dataclass
class Requests:
    """Requests that reached one revision, or the load balancer as a whole.

    Attributes:
        failed: How many of them with a 5xx, or not at all.
        seconds: How long the answers took, together.
        log_seconds: The natural logarithms of those times, together: for a mean that a few waits do not move.
        slow: How many good answers took a second or longer.
    """

    served: int = 0
    failed: int = 0
    seconds: float = 0.0
    log_seconds: float = 0.0
    slow: int = 0

    def __add__(self, other: Requests) -> Requests:
        return Requests(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Requests) -> Requests:
        return Requests(*(mine - its for mine, its in zip(astuple(self), astuple(other), strict=True)))


@dataclass
class TrafficRecord:
    """A share of the traffic, and the requests at that share.

    Attributes:
        requests: Revision to the requests it got meanwhile.
    """

    percent: float
    began: float
    requests: dict[str, Requests] = field(default_factory=dict)
    ended: float | None = None


@dataclass
class MinuteRecord:
    """One simulated minute of a deployment; the first and the last one may be a part of a minute.

    Attributes:
        requests: Revision to the requests it got in this minute; those that found no target are under ``NO_TARGET``.
        red: Deployment alarms, and unlisted ones, that were in ALARM at its end.
        reached: Users whose requests the new revision got in this minute.
        hit: Users who got a 5xx or no answer in this minute, from whichever revision.
        memory: MiB that the new task held that held the most.
        disk: MiB that the new task had written to its disk that had written the most.
    """

    minute: float
    percent: float
    requests: dict[str, Requests]
    red: list[str]
    reached: list[str] = field(default_factory=list)
    hit: list[str] = field(default_factory=list)
    memory: float = 0.0
    disk: float = 0.0


@dataclass
class DeploymentRecord:
    """One ECS deployment.

    Attributes:
        plan: The shares of traffic that were planned and their bakes, in words.
        old: The revision before, None for a first deployment.
        baseline: Whether it belongs to the state that the rehearsal starts from.
        takes_back: Whether the pipeline's stage takes the release back with it, after another service has failed.
        from_alternate: Whether production used the alternate target group before.
        reason: Why it was rolled back, in a sentence.
        running: Number of new tasks that serve.
        memory: MiB that a new task may hold.
        disk: MiB of its disk.
        losses: Why each task was lost that was lost while it served.
        killed_at_stop: Number of tasks that did not end within their stop timeout.
        ignores_sigterm: Whether every one of its tasks had to be killed when the environment was closed.
        unwatched: Deployment alarms that ECS did not watch, because one was red at the start.
        red_before: Alarms that were in ALARM when it began.
        gates: What it waited for and where, a clause each.
        answers: What the new revision answered to synthetic users, the time after the deployment included.
        answers_before: The same of the old revision.
        elsewhere: What its users were answered by others.
        poorer: What its answers lack that those of the old revision had, a clause for each operation.
        watched: Deployment alarms that may end it.
        unlisted: Alarms of its service that would end it, were they among its deployment alarms.
        needs: Alarm, of either kind, to the requests a minute below which it says nothing.
        needs_of_each: Alarm to the requests a minute of one revision below which it leaves that one out.
        bakes: Whether anything of it bakes.
        bake_is_given: Whether the template says how long it bakes in the end.
        asked_from: Where the requests of synthetic users came from, in words.
        has_requests: Whether requests can reach it: it is behind a load balancer.
        not_asked: What synthetic users did not ask for, and why, in clauses.
        idle: Revision to the seconds after which its tasks close connections that nobody uses, where they do.
        kept_open: Revision to the seconds for which such a connection was seen to stay open.
        idle_timeout: Seconds for which the load balancer keeps such connections.
        most_tasks: How many tasks a rollout of it can have at once, at its autoscaler's maximum.
    """

    environment: str
    service: str
    strategy: str
    old: str | None
    new: str
    baseline: bool
    outcome: Literal["in progress", "completed", "rolled back", "failed"] = "in progress"
    reason: str = ""
    traffic: list[TrafficRecord] = field(default_factory=list)
    running: int = 0
    desired: int = 0
    began: float = 0.0
    ended: float = 0.0
    samples: list[MinuteRecord] = field(default_factory=list)
    memory: float = 0.0
    disk: float = 0.0
    losses: list[str] = field(default_factory=list)
    killed_at_stop: int = 0
    ignores_sigterm: bool = False
    unwatched: list[str] = field(default_factory=list)
    red_before: list[str] = field(default_factory=list)
    gates: list[str] = field(default_factory=list)
    plan: str = ""
    takes_back: bool = False
    from_alternate: bool = False
    answers: Answers = field(default_factory=dict)
    answers_before: Answers = field(default_factory=dict)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    poorer: list[str] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    needs: dict[str, int] = field(default_factory=dict)
    needs_of_each: dict[str, int] = field(default_factory=dict)
    bakes: bool = False
    bake_is_given: bool = True
    asked_from: str = ""
    has_requests: bool = True
    not_asked: list[str] = field(default_factory=list)
    idle: dict[str, float] = field(default_factory=dict)
    kept_open: dict[str, float] = field(default_factory=dict)
    idle_timeout: float = 60.0
    most_tasks: int = 0

    @property
    def shifts_traffic(self) -> bool:
        """Whether it moves traffic between two target groups."""
        return self.strategy != "ROLLING"

    def requests_to(self, revision: str) -> Requests:
        """The requests that a revision got in all of it."""
        return sum((sample.requests.get(revision, Requests()) for sample in self.samples), Requests())


@dataclass
class QueueRecord:
    """A queue of a worker, while a release goes through.

    Attributes:
        hidden: Seconds for which it hides a message that has been received, as in AWS.
        sent: Messages that were sent to it.
        slowest: Seconds that its worker took for a message, at most; 0 where that was not seen.
        came_back: Messages that could be received again after they had been received.
        dead: Messages that its dead-letter queue has got.
        workers: Services that take its messages: those of its stack without a load balancer.
        left: Messages of the last minute's end that nobody had taken.
        rate: Messages that are sent to it in a minute that has any.
        every: Minutes from one that has messages to the next.
        unfinished: Messages that the release alone was sent, where it has finished none of them.
    """

    hidden: float
    sent: int = 0
    slowest: float = 0.0
    came_back: int = 0
    dead: int = 0
    workers: list[str] = field(default_factory=list)
    left: int = 0
    rate: int = 1
    every: int = 1
    unfinished: int = 0


@dataclass
class Notification:
    """A message that a subscriber would have received."""

    environment: str
    minute: int
    topic: str
    message: str


@dataclass
class ActionRecord:
    """One action of the pipeline.

    Attributes:
        note: What a reader should know: what was simulated, what failed.
        began: When it began, in seconds after the rehearsal did.
    """

    name: str
    kind: str
    run_order: int
    status: Status = "not reached"
    played: Literal["real", "simulated"] = "real"
    note: str = ""
    began: float = 0.0
    seconds: float = 0.0
    output: list[str] = field(default_factory=list)


@dataclass
class StageRecord:
    """One stage of the pipeline.

    Attributes:
        note: What else came of it: why nothing entered it, whether it was played again or taken back.
        began: When it began, in seconds after the rehearsal did.
    """

    name: str
    actions: list[ActionRecord]
    status: Status = "not reached"
    note: str = ""
    began: float = 0.0
    seconds: float = 0.0


@dataclass
class Record:
    """A whole rehearsal.

    Attributes:
        app: The command that synthesizes somebody's own CDK app; empty for a project of Nova.
        load: Environment to the synthetic requests sent to it.
        elsewhere: Environment to the services that the release does not deploy there, each with what others answered.
        queues: Queue of a worker to what was seen of it.
        lived: Seconds that the longest-lived task of the candidate was up.
        slow_minutes: Simulated minutes that lasted more than twice as long as they should: the machine was busy.
        unsafe: What the delivery lets through although something failed, in clauses.
        foreseen: What CloudFormation would do or refuse that nothing played shows, a line each.
        not_rehearsed: What the rehearsal cannot show, in sentences.
        granted: What the release needs and only AWS knows of, a clause each.
        borrowed: Those of them that are about the packages that made the baseline's templates.
        runs_tasks: Whether it deploys anything that runs here.
        until: Last stage that was to be played, None where all were.
        at_once: Stack of a job whose next time came while it was running, to how many of its runs went on at once.
        denied: Revision of the release to the calls to AWS that its task role does not allow, a clause each.
        connections: Environment to its dependencies, and the connections to each.
        refused: Environment to what its firewall refused, a clause for each rule.
        waits: Environment to what its users met while commands ran before deployments, a clause each.
        lost: Tasks that went through their bakes and did not stay up or healthy for long after, a clause each.
        called: Service to how many connections others have made to it by the name that it is found by.
        unknown_cpu: Service to the minutes in which this machine was too busy to tell what processor time it used.
    """

    pipeline: str
    candidate: str
    baseline: str
    stages: list[StageRecord]
    deployments: list[DeploymentRecord] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)
    load: dict[str, Requests] = field(default_factory=dict)
    elsewhere: dict[str, dict[str, Elsewhere]] = field(default_factory=dict)
    queues: dict[str, QueueRecord] = field(default_factory=dict)
    lived: float = 0.0
    real_time: bool = False
    slow_minutes: int = 0
    unsafe: list[str] = field(default_factory=list)
    foreseen: list[str] = field(default_factory=list)
    not_rehearsed: list[str] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)
    borrowed: list[str] = field(default_factory=list)
    runs_tasks: bool = True
    until: str | None = None
    started: str = ""
    seconds: float = 0.0
    tasks: str = ""
    at_once: dict[str, int] = field(default_factory=dict)
    denied: dict[str, list[str]] = field(default_factory=dict)
    connections: dict[str, dict[str, ConnectionsRecord]] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)
    waits: dict[str, list[str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    unknown_cpu: dict[str, int] = field(default_factory=dict)
    called: dict[str, int] = field(default_factory=dict)
    app: str = ""

    @property
    def measured(self) -> bool:
        """Whether this machine showed what every task used."""
        return UNMEASURED not in self.not_rehearsed

    def note_lost(self, revision: str, why: str) -> None:
        """Note once that a task of a revision did not stay up."""
        said = f"a task of {revision} did not stay up: "
        if not any(each.startswith(said) for each in self.lost):
            self.lost.append(said + why)

    @property
    def succeeded(self) -> bool:
        """Whether every stage succeeded."""
        return all(stage.status == "succeeded" for stage in self.stages)

    def as_json(self) -> dict[str, Any]:
        """The record as JSON-ready data."""
        return {"succeeded": self.succeeded, **asdict(self)}
