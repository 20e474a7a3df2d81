"""Asks ECS, the load balancer and CloudWatch about all deployments under way, in few calls."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from nova_infra.deployed.aws.client.session import Aws
from nova_infra.deployed.aws.deployments import (
    listener_of,
    load_balancer_of,
    needed_of_each,
    needed_requests,
    read_deployment,
    revision_arns,
    shares,
)
from nova_infra.deployed.aws.measurements import (
    LOOK_BACK,
    QUERIES,
    AwsMeasurements,
    alarm_queries,
    batches,
    read_latest,
    read_traffic,
    traffic_queries,
)
from nova_infra.deployed.rollouts import (
    AlarmReading,
    LifecycleHook,
    Readings,
    ServiceDeployment,
)
from nova_infra.machine.parallel import PartialAnswers, SharedQuestion
from nova_infra.names import WEB_ALARMS, alarm_name

_TWENTY = 20
"""Service deployments, and service revisions, that are described at once.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceDeployments.html
"""
_BETWEEN_MEASUREMENTS = timedelta(seconds=30)
_BETWEEN_LISTS = timedelta(seconds=60)


class AwsRollouts(AwsMeasurements):
    """The part of :class:`nova_infra.deployed.aws.environment.AwsEnvironment` that follows deployments.

    It remembers what does not change, so that looking again costs few calls: with 45 services, five for the services,
    one for each twenty deployments, one for the rules' weights and one for the alarms.
    """

    def __init__(self, prefix: str, *, aws: Aws) -> None:
        super().__init__(prefix, aws=aws)
        self._listing = SharedQuestion(self._ecs_names)
        self._listed: tuple[datetime, list[str]] | None = None
        self._kept_revisions: dict[str, Mapping[str, Any]] = {}
        self._unread_revisions: tuple[str, ...] = ()
        self._kept_alarms: dict[str, dict[str, Any]] = {}
        self._asked_alarms: set[str] = set()
        self._measured: tuple[datetime, Readings] | None = None

    def service_deployments(
        self, services: Collection[str] = (), known: Collection[str] = ()
    ) -> tuple[ServiceDeployment, ...]:
        described = self._services_described(services)
        arns = list(dict.fromkeys((*known, *self._under_way(described))))
        questions = [partial(self._deployments_described, batch) for batch in batches(arns, _TWENTY)]
        found = [deployment for part in self.aws.each(lambda ask: ask(), questions) for deployment in part]
        revisions = self._revisions(revision_arns(found))
        by_arn = {service["serviceArn"]: service for service in described}
        read = (
            read_deployment(d, by_arn.get(d.get("serviceArn", ""), {}), revisions, prefix=self.prefix) for d in found
        )
        return tuple(sorted(read, key=lambda deployment: (deployment.service, str(deployment.started))))

    def readings(self, deployments: Sequence[ServiceDeployment]) -> Readings:
        answers = PartialAnswers()
        rules = {deployment.rule for deployment in deployments if deployment.rule}
        weights: Mapping[str, float] = answers.ask("the listener's weights", lambda: self._weights(rules), {})
        names = sorted({name for each in deployments for name in (*each.watched, *self._meant(each))})
        alarms = answers.ask("alarms", lambda: self._alarm_readings(names), {})
        now = self.aws.now()
        if self._measured is None or now - self._measured[0] >= _BETWEEN_MEASUREMENTS:
            measured = answers.ask("metrics", lambda: self._measure(deployments, list(alarms), now), Readings())
            self._measured = now, measured
        _, measured = self._measured
        return Readings(
            weights=weights,
            traffic=measured.traffic,
            alarms={
                name: replace(alarm, value=measured.alarms[name].value if name in measured.alarms else None)
                for name, alarm in alarms.items()
            },
            unread=(*self._unread_revisions, *answers.unread),
        )

    def _meant(self, deployment: ServiceDeployment) -> list[str]:
        """The alarms that would end a deployment that shifts traffic, if its list had them; they may not exist."""
        stack = self.stack_name(deployment.service)
        return [alarm_name(stack, kind) for kind in WEB_ALARMS] if deployment.rule and deployment.watched else []

    def continue_deployment(self, deployment: ServiceDeployment, hook: LifecycleHook) -> None:
        """Continue a deployment that waits at a hook (API_ContinueServiceDeployment)."""
        which = {"serviceDeploymentArn": deployment.arn, "hookId": hook.id}
        self.aws.write(
            "ecs",
            "continue_service_deployment",
            done=lambda: hook.id not in {each.id for each in self._again(deployment).waiting},
            **which,
            action="CONTINUE",
        )

    def stop_deployment(self, deployment: ServiceDeployment) -> None:
        """Stop a deployment under way: ECS returns to what ran before (API_StopServiceDeployment)."""
        self.aws.write(
            "ecs",
            "stop_service_deployment",
            done=lambda: self._again(deployment).status not in ("PENDING", "IN_PROGRESS"),
            serviceDeploymentArn=deployment.arn,
            stopType="ROLLBACK",
        )

    def _again(self, deployment: ServiceDeployment) -> ServiceDeployment:
        [found] = self._deployments_described([deployment.arn])
        return read_deployment(found, {}, self._kept_revisions, prefix=self.prefix)

    def _services_described(self, services: Collection[str]) -> list[dict[str, Any]]:
        names = [self.stack_name(name) for name in services] or self._names()
        questions = [partial(self._described, batch) for batch in batches(names, 10)]
        return [service for part in self.aws.each(lambda ask: ask(), questions) for service in part]

    def _names(self) -> list[str]:
        """Names of all services in the cluster, as they were a minute ago at most."""
        kept = self._listed
        if kept is None or self.aws.now() - kept[0] >= _BETWEEN_LISTS:
            return self._names_now()
        return kept[1]

    def _names_now(self) -> list[str]:
        self._listed = self.aws.now(), self._listing.ask()
        return self._listed[1]

    def _under_way(self, described: Iterable[Mapping[str, Any]]) -> Iterable[str]:
        for service in described:
            if arn := service.get("currentServiceDeployment"):
                yield str(arn)
            elif any(d.get("rolloutState") == "IN_PROGRESS" for d in service.get("deployments", ())):
                listed = self.aws.call(
                    "ecs",
                    "list_service_deployments",
                    cluster=self.cluster,
                    service=service["serviceName"],
                    status=["PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"],
                    maxResults=1,
                )["serviceDeployments"]
                yield from (str(deployment["serviceDeploymentArn"]) for deployment in listed)

    def _deployments_described(self, arns: Sequence[str]) -> list[dict[str, Any]]:
        answer = self.aws.call("ecs", "describe_service_deployments", serviceDeploymentArns=list(arns))
        return list(answer["serviceDeployments"])

    def _revisions(self, arns: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
        """Service revisions by their ARNs. They never change, so each is asked for once."""
        kept = self._kept_revisions
        missing = [arn for arn in arns if arn not in kept]

        def ask() -> None:
            for batch in batches(missing, _TWENTY):
                found = self.aws.call("ecs", "describe_service_revisions", serviceRevisionArns=batch)
                kept.update({revision["serviceRevisionArn"]: revision for revision in found["serviceRevisions"]})

        answers = PartialAnswers()
        answers.ask("service revisions", ask, None)
        self._unread_revisions = answers.unread
        return kept

    def on_alternate(self) -> frozenset[str]:
        steered = {
            service["serviceName"].removeprefix(f"{self.prefix}-"): balancer["advancedConfiguration"]
            for service in self._services_described(())
            for balancer in service.get("loadBalancers", ())
            if balancer.get("advancedConfiguration", {}).get("productionListenerRule")
        }
        weights = self._weights({each["productionListenerRule"] for each in steered.values()})
        return frozenset(
            name for name, each in steered.items() if weights.get(each.get("alternateTargetGroupArn", ""), 0) > 0
        )

    def rules_on(self, listener: str) -> tuple[list[dict[str, Any]], set[str]]:
        rules = list(self.aws.pages("elbv2", "describe_rules", "Rules", ListenerArn=listener))
        own = {
            balancer.get("advancedConfiguration", {}).get(key, "")
            for service in self._services_described(())
            for balancer in service.get("loadBalancers", ())
            for key in ("productionListenerRule", "testListenerRule")
        }
        return rules, own

    def _weights(self, rules: Collection[str]) -> dict[str, float]:
        """ARN of a target group to its share. All rules of a listener come in one call."""
        found: dict[str, float] = {}
        for listener in sorted({listener_of(rule) for rule in rules}):
            which = {"ListenerArn": listener, "PaginationConfig": {"PageSize": 400}}
            for rule in self.aws.pages("elbv2", "describe_rules", "Rules", **which):
                if rule["RuleArn"] in rules:
                    found |= shares(rule)
        return found

    def _alarm_readings(self, names: Sequence[str]) -> dict[str, AlarmReading]:
        """Alarms by name, without values. What an alarm is does not change; which are red is one call for all."""
        kept = self._kept_alarms
        missing = [name for name in names if name not in self._asked_alarms]
        fresh = set(missing)
        for batch in batches(missing, 100):
            which = {"AlarmNames": batch, "AlarmTypes": ["MetricAlarm"]}
            for alarm in self.aws.pages("cloudwatch", "describe_alarms", "MetricAlarms", **which):
                kept[alarm["AlarmName"]] = alarm
        self._asked_alarms |= fresh
        if names and not fresh.issuperset(names):
            red = self.aws.pages(
                "cloudwatch",
                "describe_alarms",
                "MetricAlarms",
                AlarmNamePrefix=f"{self.prefix}-",
                AlarmTypes=["MetricAlarm"],
                StateValue="ALARM",
                PaginationConfig={"PageSize": 100},
            )
            in_alarm = {alarm["AlarmName"] for alarm in red}
            for name in names:
                if name in kept and name not in fresh:
                    kept[name]["StateValue"] = "ALARM" if name in in_alarm else "OK"
        return {
            name: AlarmReading(
                name,
                kept[name]["StateValue"],
                None,
                kept[name].get("Threshold"),
                kept[name].get("ComparisonOperator", ""),
                int(kept[name].get("EvaluationPeriods", 1)),
                needed_requests(kept[name]),
                needed_of_each(kept[name]),
            )
            for name in names
            if name in kept
        }

    def _measure(self, deployments: Sequence[ServiceDeployment], alarms: Sequence[str], now: datetime) -> Readings:
        started = min((d.started for d in deployments if d.started), default=now - LOOK_BACK)
        since = max(started, now - LOOK_BACK).replace(second=0, microsecond=0)
        groups = {
            each.target_group: (load_balancer_of(d.rule), max(d.started or since, since))
            for d in deployments
            for each in (d.new, d.old)
            if each is not None and each.target_group and d.rule
        }
        # An alarm's queries stay together: its expression refers to them.
        parts = [traffic_queries(n, group, balancer) for n, (group, (balancer, _)) in enumerate(groups.items())]
        parts += [alarm_queries(n, self._kept_alarms[name]) for n, name in enumerate(alarms)]
        questions: list[Callable[[], list[dict[str, Any]]]] = []
        batch: list[dict[str, Any]] = []
        for part in [*parts, None]:
            if part is None or len(batch) + len(part) > QUERIES:
                if batch:
                    questions.append(partial(self._values, batch, since, now))
                batch = []
            batch = batch + (part or [])
        results = {result["Id"]: result for part in self.aws.each(lambda ask: ask(), questions) for result in part}
        return Readings(
            traffic={group: read_traffic(n, results, began) for n, (group, (_, began)) in enumerate(groups.items())},
            alarms={name: AlarmReading(name, "", read_latest(n, results)) for n, name in enumerate(alarms)},
        )

    @abstractmethod
    def _ecs_names(self) -> list[str]:
        """Names of all services in the cluster."""

    @abstractmethod
    def _described(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """At most ten services, as DescribeServices has them."""
