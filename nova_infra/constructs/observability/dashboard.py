"""The CloudWatch dashboard of an environment: the state of its alarms, and a row of graphs for each service."""

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from nova_infra.constructs.tasks.alarms import PERIOD_SECONDS
from nova_infra.names import alarm_name, stack_name

_COLUMNS = 4
_WIDTH = 24 // _COLUMNS
_HEIGHT = 6
_ROLL_BACK = (("errors", "unanswered"), ("latency",), ("cpu",), ("memory",))
_GRAPHS = ("errors", "latency", "cpu")
_COLOURS = {"blue": "#1f77b4", "green": "#2ca02c"}


class Dashboard(Construct):
    """The state of all rollback alarms, then a row for each service: traffic by colour, errors, latency, CPU."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        cluster_name: str,
        load_balancers: Mapping[str, str],
        target_groups: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Create the dashboard.

        Args:
            prefix: Name of the dashboard and prefix of the services' names.
            load_balancers: Service to the full name of the load balancer in front of it.
            target_groups: Service to colour to full name of the target group.
        """
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        self._prefix, self._cluster_name, self._region = prefix, cluster_name, stack.region
        # Asked of CDK once: there are seven for each service.
        self._alarms = stack.format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name="",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        widgets = self._states(list(target_groups))
        for row, (service, colours) in enumerate(target_groups.items(), start=1):
            widgets += self._row(row, service, load_balancers[service], colours)
        cloudwatch.CfnDashboard(
            self,
            "Dashboard",
            dashboard_name=prefix,
            dashboard_body=stack.to_json_string({"start": "-PT3H", "widgets": widgets}),
        )

    def _alarm(self, service: str, kind: str) -> str:
        return f"{self._alarms}{alarm_name(stack_name(self._prefix, service), kind)}"

    def _states(self, services: Sequence[str]) -> list[dict[str, Any]]:
        """The state of all rollback alarms. One widget holds 100, and there may be 45 services: two kinds at most."""
        return [
            _widget(
                column,
                0,
                {
                    "title": f"{self._prefix}: {' and '.join(kinds)}, rolls back",
                    "alarms": [self._alarm(service, kind) for service in services for kind in kinds],
                },
                kind="alarm",
            )
            for column, kinds in enumerate(_ROLL_BACK)
        ]

    def _row(
        self, row: int, service: str, load_balancer: str, target_groups: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """The graphs of one service, side by side."""
        tasks = ["ClusterName", self._cluster_name, "ServiceName", f"{self._prefix}-{service}"]
        traffic: dict[str, Any] = {
            "title": f"{service}: requests by colour, and running tasks",
            "metrics": [
                *(
                    [
                        *("AWS/ApplicationELB", "RequestCount"),
                        *("LoadBalancer", load_balancer, "TargetGroup", group),
                        {"label": colour, "color": _COLOURS[colour], "stat": "Sum"},
                    ]
                    for colour, group in target_groups.items()
                ),
                *(
                    ["ECS/ContainerInsights", name, *tasks, {"label": label, "yAxis": "right", "stat": "Maximum"}]
                    for name, label in (("RunningTaskCount", "tasks"), ("DeploymentCount", "deployments"))
                ),
            ],
            "stacked": False,
        }
        watched: list[dict[str, Any]] = [
            {"title": f"{service}: {kind}", "annotations": {"alarms": [self._alarm(service, kind)]}} for kind in _GRAPHS
        ]
        seen = {"view": "timeSeries", "region": self._region, "period": PERIOD_SECONDS}
        return [_widget(column, row, {**seen, **graph}) for column, graph in enumerate([traffic, *watched])]


def _widget(column: int, row: int, properties: dict[str, Any], *, kind: str = "metric") -> dict[str, Any]:
    place = {"x": column * _WIDTH, "y": row * _HEIGHT, "width": _WIDTH, "height": _HEIGHT}
    return {"type": kind, **place, "properties": properties}
