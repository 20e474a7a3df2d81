from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudwatch.alarms import PlayedAlarm, State, read_alarm
from nova_infra.rehearsal.cloudwatch.composite import CompositeAlarm, read_composite_alarm
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore

CPU = Metric.of("AWS/ECS", "CPUUtilization", {"ClusterName": "dev", "ServiceName": "audio"})


def properties(**changes: Any) -> dict[str, Any]:
    return {
        "AlarmName": "nova-cpu",
        "Namespace": "AWS/ECS",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "ClusterName", "Value": "dev"}, {"Name": "ServiceName", "Value": "audio"}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 3,
        "Threshold": 90,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    } | changes


def evaluate(alarm: PlayedAlarm, points: str, current: State = "OK") -> State:
    """The state after some minutes: ``X`` breaches, ``0`` does not, ``-`` is missing."""
    store = MetricStore()
    for store.minute, point in enumerate(points):
        if point != "-":
            store.record(CPU, 95 if point == "X" else 10)
    return alarm.state(store, len(points) - 1, current)


# The two tables of "How alarm state is evaluated when data is missing" in
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html: an alarm over three
# periods, five minutes of data, and the state under missing, ignore, breaching and notBreaching. None: unchanged.
AWS_TABLES: list[tuple[int, str, tuple[State | None, ...]]] = [
    (3, "0-X-X", ("OK", "OK", "OK", "OK")),
    (3, "0----", ("OK", "OK", "OK", "OK")),
    (3, "-----", ("INSUFFICIENT_DATA", None, "ALARM", "OK")),
    (3, "0XX-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (3, "--X--", ("ALARM", None, "ALARM", "OK")),
    (2, "0-X-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "00X0X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "0-X--", ("OK", "OK", "ALARM", "OK")),
    (2, "----0", ("OK", "OK", "ALARM", "OK")),
    (2, "---X-", ("ALARM", None, "ALARM", "OK")),
]


@pytest.mark.parametrize("current", ["OK", "ALARM", "INSUFFICIENT_DATA"])
@pytest.mark.parametrize(("needed", "points", "states"), AWS_TABLES)
def test_missing_data_is_judged_as_in_the_tables_of_aws(
    needed: int, points: str, states: tuple[State | None, ...], current: State
) -> None:
    treatments = ("missing", "ignore", "breaching", "notBreaching")
    alarms = [read_alarm(properties(DatapointsToAlarm=needed, TreatMissingData=missing)) for missing in treatments]
    assert [evaluate(alarm, points, current) for alarm in alarms] == [state or current for state in states]


@pytest.mark.parametrize(
    ("points", "needed", "missing", "expected"),
    [
        ("XXX", 3, "missing", "ALARM"),
        ("0XX", 3, "missing", "OK"),
        ("XX0", 3, "missing", "OK"),
        ("-X-", 3, "missing", "OK"),
        ("XX-", 3, "notBreaching", "OK"),
        # Real data of before is preferred to what stands in for missing data.
        ("XXX-", 3, "notBreaching", "ALARM"),
        ("0X-X", 2, "breaching", "ALARM"),
        ("00-X", 2, "breaching", "OK"),
        # But no further back than the evaluation range.
        ("0--XXX--", 3, "notBreaching", "ALARM"),
        ("XXX-----", 3, "notBreaching", "OK"),
        ("0X------", 3, "missing", "INSUFFICIENT_DATA"),
    ],
)
def test_the_state_follows_from_the_data_points_and_what_missing_ones_count_as(
    points: str, needed: int, missing: str, expected: State
) -> None:
    alarm = read_alarm(properties(DatapointsToAlarm=needed, TreatMissingData=missing))
    assert evaluate(alarm, points) == expected


@given(points=st.text("X0", min_size=5, max_size=12), periods=st.integers(1, 5), data=st.data())
def test_m_of_n_is_a_count_over_the_last_n_periods(points: str, periods: int, data: st.DataObject) -> None:
    needed = data.draw(st.integers(1, periods))
    alarm = read_alarm(properties(EvaluationPeriods=periods, DatapointsToAlarm=needed))
    expected = "ALARM" if points[-periods:].count("X") >= needed else "OK"
    assert evaluate(alarm, points) == expected


@given(points=st.text("X0-", min_size=5, max_size=12), periods=st.integers(1, 5), data=st.data())
def test_missing_data_counts_only_where_there_is_too_little_real_data(
    points: str, periods: int, data: st.DataObject
) -> None:
    needed, missing = data.draw(st.integers(1, periods)), data.draw(st.sampled_from(["breaching", "notBreaching"]))
    real = points[-periods - 2 :].replace("-", "")[-periods:]
    filled = real.ljust(periods, "X" if missing == "breaching" else "0")
    alarm = read_alarm(properties(EvaluationPeriods=periods, DatapointsToAlarm=needed, TreatMissingData=missing))
    assert evaluate(alarm, points) == ("ALARM" if filled.count("X") >= needed else "OK")


def test_a_period_of_several_minutes_is_one_data_point() -> None:
    alarm = read_alarm(properties(Period=120, EvaluationPeriods=1, Threshold=50))
    assert evaluate(alarm, "X0") == "ALARM", "the average of both minutes is 52.5"
    assert evaluate(alarm, "X00") == "OK"


def test_a_period_is_counted_in_minutes() -> None:
    assert [read_alarm(properties(Period=seconds)).period for seconds in (60, 300, 3600)] == [1, 5, 60]


def test_several_periods_of_several_minutes_follow_each_other() -> None:
    alarm = read_alarm(properties(Period=120, EvaluationPeriods=2, Threshold=50))
    assert evaluate(alarm, "X00X") == "ALARM"
    assert evaluate(alarm, "00XX") == "OK"


def query(key: str, **parts: Any) -> dict[str, Any]:
    """An entry of ``Metrics``: the metric of ``properties()``, unless it is an expression."""
    metric = {name: properties()[name] for name in ("Namespace", "MetricName", "Dimensions")}
    stat = {} if "Expression" in parts else {"MetricStat": {"Metric": metric, "Period": 120, "Stat": "Average"}}
    return {"Id": key, **stat, **parts}


def test_an_alarm_on_metric_math_watches_the_one_series_that_is_returned() -> None:
    average, most = query("average", ReturnData=False), query("most", ReturnData=False)
    most["MetricStat"]["Stat"] = "Maximum"
    entries = [average, most, query("gap", Expression="most-average")]
    alarm = read_alarm(properties(Metrics=entries, EvaluationPeriods=1, Threshold=42))
    assert evaluate(alarm, "X0") == "ALARM", "the most is 95, and the average of both minutes 52.5"
    assert evaluate(alarm, "XX") == evaluate(alarm, "00") == "OK"


def test_a_percentile_is_an_extended_statistic() -> None:
    changes = properties(ExtendedStatistic="p50", EvaluationPeriods=1, Period=180)
    del changes["Statistic"]
    alarm = read_alarm(changes)
    assert evaluate(alarm, "XX0") == "ALARM"
    assert evaluate(alarm, "X00") == "OK"


@pytest.mark.parametrize("read", [read_alarm, read_composite_alarm])
def test_an_alarm_tells_its_topics_unless_its_actions_are_off(
    read: Callable[..., PlayedAlarm | CompositeAlarm],
) -> None:
    silent = properties(AlarmRule="ALARM(a)")
    loud = silent | {"AlarmActions": ["red"], "OKActions": ["green"]}
    alarm = read(loud)
    assert (alarm.alarm_topics, alarm.ok_topics) == (("red",), ("green",))
    for each in (silent, loud | {"ActionsEnabled": False}):
        assert (read(each).alarm_topics, read(each).ok_topics) == ((), ())


@pytest.mark.parametrize(
    ("comparison", "red"),
    [
        ("GreaterThanThreshold", False),
        ("GreaterThanOrEqualToThreshold", True),
        ("LessThanThreshold", False),
        ("LessThanOrEqualToThreshold", True),
    ],
)
def test_a_value_on_the_threshold_breaches_only_where_the_comparison_includes_it(comparison: str, red: bool) -> None:
    alarm = read_alarm(properties(ComparisonOperator=comparison, EvaluationPeriods=1, Threshold=95))
    assert evaluate(alarm, "X") == ("ALARM" if red else "OK")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "ComparisonOperator"),
        ({"Statistic": "TM(1%:2%)"}, "not a statistic"),
        ({"TreatMissingData": "perhaps"}, "TreatMissingData"),
        ({"Metrics": [{"Id": "e", "Expression": "nobody*2", "Period": 60}]}, "nobody"),
        ({"Metrics": [{"Id": "e", "Expression": "RATE(m)", "Period": 60}]}, "RATE"),
        ({"Metrics": [query("e", Expression="m"), query("m")]}, "ReturnData"),
        ({"Metrics": [query("m", ReturnData=False)]}, "ReturnData"),
        ({"Metrics": [{"Id": "x", "Period": 60}]}, "neither"),
        ({"Metrics": [{"Id": "e", "Expression": "1"}]}, "periods of []"),
        ({"Dimensions": []}, "AWS/ECS CPUUtilization by no dimension"),
        ({"MetricName": "CpuUtilization"}, "AWS/ECS CpuUtilization by ClusterName and ServiceName"),
        ({"Dimensions": [{"Name": "ServiceName", "Value": "audio"}]}, "AWS/ECS CPUUtilization by ServiceName"),
        (
            {"Metrics": [{"Id": "a", "Expression": "1", "Period": 60}, {"Id": "b", "Expression": "1", "Period": 300}]},
            "periods of [60, 300]",
        ),
    ],
)
def test_an_alarm_that_cannot_be_evaluated_is_refused_by_name_before_anything_runs(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnresolvableError, match="nova-cpu: ") as error:
        read_alarm(properties(**changes))
    assert said in str(error.value)


