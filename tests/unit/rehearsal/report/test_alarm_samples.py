"""By how many requests alarms judged a deployment, and which would have ended it."""

from typing import Any

import pytest

from nova_infra.rehearsal.record import NO_TARGET, DeploymentRecord, MinuteRecord, Requests
from nova_infra.rehearsal.report.alarm_samples import judged_by, silent, would_have_ended

LATE = 0.0013
"""Minutes after its own end that a minute is sampled, at most."""


def deployment(*rates: int, red: tuple[str, ...] = (), **changes: Any) -> DeploymentRecord:
    """A deployment that begins within a minute, with some requests in each whole one and many in the part before.

    Samples come late, and no two as late as each other.
    """
    samples = [MinuteRecord(0.4, 10, {"shop:2": Requests(900)}, list(red))]
    for number, rate in enumerate(rates):
        got = {"shop:1": Requests(rate - rate // 4), "shop:2": Requests(rate // 4), NO_TARGET: Requests(500)}
        samples.append(MinuteRecord(1.4 + number - LATE * (number % 2), 10, got, list(red)))
    values = {"needs": {"acme-shop-errors": 30, "acme-shop-latency": 50}, "new": "shop:2", **changes}
    return DeploymentRecord("Prod", "acme-shop", "CANARY", "shop:1", baseline=False, samples=samples, **values)


def test_each_alarm_says_by_how_many_requests_it_judged() -> None:
    assert judged_by(deployment(40, 41, 55)) == [
        "errors judged by 40 to 55 requests a minute in 3 of 3 minutes, and needs 30",
        "latency judged by 55 requests a minute in 1 of 3 minutes, and needs 50",
    ]
    assert judged_by(deployment(40, 40)) == [
        "errors judged by 40 requests a minute in 2 of 2 minutes, and needs 30",
        "latency said nothing: 40 of 50 requests a minute",
    ]


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ((60, 80), ""),
        ((60, 56, 80), "; it left out the new revision in 1 of 3 minutes: a p95 of 14 requests means nothing"),
        ((60, 56, 52), "; it left out the new revision in 2 of 3 minutes: a p95 of 13 to 14 requests means nothing"),
    ],
)
def test_a_percentile_of_few_requests_of_the_new_revision_is_ignored(rates: tuple[int, ...], said: str) -> None:
    errors, latency = judged_by(deployment(*rates, needs_of_each={"acme-shop-latency": 15}))
    assert latency.partition(", and needs 50")[2] == said
    assert errors.endswith(", and needs 30"), "a share of few requests shows in the share over both"


def test_before_it_has_users_the_new_revision_is_left_out_of_nothing() -> None:
    _, latency = judged_by(deployment(60, new="shop:3", needs_of_each={"acme-shop-latency": 15}))
    assert latency.endswith(", and needs 50")


def test_a_deployment_of_no_whole_minute_was_judged_by_nothing_that_could_be_said() -> None:
    assert judged_by(deployment()) == []
    assert silent(deployment()) == ""


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ((60, 60, 60), ""),
        ((60, 40, 60), ""),
        ((40, 40, 60), "acme-shop had 40 to 60 requests a minute, too few for its alarms to judge (latency needs 50)"),
        (
            (9, 9),
            "acme-shop had 9 requests a minute, too few for its alarms to judge (errors needs 30, latency needs 50)",
        ),
    ],
)
def test_alarms_with_too_few_requests_most_of_the_time_are_named(rates: tuple[int, ...], said: str) -> None:
    assert silent(deployment(*rates)) == said
    assert silent(deployment(*rates, needs={})) == ""


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"watched": ["acme-shop-errors"]}, ""),
        ({"unwatched": ["acme-shop-errors"]}, "but ECS did not watch them"),
        ({"unlisted": ["acme-shop-errors"]}, "but they are not among its deployment alarms"),
        ({"unlisted": ["acme-shop-latency"]}, ""),
        ({"unlisted": ["acme-shop-errors"], "red_before": ["acme-shop-errors"]}, ""),
        ({"unwatched": ["acme-shop-errors"], "red_before": ["acme-shop-latency"]}, "but ECS did not watch them"),
    ],
)
def test_an_alarm_that_fired_and_could_not_end_it_would_have(changes: dict[str, list[str]], ends: str) -> None:
    said = would_have_ended(deployment(40, red=("acme-shop-errors",), **changes))
    expected = f"acme-shop-errors fired and would have ended the deployment of acme-shop, {ends}" if ends else ""
    assert said == expected


def test_an_alarm_that_was_red_cleared_and_fired_again_would_have_ended_it() -> None:
    flapping = deployment(40, 40, 40, unlisted=["acme-shop-errors"], red_before=["acme-shop-errors"])
    for sample, red in zip(flapping.samples, (True, True, False, True), strict=True):
        sample.red = ["acme-shop-errors"] if red else []
    assert would_have_ended(flapping).startswith("acme-shop-errors fired")
