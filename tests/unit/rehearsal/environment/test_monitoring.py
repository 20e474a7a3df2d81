from types import SimpleNamespace
from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.alarms import State
from nova_infra.rehearsal.cloudwatch.metrics import Metric
from nova_infra.rehearsal.environment.monitoring import METRIC_DELAY, Monitoring
from nova_infra.rehearsal.record import UNMEASURED
from nova_infra.rehearsal.usage.processes import Usage

PLACE = {"ClusterName": "shop", "ServiceName": "carts"}


def service(*usages: Usage | None) -> Any:
    """A service without a load balancer whose tasks use so much; None where this machine does not show it."""
    tasks = [
        SimpleNamespace(
            processor=lambda usage: usage.cpu,
            task=SimpleNamespace(
                running=True, measure=lambda usage=usage: usage, definition=SimpleNamespace(memory=512, task_memory=0)
            ),
        )
        for usage in usages
    ]
    return SimpleNamespace(cluster="shop", name="carts", tasks=tasks, desired=len(tasks), places=[])


def values(monitoring: Monitoring, name: str) -> list[float]:
    """What was recorded of a metric in the first minute."""
    return monitoring.store.values(Metric.of("AWS/ECS", name, PLACE), range(1))


def test_what_a_machine_does_not_show_is_a_gap_and_no_zero() -> None:
    gaps: list[str] = []
    monitoring = Monitoring("prod", [], gaps, lambda _: None)
    monitoring.end_minute([service(None, None)])
    assert gaps == [UNMEASURED]
    assert values(monitoring, "CPUUtilization") == values(monitoring, "MemoryUtilization") == []


def test_processor_time_that_nobody_could_measure_is_no_zero_and_is_counted() -> None:
    unknown: dict[str, int] = {}
    monitoring = Monitoring("prod", [], [], lambda _: None, unknown)
    busy = service(Usage(cpu=40.0, memory=128.0))
    busy.tasks[0].processor = lambda _: None
    for _ in range(2):
        monitoring.end_minute([busy])
    assert unknown == {"carts": 2}
    assert values(monitoring, "CPUUtilization") == []


def test_what_tasks_use_is_recorded_as_shares() -> None:
    gaps: list[str] = []
    monitoring = Monitoring("prod", [], gaps, lambda _: None)
    monitoring.end_minute([service(Usage(cpu=40.0, memory=128.0), Usage(cpu=60.0, memory=384.0))])
    assert gaps == []
    assert values(monitoring, "CPUUtilization") == [40.0, 60.0]
    assert values(monitoring, "MemoryUtilization") == [25.0, 75.0]


def test_each_target_group_counts_its_targets_under_its_own_load_balancer() -> None:
    monitoring = Monitoring("prod", [], [], lambda _: None)
    carts = service(Usage(cpu=40.0, memory=128.0))
    for name, protocol, healthy in (("outer", "HTTP", True), ("inner", "TCP", False)):
        group = SimpleNamespace(name=f"group/{name}", targets=[SimpleNamespace(healthy=healthy)])
        carts.places.append((SimpleNamespace(full_name=name, protocol=protocol), group))
    monitoring.end_minute([carts])
    counted = [
        monitoring.store.values(
            Metric.of(f"AWS/{kind}ELB", "HealthyHostCount", {"LoadBalancer": name, "TargetGroup": f"group/{name}"}),
            range(1),
        )
        for kind, name in (("Application", "outer"), ("Network", "inner"))
    ]
    assert counted == [[1], [0]]


def cpu_alarm(name: str, **more: Any) -> dict[str, Any]:
    return {
        "AlarmName": name,
        "Namespace": "AWS/ECS",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": key, "Value": value} for key, value in PLACE.items()],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 80,
        **more,
    }


@pytest.mark.parametrize(
    ("evaluated", "needed", "first_red", "last_red"),
    [
        # Minutes 3 to 5 breach. Data of a minute are there one minute later: nothing fires before that.
        (1, 1, 3 + METRIC_DELAY, 5 + METRIC_DELAY),
        (3, 2, 4 + METRIC_DELAY, 6 + METRIC_DELAY),
        (3, 3, 5 + METRIC_DELAY, 5 + METRIC_DELAY),
    ],
)
def test_an_alarm_sees_a_minute_when_its_data_have_arrived(
    evaluated: int, needed: int, first_red: int, last_red: int
) -> None:
    said: list[str] = []
    monitoring = Monitoring("prod", [], [], said.append)
    monitoring.put_alarm(cpu_alarm("busy", EvaluationPeriods=evaluated, DatapointsToAlarm=needed, AlarmActions=["t"]))
    red = []
    for minute in range(12):
        monitoring.end_minute([service(Usage(cpu=91.5 if 3 <= minute <= 5 else 20.0, memory=1.0))])
        red += [minute] if monitoring.states["busy"] == "ALARM" else []
    assert (red[0], red[-1]) == (first_red, last_red)
    assert said == ["t: busy is in ALARM"]
    assert monitoring.measured["busy"] == "it measured 91.5, and the limit is 80"


