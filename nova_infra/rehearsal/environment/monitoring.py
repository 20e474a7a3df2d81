"""Runs CloudWatch for one environment: measures each minute, evaluates alarms, notifies."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from nova_infra.deployed.aws.deployments import needed_of_each, needed_requests
from nova_infra.names import WEB_ALARMS, alarm_name
from nova_infra.operations.planner.model import named
from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.cloudwatch.alarms import PlayedAlarm, State, read_alarm
from nova_infra.rehearsal.cloudwatch.composite import CompositeAlarm, read_composite_alarm
from nova_infra.rehearsal.cloudwatch.metrics import Metric, MetricStore
from nova_infra.rehearsal.ecs.service import PlayedService
from nova_infra.rehearsal.ecs.service_definition import read_service
from nova_infra.rehearsal.load_balancer.network import TRANSPORT
from nova_infra.rehearsal.record import UNMEASURED, Notification

_ALARM = "AWS::CloudWatch::Alarm"
_COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
METRIC_DELAY = 1
"""Minutes from a minute's end until alarms see its data; until then ``FILL`` fills it. AWS gives no figure."""


class Monitoring:
    """The environment's metrics and alarms.

    Attributes:
        measured: Alarm name to what it is about, what it measured when it last went to ALARM, and its limit, in words.
    """

    def __init__(
        self,
        environment: str,
        notifications: list[Notification],
        gaps: list[str],
        tell: Callable[[str], None],
        unknown: dict[str, int] | None = None,
    ) -> None:
        """Start without alarms.

        Args:
            gaps: What cannot be measured here is added to these sentences.
            unknown: Minutes in which a service's processor time could not be measured are counted here, by its name.
        """
        self.store = MetricStore(delay=METRIC_DELAY)
        self.states: dict[str, State] = {}
        self.measured: dict[str, str] = {}
        self._environment = environment
        self._notifications = notifications
        self._gaps = gaps
        self._tell = tell
        self._unknown = unknown if unknown is not None else {}
        self._alarms: dict[str, PlayedAlarm] = {}
        self._composites: dict[str, CompositeAlarm] = {}
        self._means: dict[str, str] = {}
        self._needs: dict[str, int] = {}
        self._needs_of_each: dict[str, int] = {}
        self._ran_before: frozenset[str] = frozenset()

    def begin(self) -> None:
        """Give what is watched now a long and healthy past. An alarm may be red all the same."""
        self._ran_before = frozenset(self._alarms)
        for name, alarm in self._alarms.items():
            if alarm.state(self.store, -1, self.states[name], ran_before=True) == "ALARM":
                self.states[name] = "ALARM"
        known = self._with_composites({name: self.states[name] for name in self._alarms})
        self.states |= {name: "ALARM" for name in self._composites if known.get(name) == "ALARM"}

    def apply(self, stack: PlayedStack, *, services_run: bool = False) -> None:
        """Create or update a stack's alarms.

        Args:
            services_run: Whether these are the ones that CloudFormation makes after the services, because they depend
                on one. They see no minute in which its first tasks are still on their way.
        """
        services = set(stack.resources("AWS::ECS::Service"))
        watched = {name for each in services for name in read_service(stack, each).rollout.alarms}
        for kind, put in ((_ALARM, self.put_alarm), (_COMPOSITE, self.put_composite_alarm)):
            for logical_id in stack.resources(kind):
                properties, needs = stack.properties(logical_id), named(stack.template["Resources"][logical_id])
                waits = not services.isdisjoint(needs) and properties["AlarmName"] not in watched
                if waits == services_run:
                    put(properties)

    def put_alarm(self, properties: Mapping[str, Any]) -> None:
        """Create or update the alarm that a resource's resolved properties define, if it can be evaluated here."""
        self._alarms.pop(str(properties["AlarmName"]), None)
        try:
            self._put_alarm(read_alarm(properties), properties)
        except UnresolvableError:  # The verdict names it: see precheck.
            self.states.pop(str(properties["AlarmName"]), None)

    def _put_alarm(self, alarm: PlayedAlarm, properties: Mapping[str, Any]) -> None:
        self._alarms[alarm.name] = alarm
        self._means[alarm.name] = str(properties.get("AlarmDescription") or "")
        self._needs[alarm.name] = needed_requests(properties)
        self._needs_of_each[alarm.name] = needed_of_each(properties)
        self.states.setdefault(alarm.name, "INSUFFICIENT_DATA")

    def put_composite_alarm(self, properties: Mapping[str, Any]) -> None:
        """Create or update the composite alarm that a resource's resolved properties define, as above."""
        self._composites.pop(str(properties["AlarmName"]), None)
        try:
            composite = read_composite_alarm(properties)
        except UnresolvableError:
            self.states.pop(str(properties["AlarmName"]), None)
        else:
            self._composites[composite.name] = composite
            self.states.setdefault(composite.name, "INSUFFICIENT_DATA")

    def minutes_to_judge(self, names: Iterable[str]) -> int:
        """Minutes until all of some alarms judge only data from now on; 0 without alarms."""
        alarms = [self._alarms[each] for name in names for each in self._parts(name)]
        return max((each.period * each.evaluation_periods + METRIC_DELAY for each in alarms), default=0)

    def needs(self, names: Iterable[str]) -> dict[str, int]:
        """Those of some alarms that judge by requests, to how many requests a minute each needs."""
        found = {part: self._needs[part] for name in names for part in self._parts(name)}
        return {name: needed for name, needed in found.items() if needed}

    def needs_of_each(self, names: Iterable[str]) -> dict[str, int]:
        """Those of some alarms that ignore a revision with few requests, to how many requests a minute it needs."""
        found = {part: self._needs_of_each[part] for name in names for part in self._parts(name)}
        return {name: needed for name, needed in found.items() if needed}

    def unlisted(self, service: str, watched: Collection[str]) -> list[str]:
        """An ECS service's alarms that would roll it back if ECS watched them."""
        return [name for kind in WEB_ALARMS if (name := alarm_name(service, kind)) in self._alarms.keys() - watched]

    def _parts(self, name: str) -> tuple[str, ...]:
        """The metric alarms that an alarm consists of."""
        waiting, seen = [name], set[str]()
        while waiting:
            if (part := waiting.pop(0)) not in seen:
                seen.add(part)
                waiting += self._composites[part].alarms if part in self._composites else ()
        return tuple(sorted(seen & self._alarms.keys()))

    def end_minute(self, services: Iterable[PlayedService]) -> None:
        """Measure the services, evaluate the alarms, and notify subscribers."""
        for service in services:
            self._measure(service)
        if self.store.minute >= METRIC_DELAY:  # Before that nothing has arrived yet of what has run for long.
            self._evaluate()
        self.store.minute += 1

    def _evaluate(self) -> None:
        states: dict[str, State] = {
            name: alarm.state(self.store, self.store.minute, self.states[name], ran_before=name in self._ran_before)
            for name, alarm in self._alarms.items()
        }
        states = self._with_composites(states)
        before = dict(self.states)
        for name in self._composites.keys() - states.keys():
            self.states.pop(name, None)
        self.states.update(states)
        for name, state in states.items():
            if state == "ALARM" and before.get(name) != "ALARM":
                self._note_measure(name)
                self._notify(self._alarm(name).alarm_topics, f"{name} is in ALARM")
            elif state == "OK" and before.get(name) == "ALARM":
                self._notify(self._alarm(name).ok_topics, f"{name} is OK again")

    def _with_composites(self, states: dict[str, State]) -> dict[str, State]:
        """States of metric alarms and of the composites whose state follows from them."""
        for _ in self._composites:  # one may be over another, in any order
            found = {name: composite.state(states) for name, composite in self._composites.items()}
            states = {**states, **{name: state for name, state in found.items() if state is not None}}
        return states

    def _note_measure(self, name: str) -> None:
        alarm = self._alarms.get(name)
        if alarm is not None and (value := alarm.breaching_value(self.store, self.store.minute)) is not None:
            measured = f"it measured {value:.4g}, and the limit is {alarm.threshold:g}"
            self.measured[name] = "; ".join(filter(None, [self._means[name], measured]))

    def _alarm(self, name: str) -> PlayedAlarm | CompositeAlarm:
        return self._alarms.get(name) or self._composites[name]

    def _notify(self, topics: Iterable[str], message: str) -> None:
        for topic in topics:
            self._notifications.append(Notification(self._environment, self.store.minute, topic, message))
            self._tell(f"{topic}: {message}")

    def _measure(self, service: PlayedService) -> None:
        dimensions = {"ClusterName": service.cluster, "ServiceName": service.name}
        running = [entry.task for entry in service.tasks if entry.task.running]
        for entry in service.tasks:
            # Also of a task that was killed in this minute: what it held is what it was killed for.
            usage = entry.task.measure()
            if usage is None:
                if UNMEASURED not in self._gaps:
                    self._gaps.append(UNMEASURED)
                continue
            if entry.task.running and (percent := entry.processor(usage)) is not None:
                self._record("AWS/ECS", "CPUUtilization", dimensions, percent)
            elif entry.task.running:
                self._unknown[service.name] = self._unknown.get(service.name, 0) + 1
            if usage.memory:
                definition = entry.task.definition
                share = 100 * usage.memory / (definition.task_memory or definition.memory)
                self._record("AWS/ECS", "MemoryUtilization", dimensions, min(share, 100.0))
        self._record("ECS/ContainerInsights", "RunningTaskCount", dimensions, len(running))
        self._record("ECS/ContainerInsights", "DesiredTaskCount", dimensions, service.desired)
        for balancer, group in service.places:
            healthy = sum(target.healthy is True for target in group.targets)
            unhealthy = sum(target.healthy is False for target in group.targets)
            place = {"LoadBalancer": balancer.full_name, "TargetGroup": group.name}
            kind = "AWS/NetworkELB" if balancer.protocol in TRANSPORT else "AWS/ApplicationELB"
            self._record(kind, "HealthyHostCount", place, healthy)
            self._record(kind, "UnHealthyHostCount", place, unhealthy)

    def _record(self, namespace: str, name: str, dimensions: Mapping[str, str], value: float) -> None:
        self.store.record(Metric.of(namespace, name, dimensions), value)
