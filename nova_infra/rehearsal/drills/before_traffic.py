"""The drills of the catalogue that end before users reach the release: gates, smoke tests, the test suite."""

from nova_infra.rehearsal.drills.drill import Drill
from nova_infra.rehearsal.drills.expectations import (
    GOES_THROUGH,
    IN_CANARY,
    NO_LOST_REQUEST,
    NO_TRAFFIC,
    NO_USER,
    OLD_SERVES,
    PIPELINE_TELLS,
    STAGE_STOPS,
    WAITED_ONCE,
    rolls_back,
    stops_at,
)

STOPPED = (OLD_SERVES, STAGE_STOPS, PIPELINE_TELLS)
"""What must follow whenever a release is rolled back."""

_SUITE_STOPPED = (
    OLD_SERVES,
    stops_at("the stage fails, and so does the suite's action", "deploy", "build"),
    PIPELINE_TELLS,
)

GATE_DRILLS = (
    Drill(
        "gate-unanswered",
        "nobody answers its gate",
        (rolls_back("it rolls back when it times out", because="nobody answered"), NO_TRAFFIC, *STOPPED),
        answers="nobody",
        gated=True,
    ),
    Drill(
        "gate-promoted-twice",
        "somebody answers its gate twice",
        (WAITED_ONCE, GOES_THROUGH, NO_LOST_REQUEST),
        answers="twice",
        gated=True,
    ),
    Drill(
        "aborted",
        "somebody aborts it at its first share of the traffic",
        (rolls_back("it is rolled back", because="somebody aborted it"), IN_CANARY, *STOPPED),
        answers="abort",
    ),
    Drill(
        "smoke-red",
        "it looks healthy but answers every request with 404, including its smoke paths",
        (rolls_back("its smoke test rolls it back", because="tests failed"), NO_USER, *STOPPED),
        fault="not-found",
        tested=True,
    ),
    Drill(
        "smoke-function-fails",
        "the function of its smoke test fails",
        (rolls_back("it is rolled back", because="the function is broken"), NO_USER, *STOPPED),
        tested=True,
        function="fails",
    ),
    Drill(
        "smoke-function-hangs",
        "the function of its smoke test never ends",
        (rolls_back("it rolls back when it times out", because="did not end"), NO_USER, *STOPPED),
        tested=True,
        function="hangs",
    ),
    Drill(
        "suite-red",
        "it looks healthy but answers every request with 404, and the test suite answers its gate",
        (rolls_back("the test suite rolls it back", because="suite was red"), NO_USER, *_SUITE_STOPPED),
        "all of production",
        fault="not-found",
        suite="answers",
    ),
    Drill(
        "suite-hangs",
        "the test suite that answers its gate never ends",
        (rolls_back("it rolls back when it times out", because="nobody answered"), NO_USER, *_SUITE_STOPPED),
        suite="hangs",
    ),
    Drill(
        "suite-elsewhere",
        "the test suite that answers its gate is green but sends the new revision no request",
        (rolls_back("the gate rolls it back", because="suite was red"), NO_USER, *_SUITE_STOPPED),
        suite="elsewhere",
    ),
)
