from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

from helpers.scripts import load_script


@pytest.fixture(scope="module")
def soak() -> ModuleType:
    return load_script("soak")


def record(
    *,
    status: str = "succeeded",
    reason: str = "3 tasks failed (the circuit breaker opened): it exited with 1",
    drills: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    return {
        "stages": [{"name": "Prod", "status": status, "seconds": 3.2}],
        "deployments": [
            {
                "service": "prod-audio",
                "baseline": False,
                "takes_back": False,
                "outcome": "rolled back",
                "reason": reason,
                "traffic": [{"minute": 2.1, "percent": 10}, {"minute": 4.0, "percent": 0}],
            }
        ],
        "notifications": [
            {"topic": "t", "message": "b is in ALARM", "minute": 4},
            {"topic": "t", "message": "a is in ALARM", "minute": 3},
        ],
        "drills": list(drills),
    }


def test_an_outcome_has_reasons_and_no_times(soak: ModuleType) -> None:
    assert soak.outcome(record()) == {
        "stage Prod": "succeeded",
        "release prod-audio": "rolled back 10→0 3 tasks failed (the circuit breaker opened): it exited with 1",
        "told": "t: a is in ALARM; t: b is in ALARM",
    }


def test_what_became_of_a_drill_is_part_of_it(soak: ModuleType) -> None:
    drill = {"drill": "errors", "misses": ["it got 3 requests"], "record": record()}
    found = soak.outcome(record(drills=[drill]))
    assert found["drill errors"] == "it got 3 requests"
    assert found["drill errors, stage Prod"] == "succeeded"


def test_what_differs_is_named_with_both_outcomes(soak: ModuleType) -> None:
    first, other = soak.outcome(record()), soak.outcome(record(status="failed"))
    assert soak.differences(first, other) == ["stage Prod: 'succeeded', then 'failed'"]
    assert soak.differences(first, first) == []
