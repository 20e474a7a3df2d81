"""By how many requests alarms judge, and what has too few for them."""

from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.deployed.rollouts import RequestRate
from nova_infra.errors import AwsError
from nova_infra.operations.gates.traffic import judged_by, to_be_judged_by, too_thin


def rate(per_minute: float, **needs: int) -> RequestRate:
    return RequestRate(per_minute, needs)


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ({"errors": 20}, "its errors alarm needs 20"),
        ({"latency": 20, "errors": 20, "unanswered": 20}, "its errors, latency and unanswered alarms need 20"),
        ({"latency": 30, "errors": 20}, "its errors alarm needs 20, its latency alarm needs 30"),
        ({"latency": 30, "errors": 2}, "its latency alarm needs 30"),
    ],
)
def test_a_service_with_too_few_requests_is_named_with_all_numbers(needs: dict[str, int], said: str) -> None:
    rates = {"carts": RequestRate(4.04, needs), "store": rate(20, errors=20), "bills": rate(70, errors=60)}
    [line] = too_thin("prod", rates)
    assert line.startswith(f"carts: prod has 4.04 requests a minute, and {said}: ")


def test_a_service_whose_alarms_need_none_is_never_too_thin() -> None:
    assert too_thin("prod", {"carts": rate(0)}) == []


def test_of_many_the_thinnest_five_are_named_and_the_rest_counted() -> None:
    lines = too_thin("prod", {f"s{n}": rate(n, errors=30) for n in range(12)})
    assert [line.partition(":")[0] for line in lines[:5]] == ["s0", "s1", "s2", "s3", "s4"]
    assert lines[5] == "7 more services of prod have too few requests for their alarms"


def test_each_verdict_says_by_how_many_requests() -> None:
    rates = {
        "store": rate(41.2, errors=20, latency=20),
        "carts": rate(24, errors=20, latency=30),
        "bills": rate(3, errors=20),
        "queue": rate(9),
    }
    environment: Any = SimpleNamespace(name="prod", request_rates=lambda: rates)
    assert judged_by(environment) == [
        "bills: errors said nothing, with 3 of 20 requests a minute in the last hour",
        "carts: errors judged by 24 requests a minute; latency said nothing, with 24 of 30 requests a minute "
        "in the last hour",
        "store: errors and latency judged by 41.2 requests a minute in the last hour",
    ]


def test_requests_that_cannot_be_read_are_said_and_stop_nothing() -> None:
    def refuse() -> Any:
        raise AwsError("no")

    environment: Any = SimpleNamespace(name="prod", request_rates=refuse)
    assert judged_by(environment) == to_be_judged_by(environment) == ["not read: the requests: no"]
