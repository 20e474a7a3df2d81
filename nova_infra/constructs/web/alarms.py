"""A web service's alarms on errors (5xx), unanswered requests and latency; `tasks/alarms` has CPU and memory."""

from collections.abc import Mapping

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.config import Thresholds
from nova_infra.constructs.tasks.alarms import LATE, AlarmMetric, Query, TaskAlarms, query, returned

_FEW_REQUESTS = 3
"""With fewer requests, one or two of them decide a percentile."""


class WebAlarms(TaskAlarms):
    """The alarms that roll back, and those on unhealthy targets and too few tasks, which only notify.

    What rolls back is what a new revision does to users within minutes: failing, not answering at all, being slow,
    burning its CPU, and filling its memory until ECS kills it. Such a task is replaced and the next one starts empty,
    which is why one of three minutes is enough; a leak that takes hours passes every canary, and the alarm notifies
    its owner. Targets that do not become healthy and tasks that do not stay up are the circuit breaker's to judge:
    while tasks are replaced, both happen in good deployments.

    The alarms have fixed names and are built from names, never from the service's own metrics: the service refers to
    them, so a reference back would be a cycle.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster_name: str,
        service_name: str,
        load_balancer: str,
        target_groups: Mapping[str, str],
        min_tasks: int,
        thresholds: Thresholds,
        topic: sns.ITopic | None,
    ) -> None:
        """Create the alarms and make them notify the topic.

        Args:
            target_groups: Colour to full name of its target group: which is the new one alternates from deployment to
                deployment.
        """
        super().__init__(scope, construct_id, cluster_name=cluster_name, service_name=service_name, topic=topic)
        self._load_balancer = load_balancer
        self._colours = target_groups
        self.rollback_alarms = [*self._of_requests(thresholds), *self._busiest_task(thresholds)]
        self.notify_alarms = [self._unhealthy(), self._too_few(min_tasks)]

    def _of_requests(self, thresholds: Thresholds) -> list[cloudwatch.CfnAlarm]:
        """The alarms on what users get: errors, no answers, slow answers."""
        return [
            self._alarm(
                "Errors",
                f"answers more than {thresholds.error_percent:g} % of requests with a 5xx, over both colours or on one",
                threshold=thresholds.error_percent,
                metric=self._error_rate(thresholds.min_requests),
                periods=1 + LATE,
                datapoints=1,
            ),
            self._alarm(
                "Unanswered",
                f"leaves more than {thresholds.unanswered_percent:g} % of requests unanswered, over both colours "
                "or on one",
                threshold=thresholds.unanswered_percent,
                metric=self._unanswered_rate(thresholds.min_requests),
                # One minute may have requests whose answers the next one has, or whose data is not whole yet.
                periods=2 + LATE,
                datapoints=2,
            ),
            self._alarm(
                "Latency",
                f"takes more than {thresholds.latency_ms} ms for the slowest 5 % of requests",
                threshold=thresholds.latency_ms,
                metric=self._latency(thresholds.min_requests),
                periods=2 + LATE,
                datapoints=2,
            ),
        ]

    def _unhealthy(self) -> cloudwatch.CfnAlarm:
        return self._alarm(
            "Unhealthy",
            "has had a target that fails its health check for three minutes",
            threshold=0,
            metric=[
                *self._per_colour("unhealthy", "UnHealthyHostCount", "Maximum"),
                returned("unhealthy", "+".join(f"FILL(unhealthy_{colour},0)" for colour in self._colours)),
            ],
            periods=3 + LATE,
            datapoints=3,
        )

    def _error_rate(self, min_requests: int) -> list[cloudwatch.CfnAlarm.MetricDataQueryProperty]:
        """Percent of 5xx answers: over both colours, or on one of them where that is worse.

        Over both alone, a canary that fails altogether would hide behind the share of traffic it does not get. Below
        ``min_requests`` a share says nothing and counts as 0: a canary with fewer shows in the share over both.
        """
        # A colour without traffic reports nothing at all, and a sum with nothing in it is nothing.
        return [
            *self._per_colour("errors", "HTTPCode_Target_5XX_Count", "Sum"),
            *self._per_colour("requests", "RequestCount", "Sum"),
            *self._worst_rate(
                {colour: f"FILL(errors_{colour},0)" for colour in self._colours},
                min_requests,
                label="5xx answers, % of requests",
            ),
        ]

    def _unanswered_rate(self, min_requests: int) -> list[cloudwatch.CfnAlarm.MetricDataQueryProperty]:
        """Percent of requests that got no answer because a target hung or dropped them, by the same rules.

        The load balancer answers such a request itself, with 504 or 502, and counts that answer without saying whose
        it was; but it counts the request for the target group that it chose. So they are what is left of the requests
        when all answers are taken away. With two colours these are the ten metrics that an alarm may have:
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-limits.html.
        """
        answers = {f"answers_{digit}xx": f"HTTPCode_Target_{digit}XX_Count" for digit in (2, 3, 4, 5)}
        return [
            *self._per_colour("requests", "RequestCount", "Sum"),
            *(query for key, name in answers.items() for query in self._per_colour(key, name, "Sum")),
            *self._worst_rate(
                {
                    colour: "-".join(f"FILL({key}_{colour},0)" for key in ("requests", *answers))
                    for colour in self._colours
                },
                min_requests,
                label="requests without an answer, % of requests",
            ),
        ]

    def _worst_rate(
        self, parts: Mapping[str, str], min_requests: int, *, label: str
    ) -> list[cloudwatch.CfnAlarm.MetricDataQueryProperty]:
        """A share of requests in percent: of both colours together, or of the worse one."""
        requests = {colour: f"FILL(requests_{colour},0)" for colour in self._colours}
        rates = {"both": _rate("+".join(parts.values()), "+".join(requests.values()), min_requests)}
        rates |= {colour: _rate(parts[colour], requests[colour], min_requests) for colour in self._colours}
        return [
            *(Query(id=f"rate_{of}", expression=rate, return_data=False) for of, rate in rates.items()),
            Query(
                id="rate_one", expression=_greater(*(f"rate_{colour}" for colour in self._colours)), return_data=False
            ),
            returned("rate", _greater("rate_one", "rate_both"), label=label),
        ]

    def _latency(self, min_requests: int) -> list[cloudwatch.CfnAlarm.MetricDataQueryProperty]:
        """95th percentile in ms of the slower colour, so that a canary is noticed; 0 with too few requests."""
        requests = "+".join(f"FILL(requests_{colour},0)" for colour in self._colours)
        return [
            *self._per_colour("seconds", "TargetResponseTime", "p95"),
            *self._per_colour("requests", "RequestCount", "Sum"),
            *(
                Query(
                    id=f"slow_{colour}",
                    expression=f"IF(FILL(requests_{colour},0)>={_FEW_REQUESTS},FILL(seconds_{colour},0),0)",
                    return_data=False,
                )
                for colour in self._colours
            ),
            Query(
                id="slowest", expression=_greater(*(f"slow_{colour}" for colour in self._colours)), return_data=False
            ),
            returned("latency", f"IF({requests}>={min_requests},1000*slowest,0)", label="p95 latency, ms"),
        ]

    def _per_colour(self, key: str, name: str, stat: str) -> list[cloudwatch.CfnAlarm.MetricDataQueryProperty]:
        return [
            query(
                f"{key}_{colour}",
                AlarmMetric("AWS/ApplicationELB", name, {"LoadBalancer": self._load_balancer, "TargetGroup": group}),
                stat,
            )
            for colour, group in self._colours.items()
        ]


def _greater(one: str, other: str) -> str:
    """The greater of two series. AWS advises against ``MAX`` in alarms, which ask for more data than they judge."""
    return f"IF({one}>{other},{one},{other})"


def _rate(part: str, requests: str, min_requests: int) -> str:
    return f"IF({requests}>={min_requests},100*({part})/({requests}),0)"
