"""Lists all drills, those of workers and jobs included: the fault of a release, and what must follow."""

from collections.abc import Sequence

from nova_infra.errors import NovaError
from nova_infra.rehearsal.drills.before_traffic import GATE_DRILLS, STOPPED
from nova_infra.rehearsal.drills.drill import Drill
from nova_infra.rehearsal.drills.expectations import (
    ALARM_RINGS,
    ALARM_TELLS,
    BACK_OR_HARMLESS,
    GOES_THROUGH,
    IN_CANARY,
    KILLED_AT_STOP,
    KILLED_FOR_MEMORY,
    NO_LOST_REQUEST,
    NO_TRAFFIC,
    NOT_DEPLOYED,
    ONE_AT_ONCE,
    OTHERS_GO_BACK,
    OTHERS_GO_THROUGH,
    PIPELINE_TELLS,
    SEEN_SLOWER,
    STAGE_STOPS,
    STOPPED_OR_HARMLESS,
    UNWATCHED,
    rolls_back,
    stops_at,
    stops_because,
    told,
)
from nova_infra.rehearsal.environment.monitoring import METRIC_DELAY

_BREAKER = rolls_back("the circuit breaker rolls it back", because="circuit breaker", or_before="before_deploy failed")
_NOT_MIGRATED = (stops_because("the command stops the stage", "before_deploy failed"), NOT_DEPLOYED)
_NEVER_STARTS = (_BREAKER, NO_TRAFFIC, *STOPPED)

