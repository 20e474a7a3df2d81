"""What has too few requests for its errors alarm."""

from nova_infra.deployed.rollouts import RequestRate
from nova_infra.operations.gates.traffic import too_thin


def test_a_service_with_too_few_requests_is_named_with_both_numbers() -> None:
    [line] = too_thin(
        "prod", {"carts": RequestRate(4.04, 20), "store": RequestRate(20, 20), "bills": RequestRate(70, 60)}
    )
    assert line.startswith("carts: prod has 4.04 requests a minute, and its errors alarm needs 20: ")


def test_a_service_whose_alarm_needs_none_is_never_too_thin() -> None:
    assert too_thin("prod", {"carts": RequestRate(0, 0)}) == []


def test_of_many_the_thinnest_five_are_named_and_the_rest_counted() -> None:
    lines = too_thin("prod", {f"s{n}": RequestRate(n, 30) for n in range(12)})
    assert [line.partition(":")[0] for line in lines[:5]] == ["s0", "s1", "s2", "s3", "s4"]
    assert lines[5] == "7 more services of prod have too few requests for their errors alarm"