def test_fill_answers_for_the_minute_whose_data_are_on_their_way() -> None:
    """Why an alarm with FILL looks at more periods than must breach: the newest one is always filled."""
    one: dict[str, Any] = {"Id": "m", "ReturnData": False, "MetricStat": {"Stat": "Maximum", "Period": 60}}
    one["MetricStat"]["Metric"] = {key: cpu_alarm("x")[key] for key in ("Namespace", "MetricName", "Dimensions")}
    monitoring = Monitoring("prod", [], [], lambda _: None)
    for name, evaluated in (("one-of-one", 1), ("two-of-two", 2), ("two-of-three", 3)):
        alarm = cpu_alarm(name, EvaluationPeriods=evaluated, DatapointsToAlarm=min(evaluated, 2))
        alarm["Metrics"] = [one, {"Id": "e", "Expression": "FILL(m,0)"}]
        monitoring.put_alarm(alarm)
    for _ in range(6):
        monitoring.end_minute([service(Usage(cpu=95.0, memory=1.0))])
    assert [name for name, state in monitoring.states.items() if state == "ALARM"] == ["two-of-three"]


def test_ecs_needs_as_long_as_the_slowest_alarm_looks_back() -> None:
    monitoring = Monitoring("prod", [], [], lambda _: None)
    monitoring.put_alarm(cpu_alarm("quick", EvaluationPeriods=2))
    monitoring.put_alarm(cpu_alarm("slow", EvaluationPeriods=3, Period=300))
    monitoring.put_composite_alarm({"AlarmName": "either", "AlarmRule": 'ALARM("quick") OR ALARM("slow")'})
    told = [monitoring.minutes_to_judge(names) for names in ((), ("quick",), ("quick", "slow"), ("either",))]
    assert told == [0, 2 + METRIC_DELAY, 15 + METRIC_DELAY, 15 + METRIC_DELAY]


def test_nothing_is_red_because_nothing_has_arrived_yet() -> None:
    monitoring = Monitoring("prod", [], [], lambda _: None)
    monitoring.put_alarm(cpu_alarm("idle", ComparisonOperator="LessThanThreshold", TreatMissingData="breaching"))
    states = []
    for cpu in (90.0, 90.0, 90.0, 10.0, 10.0, 10.0):
        monitoring.end_minute([service(Usage(cpu=cpu, memory=1.0))])
        states.append(monitoring.states["idle"])
    assert states == ["INSUFFICIENT_DATA", "OK", "OK", "OK", "ALARM", "ALARM"]


def running_alarm() -> dict[str, Any]:
    """On fewer than two tasks for three minutes, as the platform's: a service that reports nothing runs nothing."""
    return cpu_alarm(
        "running",
        Namespace="ECS/ContainerInsights",
        MetricName="RunningTaskCount",
        Statistic="Average",
        EvaluationPeriods=3,
        ComparisonOperator="LessThanThreshold",
        Threshold=2,
        TreatMissingData="breaching",
    )


@pytest.mark.parametrize(
    ("short_minutes", "red"),
    [(1, False), (2, False), (3, True)],
)
def test_what_ran_before_is_not_red_for_what_was_not_measured_then(short_minutes: int, red: bool) -> None:
    """A task that is lost in the first minute is one bad minute, and not three."""
    monitoring, states = Monitoring("prod", [], [], lambda _: None), []
    monitoring.put_alarm(running_alarm())
    monitoring.begin()
    for minute in range(6 + METRIC_DELAY):
        monitoring.end_minute([service(*[Usage(1.0, 1.0)] * (1 if minute < short_minutes else 2))])
        states.append(monitoring.states["running"])
    assert states.count("ALARM") == (1 if red else 0)


def test_an_alarm_that_a_release_brings_has_no_past() -> None:
    """CloudWatch counts what is missing before a service reports anything:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html.
    """
    monitoring = Monitoring("prod", [], [], lambda _: None)
    monitoring.begin()
    monitoring.put_alarm(running_alarm())
    for _ in range(1 + METRIC_DELAY):
        monitoring.end_minute([])
    assert monitoring.states["running"] == "ALARM"


@pytest.mark.parametrize(
    ("more", "is_first"),
    [
        ({}, True),
        ({"DependsOn": "Web"}, False),
        ({"DependsOn": ["Web", "Topic"]}, False),
        ({"DependsOn": ["Topic"]}, True),
        ({"Properties": cpu_alarm("a", AlarmDescription={"Fn::GetAtt": ["Web", "Name"]})}, False),
        ({"Properties": cpu_alarm("watched"), "DependsOn": "Web"}, True),
    ],
)
def test_an_alarm_that_depends_on_a_service_is_made_once_its_tasks_run(more: dict[str, Any], is_first: bool) -> None:
    """Unless ECS watches it: what CloudFormation does then, the checks have refused."""
    alarms = {"Enable": True, "Rollback": True, "AlarmNames": ["watched"]}
    web = {"ServiceName": "web", "TaskDefinition": "web:1", "DeploymentConfiguration": {"Alarms": alarms}}
    resources = {
        "Web": {"Type": "AWS::ECS::Service", "Properties": web},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {}},
        "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": cpu_alarm("a"), **more},
    }
    stack = PlayedStack("shop", {"Resources": resources}, exports={}, revisions={})
    monitoring = Monitoring("prod", [], [], lambda _: None)
    monitoring.apply(stack)
    assert bool(monitoring.states) is is_first
    monitoring.apply(stack, services_run=True)
    assert len(monitoring.states) == 1


