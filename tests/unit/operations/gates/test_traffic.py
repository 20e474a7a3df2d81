"""By how many requests alarms judge, and what has too few for them."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.deployed.model import ParameterVersion
from nova_infra.deployed.rollouts import RequestRate
from nova_infra.errors import AwsError
from nova_infra.operations.gates.traffic import judged_by, to_be_judged_by, too_thin
from nova_infra.operations.records.answers import MeasuredLoad, encode_load


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
    [line] = too_thin("prod", rates, {})
    assert line.startswith(f"carts: prod has 4.04 requests a minute, and {said}: ")


def test_a_service_whose_alarms_need_none_is_never_too_thin() -> None:
    assert too_thin("prod", {"carts": rate(0)}, {}) == []


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (None, "the suite sends it requests while it bakes; verify reports afterwards how many"),
        (31, "the suite is its load: in the last release that measured it, the new revision had 31"),
        (19, "with the suite as its load, the new revision had 19 in the last release that measured it: have the"),
    ],
)
def test_what_a_suite_as_load_adds_is_reported(measured: int | None, said: str) -> None:
    rates = {"carts": rate(4, errors=20), "bills": rate(5, errors=20)}
    carts, bills = too_thin("prod", rates, {"carts": measured})
    assert carts.startswith(f"carts: prod has 4 requests a minute, and its errors alarm needs 20: {said}")
    assert "a failing canary would go unnoticed" in bills


def test_the_latest_measured_load_is_read_from_the_ledger() -> None:
    at = datetime(2026, 11, 2, 9, 8, 7, tzinfo=UTC)
    written = [encode_load(MeasuredLoad({"carts": n, "bills": 7}, at)) for n in (11, 31)]
    versions = tuple(ParameterVersion(n, value) for n, value in enumerate([*written, '{"kind":"load"}'], 1))
    rates = {"carts": rate(4, errors=20), "store": rate(400, errors=20)}
    environment: Any = SimpleNamespace(
        name="prod", prefix="nova-prod", request_rates=lambda: rates, history=lambda _: versions
    )
    [line] = to_be_judged_by(environment, ["carts", "store"])
    assert "the new revision had 31" in line


def test_of_many_the_thinnest_five_are_named_and_the_rest_counted() -> None:
    lines = too_thin("prod", {f"s{n}": rate(n, errors=30) for n in range(12)}, {})
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


def test_unreadable_requests_are_reported_and_stop_nothing() -> None:
    def refuse() -> Any:
        raise AwsError("no")

    environment: Any = SimpleNamespace(name="prod", request_rates=refuse)
    assert judged_by(environment) == to_be_judged_by(environment) == ["not read: the requests: no"]