def test_an_alarm_without_what_it_is_judged_by_is_refused() -> None:
    for name in ("Threshold", "EvaluationPeriods", "ComparisonOperator", "Period", "Statistic"):
        rest = properties()
        del rest[name]
        with pytest.raises(UnresolvableError, match=r"nova-cpu: '\w+' is missing"):
            read_alarm(rest)


@pytest.mark.parametrize(
    ("statistic", "needed"), [("p99", 1000), ("p95", 200), ("p50", 20), ("p10", 100), ("p99.9", 10_000), ("p5", 200)]
)
def test_a_percentile_of_few_values_changes_nothing_where_the_alarm_ignores_it(statistic: str, needed: int) -> None:
    """Source: "Percentile-based alarms and low data samples": 10/(1-p) values from p50 on, 10/p below it."""
    given = {name: value for name, value in properties().items() if name != "Statistic"} | {"EvaluationPeriods": 2}
    ignoring = read_alarm(given | {"ExtendedStatistic": statistic, "EvaluateLowSampleCountPercentile": "ignore"})
    evaluating = read_alarm(given | {"ExtendedStatistic": statistic})
    for count, state in ((needed - 1, "OK"), (needed, "ALARM")):
        store = MetricStore()
        for number in range(count):
            store.minute = number % 2
            store.record(CPU, 95)
        assert ignoring.state(store, 1, "OK") == state
        assert evaluating.state(store, 1, "OK") == "ALARM"


def test_an_expression_may_name_all_metrics_of_its_alarm() -> None:
    stat = {"Metric": {key: properties()[key] for key in ("Namespace", "MetricName", "Dimensions")}, "Period": 60}
    entries = [
        {"Id": "a", "MetricStat": {**stat, "Stat": "Maximum"}, "ReturnData": False},
        {"Id": "b", "MetricStat": {**stat, "Stat": "Minimum"}, "ReturnData": False},
        {"Id": "sum", "Expression": "SUM(METRICS())"},
    ]
    rest = {k: v for k, v in properties().items() if k in ("AlarmName", "EvaluationPeriods", "Threshold")}
    store = MetricStore()
    store.record(CPU, 60)
    store.record(CPU, 50)
    alarm = read_alarm({**rest, "ComparisonOperator": "GreaterThanThreshold", "Metrics": entries})
    assert alarm.value(store, 0) == 110


def test_a_period_that_is_no_whole_minute_is_not_evaluated() -> None:
    with pytest.raises(UnresolvableError, match="has a period of 30 s"):
        read_alarm(properties(Period=30))
