import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore, statistic

values = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)


@given(values)
def test_plain_statistics_are_what_the_standard_library_says(points: list[float]) -> None:
    assert statistic("Sum", points) == math.fsum(points)
    assert statistic("Average", points) == pytest.approx(statistics.fmean(points))
    assert statistic("Minimum", points) == min(points)
    assert statistic("Maximum", points) == max(points)
    assert statistic("SampleCount", points) == len(points)


@given(values, st.integers(1, 100))
def test_a_percentile_has_that_share_of_the_values_at_or_below_it(points: list[float], percent: int) -> None:
    found = statistic(f"p{percent}", points)
    assert found in points
    assert sum(point <= found for point in points) >= percent / 100 * len(points)
    assert sum(point < found for point in points) < percent / 100 * len(points)


def test_percentiles_of_many_values_are_exact_to_the_value() -> None:
    assert [statistic(name, range(200, 0, -1)) for name in ("p0", "p50", "p95", "p99.5", "p100")] == [
        1,
        100,
        190,
        199,
        200,
    ]


def test_without_values_there_is_no_statistic() -> None:
    assert statistic("Sum", []) is None
    assert statistic("p99", []) is None


@pytest.mark.parametrize("name", ["p101", "TM(10%:90%)", "sum", ""])
def test_an_unknown_statistic_is_an_error_even_without_values(name: str) -> None:
    with pytest.raises(ValueError, match="not a statistic"):
        statistic(name, [])


def test_values_belong_to_the_minute_and_the_dimensions_that_they_were_recorded_with() -> None:
    store = MetricStore()
    blue, green = (Metric.of("N", "m", {"Group": colour}) for colour in ("blue", "green"))
    store.record(blue, 1)
    store.minute = 1
    store.record(blue, 2)
    store.record(green, 3)
    assert store.values(blue, range(2)) == [1, 2]
    assert store.values(blue, range(1, 2)) == [2]
    assert store.values(Metric.of("N", "m", {"Group": "green"}), range(5)) == [3]


@pytest.mark.parametrize(
    ("name", "by", "measured"),
    [
        ("RequestCount", ("LoadBalancer", "TargetGroup"), True),
        ("RequestCount", ("LoadBalancer",), True),
        ("RequestCount", ("TargetGroup",), False),
        ("RequestCount", (), False),
        ("TargetResponseTime", ("LoadBalancer", "TargetGroup"), True),
        ("TargetResponseTime", ("LoadBalancer",), True),
        ("HTTPCode_Target_5XX_Count", ("LoadBalancer", "TargetGroup"), True),
        ("HTTPCode_Target_2XX_Count", ("LoadBalancer",), True),
        ("TargetConnectionErrorCount", ("LoadBalancer", "TargetGroup"), True),
        ("HTTPCode_ELB_5XX_Count", ("LoadBalancer",), True),
        ("HTTPCode_ELB_5XX_Count", ("LoadBalancer", "TargetGroup"), False),
        ("UnHealthyHostCount", ("LoadBalancer", "TargetGroup"), True),
        ("UnHealthyHostCount", ("LoadBalancer",), False),
        ("NewConnectionCount", ("LoadBalancer",), False),
    ],
)
def test_a_metric_has_the_dimensions_that_the_load_balancer_reports_it_with(
    name: str, by: tuple[str, ...], measured: bool
) -> None:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html."""
    assert Metric.of("AWS/ApplicationELB", name, dict.fromkeys(by, "any")).is_measured is measured


def test_a_trimmed_mean_leaves_out_the_highest_values() -> None:
    values = [0.2] * 18 + [4.0, 6.0]
    assert statistic("tm90", values) == pytest.approx(0.2)
    assert statistic("tm100", values) == pytest.approx(0.68)
    assert statistic("tm90", []) is None