@pytest.mark.parametrize(
    ("metric", "missing", "state"),
    [
        ("HTTPCode_Target_5XX_Count", "breaching", "ALARM"),
        ("HTTPCode_ELB_502_Count", "breaching", "ALARM"),
        ("TargetConnectionErrorCount", "breaching", "ALARM"),
        ("HTTPCode_Target_5XX_Count", "notBreaching", "INSUFFICIENT_DATA"),
        ("RequestCount", "breaching", "INSUFFICIENT_DATA"),
        ("TargetResponseTime", "breaching", "INSUFFICIENT_DATA"),
    ],
)
def test_an_alarm_on_errors_that_takes_missing_data_for_bad_has_been_red_for_long(
    metric: str, missing: str, state: State
) -> None:
    """Errors are reported where there are some: an environment that is well has no data."""
    monitoring = Monitoring("prod", [], [], lambda _: None)
    alarm = {"MetricName": metric, "Namespace": "AWS/ApplicationELB", "Period": 60, "Statistic": "Sum"}
    alarm |= {"Threshold": 4, "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 3}
    alarm["Dimensions"] = [{"Name": "LoadBalancer", "Value": "app/shop/1"}]
    monitoring.put_alarm({**alarm, "AlarmName": "errors", "TreatMissingData": missing})
    monitoring.put_composite_alarm({"AlarmName": "any", "AlarmRule": 'ALARM("errors")'})
    monitoring.begin()
    assert monitoring.states["errors"] == state
    assert (monitoring.states["any"] == "ALARM") is (state == "ALARM")


def test_a_composite_alarm_over_another_one_goes_red_with_it() -> None:
    monitoring = Monitoring("prod", [], [], lambda _: None)
    monitoring.put_composite_alarm({"AlarmName": "outer", "AlarmRule": 'ALARM("arn:aws:cloudwatch:x:1:alarm:inner")'})
    monitoring.put_composite_alarm({"AlarmName": "inner", "AlarmRule": "ALARM(hot) AND NOT ALARM(calm)"})
    for name, threshold in (("hot", 50), ("calm", 99)):
        monitoring.put_alarm(
            {
                "AlarmName": name,
                "Namespace": "AWS/ECS",
                "MetricName": "CPUUtilization",
                "Dimensions": [{"Name": key, "Value": value} for key, value in PLACE.items()],
                "Statistic": "Average",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": threshold,
                "ComparisonOperator": "GreaterThanThreshold",
            }
        )
    for _ in range(METRIC_DELAY + 1):
        monitoring.end_minute([service(Usage(cpu=80.0, memory=128.0))])
    assert monitoring.states == {"outer": "ALARM", "inner": "ALARM", "hot": "ALARM", "calm": "OK"}
    assert monitoring.minutes_to_judge(["outer"]) == 1 + METRIC_DELAY


UNEVALUATED = {"AlarmName": "anomaly", "ComparisonOperator": "GreaterThanUpperThreshold", "EvaluationPeriods": 2}


def test_nothing_is_judged_by_an_alarm_that_only_cloudwatch_evaluates() -> None:
    said: list[str] = []
    monitoring = Monitoring("prod", [], [], said.append)
    monitoring.put_alarm({**UNEVALUATED, "ThresholdMetricId": "band"})
    monitoring.put_composite_alarm({"AlarmName": "not", "AlarmRule": 'NOT OK("anomaly")', "AlarmActions": ["t"]})
    monitoring.put_composite_alarm({"AlarmName": "over", "AlarmRule": "ALARM(not)", "AlarmActions": ["t"]})
    monitoring.begin()
    for _ in range(3):
        monitoring.end_minute([])
    assert said == []
    assert "ALARM" not in monitoring.states.values()


def test_an_alarm_that_can_no_longer_be_evaluated_has_no_state() -> None:
    monitoring = Monitoring("prod", [], [], lambda _: None)
    monitoring.put_alarm(cpu_alarm("anomaly", EvaluationPeriods=1))
    monitoring.put_composite_alarm({"AlarmName": "either", "AlarmRule": "ALARM(anomaly)"})
    for _ in range(3):
        monitoring.end_minute([service(Usage(cpu=95.0, memory=1.0))])
    assert monitoring.states == {"anomaly": "ALARM", "either": "ALARM"}
    monitoring.put_alarm({**UNEVALUATED, "ThresholdMetricId": "band"})
    monitoring.end_minute([])
    assert monitoring.states == {}
