from typing import Any

import pytest

from helpers.exhaustive import one_of_each
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.ecs.rollout import CircuitBreaker, read_rollout


@pytest.mark.parametrize(
    ("properties", "steps"),
    [
        ({}, [(100, 0)]),
        ({"Strategy": "ROLLING", "BakeTimeInMinutes": 3}, [(100, 3)]),
        ({"Strategy": "BLUE_GREEN", "BakeTimeInMinutes": 9}, [(100, 9)]),
        (
            {
                "Strategy": "CANARY",
                "CanaryConfiguration": {"CanaryPercent": 10, "CanaryBakeTimeInMinutes": 5},
                "BakeTimeInMinutes": 4,
            },
            [(10, 5), (100, 4)],
        ),
        (
            {
                "Strategy": "LINEAR",
                "LinearConfiguration": {"StepPercent": 40, "StepBakeTimeInMinutes": 2},
                "BakeTimeInMinutes": 1,
            },
            [(40, 2), (80, 2), (100, 1)],
        ),
        (
            {"Strategy": "LINEAR", "LinearConfiguration": {"StepPercent": 50, "StepBakeTimeInMinutes": 2}},
            [(50, 2), (100, 0)],
        ),
        # What API_CanaryConfiguration and API_LinearConfiguration say of values that are not given.
        ({"Strategy": "CANARY"}, [(5, 10), (100, 0)]),
        ({"Strategy": "CANARY", "CanaryConfiguration": {"CanaryPercent": 7.5}}, [(7.5, 10), (100, 0)]),
        ({"Strategy": "CANARY", "CanaryConfiguration": {"CanaryBakeTimeInMinutes": 3}}, [(5, 3), (100, 0)]),
        ({"Strategy": "LINEAR"}, [*((10 * step, 6) for step in range(1, 10)), (100, 0)]),
        ({"Strategy": "LINEAR", "LinearConfiguration": {"StepPercent": 50}}, [(50, 6), (100, 0)]),
    ],
)
def test_each_strategy_has_its_steps(properties: dict[str, Any], steps: list[tuple[float, int]]) -> None:
    rollout = read_rollout(properties, "stack.Service")
    assert [(step.percent, step.bake_minutes) for step in rollout.steps] == steps
    assert rollout.shifts_traffic is (rollout.strategy != "ROLLING")


@pytest.mark.parametrize("percent", one_of_each(range(3, 101)))
def test_a_linear_rollout_has_as_many_steps_before_the_last_as_cloudformation_counts(percent: int) -> None:
    """Source: AWS::ECS::Service LinearConfiguration in CloudFormation's template reference."""
    linear = {"StepPercent": percent, "StepBakeTimeInMinutes": 1}
    *before, last = read_rollout({"Strategy": "LINEAR", "LinearConfiguration": linear}, "stack.Service").steps
    assert len(before) == 100 // percent - (100 % percent == 0)
    assert [step.percent for step in before] == [percent * number for number in range(1, len(before) + 1)]
    assert last.percent == 100


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"Strategy": "ALL_AT_ONCE"}, "ALL_AT_ONCE"),
        ({"DeploymentCircuitBreaker": {"Enable": True, "ThresholdConfiguration": {"Type": "SHARE"}}}, "SHARE"),
    ],
)
def test_a_configuration_that_is_not_known_is_refused_by_name(properties: dict[str, Any], said: str) -> None:
    with pytest.raises(UnresolvableError, match=r"stack\.Service: ") as error:
        read_rollout(properties, "stack.Service")
    assert said in str(error.value)


def test_alarms_and_breaker_count_only_where_they_are_enabled() -> None:
    off = read_rollout({"Alarms": {"AlarmNames": ["a"]}, "DeploymentCircuitBreaker": {"Rollback": True}}, "s")
    assert (off.alarms, off.breaker) == ((), None)
    on = read_rollout(
        {"Alarms": {"AlarmNames": ["a"], "Enable": True}, "DeploymentCircuitBreaker": {"Enable": True}}, "s"
    )
    assert (on.alarms, on.alarms_roll_back) == (("a",), False)
    assert on.breaker == CircuitBreaker(rolls_back=False)
    back = read_rollout({"Alarms": {"AlarmNames": ["a", "b"], "Enable": True, "Rollback": True}}, "s")
    assert (back.alarms, back.alarms_roll_back) == (("a", "b"), True)


@pytest.mark.parametrize("kind", ["COUNT", "BOUNDED_PERCENT", "UNBOUNDED_PERCENT"])
def test_a_breaker_is_read_with_its_threshold(kind: str) -> None:
    breaker = {
        "Enable": True,
        "Rollback": True,
        "ResetOnHealthyTask": False,
        "ThresholdConfiguration": {"Type": kind, "Value": 7},
    }
    assert read_rollout({"DeploymentCircuitBreaker": breaker}, "s").breaker == CircuitBreaker(
        kind=kind, value=7, reset_on_healthy_task=False, rolls_back=True
    )


def test_a_rolling_deployment_keeps_all_tasks_and_may_double_them_unless_it_says_otherwise() -> None:
    silent, said = (read_rollout(each, "s") for each in ({}, {"MinimumHealthyPercent": 50, "MaximumPercent": 150}))
    assert (silent.minimum_percent, silent.maximum_percent) == (100, 200)
    assert (said.minimum_percent, said.maximum_percent) == (50, 150)


@pytest.mark.parametrize(
    ("breaker", "desired", "threshold"),
    [
        (CircuitBreaker(), 1, 3),
        (CircuitBreaker(), 6, 3),
        (CircuitBreaker(), 7, 4),
        (CircuitBreaker(), 25, 13),
        (CircuitBreaker(), 400, 200),
        (CircuitBreaker(), 1000, 200),
        (CircuitBreaker(value=100), 8, 8),
        (CircuitBreaker(kind="UNBOUNDED_PERCENT"), 2, 1),
        (CircuitBreaker(kind="UNBOUNDED_PERCENT"), 1000, 500),
        (CircuitBreaker(kind="COUNT", value=2), 1000, 2),
    ],
)
def test_the_breaker_opens_at_the_documented_number_of_failed_tasks(
    breaker: CircuitBreaker, desired: int, threshold: int
) -> None:
    assert breaker.threshold(desired) == threshold


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"BakeTimeInMinutes": 3}, "rolling: all at once, then 3 min of bake"),
        ({"Strategy": "BLUE_GREEN", "BakeTimeInMinutes": 9}, "blue/green: all at once, then 9 min of bake"),
        (
            {
                "Strategy": "CANARY",
                "CanaryConfiguration": {"CanaryPercent": 2.5, "CanaryBakeTimeInMinutes": 5},
                "BakeTimeInMinutes": 4,
            },
            "canary: 2.5 % for 5 min, then 100 % for 4 min",
        ),
        (
            {"Strategy": "LINEAR", "LinearConfiguration": {"StepPercent": 20, "StepBakeTimeInMinutes": 2}},
            "linear: 20 % more every 2 min, then 100 % for 0 min",
        ),
        (
            {"Strategy": "LINEAR", "LinearConfiguration": {"StepPercent": 40, "StepBakeTimeInMinutes": 2}},
            "linear: 40 % more every 2 min, then 100 % for 0 min",
        ),
    ],
)
def test_a_rollout_can_be_said_in_words(properties: dict[str, Any], words: str) -> None:
    assert read_rollout(properties, "stack.Service").in_words == words
