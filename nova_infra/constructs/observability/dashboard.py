"""The CloudWatch dashboard of an environment."""

from __future__ import annotations

from collections.abc import Mapping
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
    """The state of all rollback alarms, then a row for each service.

    A row holds the traffic by colour, in which a deployment is seen to move from one to the other, and errors, latency
    and CPU with their thresholds.
    """

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
            scope: Parent.
            construct_id: Id under the parent.
            prefix: Name of the dashboard and prefix of the services' names.
            cluster_name: Name of the ECS cluster.
            load_balancers: Service to the full name of the load balancer in front of it.
            target_groups: Service to colour to full name of the target group.
        """
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        region = stack.region
        # Asked of CDK once: there are seven for each service.
        arn = stack.format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name="",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

        def alarm(service: str, kind: str) -> str:
            return f"{arn}{alarm_name(stack_name(prefix, service), kind)}"

        # One widget holds 100 alarms at most, and there may be 45 services: two kinds in one at most.
        widgets: list[dict[str, Any]] = [
            _widget(
                column * _WIDTH,
                0,
                {
                    "title": f"{prefix}: {' and '.join(kinds)}, rolls back",
                    "alarms": [alarm(service, kind) for service in target_groups for kind in kinds],
                },
                kind="alarm",
            )
            for column, kinds in enumerate(_ROLL_BACK)
        ]
        for row, (service, colours) in enumerate(target_groups.items(), start=1):
            graphs: list[dict[str, Any]] = [
                {
                    "title": f"{service}: requests by colour, and running tasks",
                    "metrics": [
                        *(
                            [
                                "AWS/ApplicationELB",
                                "RequestCount",
                                "LoadBalancer",
                                load_balancers[service],
                                "TargetGroup",
                                group,
                                {"label": colour, "color": _COLOURS[colour], "stat": "Sum"},
                            ]
                            for colour, group in colours.items()
                        ),
                        *(
                            [
                                "ECS/ContainerInsights",
                                name,
                                "ClusterName",
                                cluster_name,
                                "ServiceName",
                                f"{prefix}-{service}",
                                {"label": label, "yAxis": "right", "stat": "Maximum"},
                            ]
                            for name, label in (("RunningTaskCount", "tasks"), ("DeploymentCount", "deployments"))
                        ),
                    ],
                    "stacked": False,
                },
                *(
                    {"title": f"{service}: {kind}", "annotations": {"alarms": [alarm(service, kind)]}}
                    for kind in _GRAPHS
                ),
            ]
            widgets += [
                _widget(
                    column * _WIDTH,
                    row * _HEIGHT,
                    {"view": "timeSeries", "region": region, "period": PERIOD_SECONDS, **graph},
                )
                for column, graph in enumerate(graphs)
            ]
        cloudwatch.CfnDashboard(
            self,
            "Dashboard",
            dashboard_name=prefix,
            dashboard_body=stack.to_json_string({"start": "-PT3H", "widgets": widgets}),
        )


def _widget(x: int, y: int, properties: dict[str, Any], *, kind: str = "metric", width: int = _WIDTH) -> dict[str, Any]:
    return {"type": kind, "x": x, "y": y, "width": width, "height": _HEIGHT, "properties": properties}
