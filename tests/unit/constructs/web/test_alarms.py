from typing import Any

import pytest

from helpers.assembly import Assembly
from nova_infra.deployed.aws.deployments import needed_of_each, needed_requests
from nova_infra.rehearsal.cloudwatch.metric_math import evaluate

STACK = "nova-prod-carts-service"
SEARCH = "acme-live-search"


def alarm(assembly: Assembly, kind: str, stack: str = STACK) -> dict[str, Any]:
    [found] = [a for a in assembly.properties(stack, "AWS::CloudWatch::Alarm") if a["AlarmName"] == f"{stack}-{kind}"]
    return found


def value(alarm: dict[str, Any], **metrics: Any) -> float | None:
    """What an alarm's expression makes of its metrics; a metric that is not given has no data."""
    expressions = {query["Id"]: query["Expression"] for query in alarm["Metrics"] if "Expression" in query}
    known = {query["Id"] for query in alarm["Metrics"]}
    assert set(metrics) <= known

    def value_of(key: str) -> float | None:
        return evaluate(expressions[key], value_of) if key in expressions else metrics.get(key)

    [returned] = [query["Id"] for query in alarm["Metrics"] if query["ReturnData"]]
    return value_of(returned)


def test_a_service_has_these_alarms(assembly: Assembly) -> None:
    names = {each["AlarmName"] for each in assembly.properties(STACK, "AWS::CloudWatch::Alarm")}
    kinds = ("errors", "unanswered", "latency", "cpu", "memory", "unhealthy", "running")
    assert names == {f"{STACK}-{kind}" for kind in kinds}


def test_every_alarm_tells_the_topic_of_its_environment_about_alarm_and_ok(assembly: Assembly) -> None:
    for each in assembly.properties(STACK, "AWS::CloudWatch::Alarm"):
        assert each["AlarmActions"] == each["OKActions"]
        assert "nova-prod-platform" in str(each["AlarmActions"])


@pytest.mark.parametrize(
    ("metrics", "percent"),
    [
        ({}, 0),
        ({"requests_blue": 100}, 0),
        ({"requests_blue": 100, "errors_blue": 6}, 6),
        ({"requests_green": 100, "errors_green": 6}, 6),
        ({"requests_blue": 3, "errors_blue": 1}, 0),
        ({"requests_blue": 19, "errors_blue": 19}, 0),
        ({"requests_blue": 90, "requests_green": 10, "errors_green": 10}, 10),
        ({"requests_blue": 970, "requests_green": 30, "errors_green": 30}, 100),
        ({"requests_blue": 30, "errors_blue": 30, "requests_green": 970}, 100),
        ({"requests_blue": 15, "errors_blue": 3, "requests_green": 15}, 10),
    ],
    ids=[
        "no traffic",
        "no errors",
        "errors on blue",
        "errors on green",
        "one failure in three requests",
        "too few requests",
        "a small canary that fails shows in the whole",
        "a thin canary that fails shows by itself",
        "whichever colour it is",
        "two colours with few requests each have enough together",
    ],
)
def test_the_error_rate_is_that_of_both_colours_or_of_the_worse_one(
    assembly: Assembly, metrics: dict[str, int], percent: int
) -> None:
    assert value(alarm(assembly, "errors"), **metrics) == pytest.approx(percent)


@pytest.mark.parametrize(
    ("metrics", "percent"),
    [
        ({}, 0),
        ({"requests_blue": 100, "answers_2xx_blue": 100}, 0),
        (
            {
                "requests_blue": 100,
                "answers_2xx_blue": 40,
                "answers_3xx_blue": 30,
                "answers_4xx_blue": 20,
                "answers_5xx_blue": 10,
            },
            0,
        ),
        ({"requests_blue": 100}, 100),
        ({"requests_green": 100, "answers_2xx_green": 90, "answers_4xx_green": 4}, 6),
        ({"requests_blue": 90, "answers_2xx_blue": 90, "requests_green": 10}, 10),
        ({"requests_blue": 970, "answers_2xx_blue": 970, "requests_green": 30}, 100),
        ({"requests_blue": 30, "requests_green": 970, "answers_2xx_green": 970}, 100),
        ({"requests_blue": 19}, 0),
        ({"requests_blue": 40, "answers_2xx_blue": 44}, 0),
    ],
    ids=[
        "no traffic",
        "all is answered",
        "whatever the answer",
        "nothing is answered",
        "some is not",
        "a small canary that hangs shows in the whole",
        "a thin canary that hangs shows by itself",
        "whichever colour it is",
        "too few requests",
        "answers to what was asked the minute before are not an error",
    ],
)
def test_requests_minus_answers_are_unanswered(assembly: Assembly, metrics: dict[str, int], percent: int) -> None:
    assert value(alarm(assembly, "unanswered"), **metrics) == pytest.approx(percent)


def test_an_alarm_has_no_more_metrics_and_expressions_than_cloudwatch_accepts(assembly: Assembly) -> None:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
    for each in assembly.properties(STACK, "AWS::CloudWatch::Alarm"):
        queries = each.get("Metrics", ())
        assert sum("MetricStat" in query for query in queries) <= 10
        assert sum("Expression" in query for query in queries) <= 10


