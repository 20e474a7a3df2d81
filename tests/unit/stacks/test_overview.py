import json
import re
import tomllib
from pathlib import Path
from typing import Any

from helpers.assembly import Assembly
from nova_infra.config import parse_config


def test_the_canary_alarm_is_red_when_any_service_fails_requests_or_leaves_them_unanswered(
    assembly: Assembly, service_names: list[str]
) -> None:
    alarm = assembly.only("nova-prod-overview", "AWS::CloudWatch::CompositeAlarm")
    assert alarm["AlarmName"] == "nova-prod-canary-errors"
    names = [f"nova-prod-{service}-{kind}" for service in service_names for kind in ("errors", "unanswered")]
    assert alarm["AlarmRule"] == " OR ".join(f'ALARM("{name}")' for name in names)


def test_without_web_services_the_alarm_of_all_is_the_one_that_says_most_of_each(synthesize: Any) -> None:
    raw = tomllib.loads((Path(__file__).parents[1] / "nova.toml").read_text())
    raw["services"] = [
        {"name": "slow", "kind": "worker"},
        {"name": "report", "kind": "job", "schedule": "0 6 * * 1", "timeout_seconds": 700},
    ]
    assembly = synthesize(parse_config(raw), environment="dev")
    alarm = assembly.only("nova-dev-overview", "AWS::CloudWatch::CompositeAlarm")
    assert alarm["AlarmRule"] == 'ALARM("nova-dev-slow-cpu") OR ALARM("nova-dev-report-failed")'


def dashboard(assembly: Assembly) -> dict[str, Any]:
    body = assembly.only("nova-prod-overview", "AWS::CloudWatch::Dashboard")["DashboardBody"]
    text = "".join(part if isinstance(part, str) else "token" for part in body["Fn::Join"][1])
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_dashboard_shows_traffic_by_colour_deployments_errors_latency_and_cpu_of_each_service(
    assembly: Assembly, service_names: list[str]
) -> None:
    graphs = [widget for widget in dashboard(assembly)["widgets"] if widget["type"] == "metric"]
    titles = [graph["properties"]["title"] for graph in graphs]
    for service in service_names:
        assert [title.removeprefix(f"{service}: ") for title in titles if title.startswith(service)] == [
            "requests by colour, and running tasks",
            "errors",
            "latency",
            "cpu",
        ]
    labels = [metric[-1]["label"] for metric in graphs[0]["properties"]["metrics"]]
    assert labels == ["blue", "green", "tasks", "deployments"]


def test_the_dashboard_starts_with_all_that_rolls_back(assembly: Assembly, service_names: list[str]) -> None:
    # With 45 services two alarms of each are within the 100 that a widget holds.
    rows = (("errors", "unanswered"), ("latency",), ("cpu",), ("memory",))
    for kinds, widget in zip(rows, dashboard(assembly)["widgets"], strict=False):
        assert widget["type"] == "alarm"
        names = [re.sub(r".*:alarm:", "", arn) for arn in widget["properties"]["alarms"]]
        assert names == [f"nova-prod-{name}-{kind}" for name in service_names for kind in kinds]


def test_each_row_is_filled_from_the_left_in_four_columns(assembly: Assembly) -> None:
    widgets = dashboard(assembly)["widgets"]
    assert len(widgets) % 4 == 0
    assert [(each["x"], each["y"]) for each in widgets] == [
        (6 * column, 6 * row) for row in range(len(widgets) // 4) for column in range(4)
    ]


def test_widgets_do_not_overlap(assembly: Assembly) -> None:
    cells = [
        (widget["x"] + column, widget["y"] + row)
        for widget in dashboard(assembly)["widgets"]
        for column in range(widget["width"])
        for row in range(widget["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24


def test_the_alarm_of_all_services_notifies_nobody_a_second_time(assembly: Assembly) -> None:
    for environment in ("dev", "staging", "prod"):
        alarm = assembly.only(f"nova-{environment}-overview", "AWS::CloudWatch::CompositeAlarm")
        assert alarm["ActionsEnabled"] is False