DRILLS = (
    Drill("crash-at-start", "its command is a program that does not exist", _NEVER_STARTS, fault="no-program"),
    Drill(
        "checkout-file",
        "its command is a file that the checkout has and the image lacks",
        _NEVER_STARTS,
        fault="checkout-file",
    ),
    Drill(
        "developers-program",
        "its command is a program that developers have and the image lacks",
        _NEVER_STARTS,
        fault="developers-program",
        needs_images=True,
    ),
    Drill("wrong-port", "its task definition names a port that nothing listens on", _NEVER_STARTS, fault="wrong-port"),
    Drill(
        "missing-secret",
        "its task definition names a secret that does not exist",
        _NEVER_STARTS,
        fault="missing-secret",
    ),
    Drill(
        "missing-variable",
        "the variables that its stack fills in are missing",
        (STOPPED_OR_HARMLESS,),
        "first tests",
        fault="missing-variable",
        everywhere=True,
    ),
    Drill(
        "read-only-root",
        "nothing is mounted at /tmp, and its root file system is read-only",
        (BACK_OR_HARMLESS,),
        fault="no-tmp",
        needs_images=True,
    ),
    Drill("full-tmp", "the mount at its /tmp is full", (BACK_OR_HARMLESS,), fault="full-tmp", needs_images=True),
    Drill("never-healthy", "it answers its health check with 500", _NEVER_STARTS, fault="unhealthy"),
    Drill(
        "errors",
        "it answers four of five requests with 500",
        (
            rolls_back("the errors alarm rolls the canary back", because="-errors went to ALARM"),
            IN_CANARY,
            *STOPPED,
            ALARM_TELLS,
        ),
        fault="errors:0.8",
    ),
    Drill(
        "dropped",
        "nine of ten connections are closed without an answer",
        (
            rolls_back("the alarm on unanswered requests rolls the canary back", because="-unanswered went to ALARM"),
            IN_CANARY,
            *STOPPED,
            ALARM_TELLS,
        ),
        fault="dropped:0.9",
    ),
    Drill(
        "deadlock",
        "it answers its health check but leaves nine of ten requests unanswered",
        (
            rolls_back("the alarm on unanswered requests rolls the canary back", because="-unanswered went to ALARM"),
            IN_CANARY,
            *STOPPED,
            ALARM_TELLS,
        ),
        fault="unanswered:0.9",
    ),
    Drill(
        "slow",
        "every answer takes three seconds longer",
        (rolls_back("the latency alarm rolls it back", because="-latency went to ALARM"), *STOPPED, ALARM_TELLS),
        fault="delay:3",
    ),
    Drill(
        "ten-times-slower",
        "every answer takes ten times as long but stays below the latency alarm's limit",
        (SEEN_SLOWER, GOES_THROUGH, NO_LOST_REQUEST),
        fault="slower:10",
    ),
    Drill(
        "cpu-burn",
        "a program in its container keeps its CPU units busy all the time",
        (
            rolls_back("the CPU alarm rolls it back", because="-cpu went to ALARM"),
            STAGE_STOPS,
            PIPELINE_TELLS,
            ALARM_TELLS,
        ),
        fault="cpu",
    ),
    Drill(
        "memory-growth",
        "its container's memory fills up",
        (rolls_back("the memory alarm rolls it back", because="-memory went to ALARM"), STAGE_STOPS, PIPELINE_TELLS),
        fault="memory:40",
    ),
    Drill(
        "children",
        "it starts children that fill its container's memory",
        (rolls_back("the memory alarm rolls it back", because="-memory went to ALARM"), STAGE_STOPS, PIPELINE_TELLS),
        fault="children:40",
    ),
    Drill(
        "killed-by-kernel",
        "the kernel kills it because its container's memory is used up",
        (KILLED_FOR_MEMORY, rolls_back("it is rolled back"), STAGE_STOPS, PIPELINE_TELLS),
        fault="killed-by-kernel",
    ),
    Drill(
        "killed",
        "it is killed as soon as it serves",
        (rolls_back("it is rolled back"), STAGE_STOPS, PIPELINE_TELLS),
        fault="killed",
    ),
    Drill(
        "frozen",
        "it stops doing anything as soon as it serves",
        (rolls_back("it is rolled back"), STAGE_STOPS, PIPELINE_TELLS),
        fault="paused",
    ),
    Drill(
        "hang-on-sigterm",
        "the old revision does not stop on SIGTERM",
        (KILLED_AT_STOP, GOES_THROUGH, NO_LOST_REQUEST),
        baseline_fault="ignored-signal",
    ),
    Drill(
        "alarm-already-red",
        "the old revision and the release both fail requests, and the preflight is skipped",
        (ALARM_RINGS, UNWATCHED, GOES_THROUGH),
        fault="errors:0.8",
        baseline_fault="errors:0.8",
        minutes_before=2 + METRIC_DELAY,
    ),
    Drill(
        "preflight",
        "an alarm of the old revision is red",
        (ALARM_RINGS, stops_at("the preflight stops the pipeline", "build"), NOT_DEPLOYED, PIPELINE_TELLS),
        "all of production",
        baseline_fault="errors:0.8",
        minutes_before=2 + METRIC_DELAY,
    ),
    Drill(
        "full-traffic",
        "it begins to fail after thirty requests, more than the canary gets",
        (
            rolls_back("the errors alarm rolls it back from full traffic", because="went to ALARM at 100 %"),
            *STOPPED,
            ALARM_TELLS,
        ),
        fault="errors-after:30",
    ),
    Drill(
        "one-of-four",
        "one service's command is a program that does not exist, the others are good",
        (_BREAKER, NO_TRAFFIC, OTHERS_GO_THROUGH, *STOPPED),
        "all of production",
        fault="no-program",
        group="apart",
    ),
    Drill(
        "together-one-red",
        "one service's command is a program that does not exist, and the others wait for it",
        (_BREAKER, NO_TRAFFIC, OTHERS_GO_BACK, *STOPPED),
        "all of production",
        fault="no-program",
        group="together",
    ),
    Drill(
        "worker-crash",
        "a worker's command is a program that does not exist",
        (_BREAKER, STAGE_STOPS, PIPELINE_TELLS),
        fault="no-program",
        kind="worker",
    ),
    Drill(
        "backlog",
        "a worker stops taking messages",
        (rolls_back("the alarm on the oldest message rolls it back", because="-oldest went to ALARM"), STAGE_STOPS),
        fault="paused",
        kind="worker",
    ),
    Drill(
        "poison-message",
        "no worker can process the messages, so they end in the dead-letter queue",
        (rolls_back("the alarm on dead messages rolls it back", because="-dead went to ALARM"), STAGE_STOPS),
        fault="poison",
        kind="worker",
    ),
    Drill(
        "job-fails",
        "a job's command is a program that does not exist",
        (told("its alarm notifies", "-failed is in ALARM"),),
        fault="no-program",
        kind="job",
        has="schedule",
    ),
    Drill(
        "job-overlaps",
        "a job's run is still going when the next one is due",
        (ONE_AT_ONCE,),
        fault="long-runs",
        kind="job",
        has="one run",
    ),
    Drill(
        "migration-fails",
        "its before_deploy fails",
        (*_NOT_MIGRATED, STAGE_STOPS, PIPELINE_TELLS, NO_LOST_REQUEST),
        fault="command-fails",
        has="before_deploy",
    ),
    Drill(
        "migration-hangs",
        "its before_deploy never ends",
        (*_NOT_MIGRATED, STAGE_STOPS, PIPELINE_TELLS, NO_LOST_REQUEST),
        fault="command-hangs",
        has="before_deploy",
    ),
    *GATE_DRILLS,
    Drill(
        "integration-red",
        "the service looks healthy but answers every request with 404",
        (stops_at("the integration tests stop the pipeline in the first environment", "build"), PIPELINE_TELLS),
        "first tests",
        fault="not-found",
        has="tests",
    ),
    Drill(
        "browser-red",
        "the service looks healthy but its own page is missing",
        (stops_at("the browser tests stop the pipeline before production", "build"), PIPELINE_TELLS),
        "last tests",
        fault="not-found",
        has="tests",
    ),
    Drill(
        "approval-rejected",
        "nobody approves the release",
        (
            told("the pipeline's topic is notified of the approval request", "waits for an approval"),
            stops_at("the pipeline stops there, and production is not reached", "approval"),
            PIPELINE_TELLS,
        ),
        "approval",
        approves=False,
    ),
)


def choose(names: Sequence[str]) -> list[Drill]:
    """The drills with these names; ``all`` means every drill."""
    known = {drill.name: drill for drill in DRILLS}
    if unknown := [name for name in names if name not in known and name != "all"]:
        raise NovaError(f"--drill {unknown[0]}: there is no such drill: choose from {', '.join(known)} and all")
    return [drill for drill in DRILLS if "all" in names or drill.name in names]