@pytest.mark.parametrize(
    ("metrics", "milliseconds"),
    [
        ({}, 0),
        ({"requests_blue": 30, "seconds_blue": 0.2}, 200),
        ({"requests_blue": 30, "seconds_blue": 0.2, "requests_green": 3, "seconds_green": 3}, 3000),
        ({"requests_blue": 3, "seconds_blue": 3, "requests_green": 30, "seconds_green": 0.2}, 3000),
        ({"requests_blue": 30, "seconds_blue": 0.2, "requests_green": 2, "seconds_green": 3}, 200),
        ({"requests_blue": 19, "seconds_blue": 9}, 0),
    ],
    ids=[
        "no traffic",
        "one colour",
        "a slow canary",
        "whichever colour",
        "two requests tell nothing",
        "too few in all",
    ],
)
def test_latency_is_that_of_the_slower_colour(assembly: Assembly, metrics: dict[str, float], milliseconds: int) -> None:
    assert value(alarm(assembly, "latency"), **metrics) == pytest.approx(milliseconds)


@pytest.mark.parametrize(("kind", "of_both", "of_each"), [("errors", 20, 0), ("latency", 20, 3), ("cpu", 0, 0)])
def test_how_many_requests_an_alarm_needs_can_be_read_from_it(
    assembly: Assembly, kind: str, of_both: int, of_each: int
) -> None:
    found = alarm(assembly, kind)
    assert (needed_requests(found), needed_of_each(found)) == (of_both, of_each)
    if of_each:
        few, enough = (
            value(found, requests_blue=90, requests_green=n, seconds_green=9) for n in (of_each - 1, of_each)
        )
        assert (few, enough) == (0, 9000)


def test_latency_is_the_95th_percentile(assembly: Assembly) -> None:
    stats = {q["MetricStat"]["Stat"] for q in alarm(assembly, "latency")["Metrics"] if q["Id"].startswith("seconds")}
    assert stats == {"p95"}


@pytest.mark.parametrize(
    ("kind", "operator"),
    [
        ("errors", "GreaterThanThreshold"),
        ("unanswered", "GreaterThanThreshold"),
        ("latency", "GreaterThanThreshold"),
        ("cpu", "GreaterThanOrEqualToThreshold"),
        ("memory", "GreaterThanOrEqualToThreshold"),
        ("unhealthy", "GreaterThanThreshold"),
        ("running", "GreaterThanThreshold"),
    ],
)
def test_an_alarm_fires_beyond_its_threshold_or_from_it_on_as_its_description_says(
    assembly: Assembly, kind: str, operator: str
) -> None:
    assert alarm(assembly, kind)["ComparisonOperator"] == operator


def test_answers_and_requests_are_summed_because_every_other_statistic_of_such_a_count_is_one(
    assembly: Assembly,
) -> None:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html."""
    stats = {
        (query["MetricStat"]["Metric"]["MetricName"], query["MetricStat"]["Stat"])
        for each in assembly.properties(STACK, "AWS::CloudWatch::Alarm")
        for query in each.get("Metrics", [])
        if "MetricStat" in query
    }
    assert {("HTTPCode_Target_5XX_Count", "Sum"), ("RequestCount", "Sum")} <= stats
    gauges = {"TargetResponseTime", "UnHealthyHostCount", "RunningTaskCount", "DesiredTaskCount"}
    assert {stat for name, stat in stats if name not in gauges} == {"Sum"}


def test_every_alarm_watches_its_own_service_and_its_own_colours(assembly: Assembly) -> None:
    for each in assembly.properties(STACK, "AWS::CloudWatch::Alarm"):
        if "Metrics" not in each:
            dimensions = {dimension["Name"]: dimension["Value"] for dimension in each["Dimensions"]}
            assert dimensions == {"ClusterName": "nova-prod", "ServiceName": STACK}
        for query in each.get("Metrics", []):
            metric = query.get("MetricStat", {}).get("Metric", {})
            if metric.get("Namespace") == "ECS/ContainerInsights":
                dimensions = {dimension["Name"]: dimension["Value"] for dimension in metric["Dimensions"]}
                assert dimensions == {"ClusterName": "nova-prod", "ServiceName": STACK}
                continue
            for dimension in metric.get("Dimensions", []):
                if dimension["Name"] == "TargetGroup":
                    group, attribute = dimension["Value"]["Fn::GetAtt"]
                    assert attribute == "TargetGroupFullName"
                    assert query["Id"].rpartition("_")[2].capitalize() in group
                else:
                    assert dimension["Name"] == "LoadBalancer"
                    assert "LoadBalancerFullName" in str(dimension["Value"])
            if "MetricStat" in query:
                assert "LoadBalancer" in {d["Name"] for d in query["MetricStat"]["Metric"]["Dimensions"]}


def test_unhealthy_targets_count_on_both_colours_if_any_zone_saw_one(assembly: Assembly) -> None:
    unhealthy = alarm(assembly, "unhealthy")
    assert value(unhealthy) == 0
    assert value(unhealthy, unhealthy_green=1) == 1
    assert unhealthy["Threshold"] == 0
    assert unhealthy["TreatMissingData"] == "notBreaching"
    assert {query["MetricStat"]["Stat"] for query in unhealthy["Metrics"] if "MetricStat" in query} == {"Maximum"}


def test_cpu_fires_when_one_task_is_at_90_percent_for_three_minutes(assembly: Assembly) -> None:
    cpu = alarm(assembly, "cpu")
    assert cpu["Statistic"] == "Maximum"
    assert (cpu["MetricName"], cpu["Threshold"], cpu["Period"]) == ("CPUUtilization", 90, 60)
    assert (cpu["EvaluationPeriods"], cpu["DatapointsToAlarm"]) == (3, 3)
    assert cpu["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_one_task_that_fills_its_memory_is_enough_though_ecs_replaces_it_with_an_empty_one(assembly: Assembly) -> None:
    memory = alarm(assembly, "memory")
    assert (memory["MetricName"], memory["Statistic"]) == ("MemoryUtilization", "Maximum")
    assert (memory["EvaluationPeriods"], memory["DatapointsToAlarm"]) == (3, 1)


@pytest.mark.parametrize(("kind", "minutes"), [("errors", 1), ("unanswered", 2), ("latency", 2), ("unhealthy", 3)])
def test_two_minutes_whose_data_has_not_arrived_do_not_keep_an_alarm_from_firing(
    assembly: Assembly, kind: str, minutes: int
) -> None:
    found = alarm(assembly, kind)
    assert (found["DatapointsToAlarm"], found["EvaluationPeriods"]) == (minutes, minutes + 2)


@pytest.mark.parametrize(
    ("running", "desired", "rings"),
    [(2, 2, 0), (1, 2, 1), (0, 2, 1), (3, 5, 0), (1, 1, 0), (0, 1, 1), (0, 0, 1), (2, 0, 0), (None, None, None)],
    ids=[
        "as many as wanted",
        "one is missing",
        "none",
        "more than the minimum, while it scales out",
        "a first deployment, which wants one task until the service is scaled",
        "a first deployment whose task has gone",
        "somebody has set the desired count to zero",
        "somebody has just done so",
        "nothing is reported",
    ],
)
def test_too_few_tasks_are_fewer_than_the_minimum_and_than_wanted_or_none(
    assembly: Assembly, running: int | None, desired: int | None, rings: int | None
) -> None:
    assert value(alarm(assembly, "running"), running=running, desired=desired) == rings


def test_silence_about_tasks_counts_as_none(assembly: Assembly) -> None:
    running = alarm(assembly, "running")
    metrics = [each["MetricStat"]["Metric"] for each in running["Metrics"] if "MetricStat" in each]
    assert {each["Namespace"] for each in metrics} == {"ECS/ContainerInsights"}
    assert [each["MetricName"] for each in metrics] == ["RunningTaskCount", "DesiredTaskCount"]
    assert (running["Threshold"], running["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    assert (running["EvaluationPeriods"], running["DatapointsToAlarm"]) == (3, 3)
    assert running["TreatMissingData"] == "breaching"


def test_what_rolls_back_ignores_missing_data(assembly: Assembly) -> None:
    for kind in ("errors", "unanswered", "latency", "cpu", "memory"):
        assert alarm(assembly, kind)["TreatMissingData"] == "notBreaching"


def test_thresholds_are_as_configured(variant: Assembly) -> None:
    thresholds = {
        kind: alarm(variant, kind, SEARCH)["Threshold"] for kind in ("errors", "unanswered", "latency", "memory")
    }
    assert thresholds == {"errors": 2.5, "unanswered": 100, "latency": 300, "memory": 70}
    assert value(alarm(variant, "errors", SEARCH), requests_blue=49, errors_blue=49) == 0
    assert value(alarm(variant, "errors", SEARCH), requests_blue=50, errors_blue=25) == 50


def test_alarms_do_not_refer_to_the_service(assembly: Assembly) -> None:
    services = set(assembly.resources(STACK, "AWS::ECS::Service"))
    for each in assembly.properties(STACK, "AWS::CloudWatch::Alarm"):
        assert not any(f"'{key}'" in str(each) for key in services)


def test_a_service_that_does_not_run_yet_wakes_nobody(assembly: Assembly) -> None:
    """An alarm that only notifies comes after the service; one that rolls back has to be there before."""
    stack = "nova-prod-carts-service"
    [service] = assembly.resources(stack, "AWS::ECS::Service")
    alarms = assembly.resources(stack, "AWS::CloudWatch::Alarm")
    names = {key: resource["Properties"]["AlarmName"].rpartition("-")[2] for key, resource in alarms.items()}
    after = {names[key] for key, resource in alarms.items() if service in resource.get("DependsOn", ())}
    before = {names[key] for key in assembly.templates[stack]["Resources"][service]["DependsOn"] if key in names}
    assert after == {"unhealthy", "running"}
    assert before == {"errors", "unanswered", "latency", "cpu", "memory"}
