"""Calls of ``nova logs``, ``run``, ``exec`` and ``scale``: logs, RunTask, ExecuteCommand, scalable targets."""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from nova_infra.deployed.aws.answers import own_container, read_revision
from nova_infra.deployed.aws.client.errors import DeniedError, ServiceError
from nova_infra.deployed.aws.client.session import pause
from nova_infra.deployed.aws.stacks import AwsStacks
from nova_infra.deployed.task import Capacity, LogEvent, OneOff, TaskDetail
from nova_infra.errors import AwsError, NotDeployedError, NovaError, PassingError, RefusedError
from nova_infra.names import CLUSTER_OUTPUT, cluster_name, task_log_groups

_SECONDS_BETWEEN_LOOKS = 2.0
_COUNT = "ecs:service:DesiredCount"
_END = "nova-scale-end"
"""Name of the scheduled action that ends a scaling for an incident."""


class AwsTasks(AwsStacks):
    """The part of :class:`nova_infra.deployed.aws.environment.AwsEnvironment` that an operator uses."""

    name: str
    _cluster: str
    """Name of the cluster; empty where that is not known yet."""

    @property
    def cluster(self) -> str:
        """Name of the ECS cluster that the services are in, as they were last deployed: nova.toml may be newer."""
        if not self._cluster:
            self._cluster = self._deployed_cluster()
        return self._cluster

    @property
    def _has_own_cluster(self) -> bool:
        return self.cluster == self.prefix

    def _is_in_another_cluster(self) -> bool:
        """Whether the services are in another cluster than the expected one, which does not exist; they are from then.

        It is one that exists besides the environment, where nova.toml no longer says so and is not deployed yet.
        """
        before, self._cluster = self._cluster, self._deployed_cluster()
        return self._cluster != before

    def _deployed_cluster(self) -> str:
        try:
            stack = self._stack(self.stack_name("platform"))
        except DeniedError:  # the environment's roles are those of its last deployment, and may be older
            stack = None
        return cluster_name(self.prefix, stack.outputs.get(CLUSTER_OUTPUT) if stack is not None else None)

    def log_events(
        self, service: str, *, since: datetime, pattern: str = "", streams: Sequence[str] = ()
    ) -> Iterator[LogEvent]:
        """The lines of all tasks of a service, as CloudWatch finds them, page after page.

        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html

        Args:
            pattern: CloudWatch's filter pattern; empty for all lines.
            streams: Names of at most 100 streams; none for all.
        """
        which: dict[str, Any] = {"startTime": int(since.timestamp() * 1000)}
        if pattern:
            which["filterPattern"] = pattern
        if streams:
            which["logStreamNames"] = list(streams)
        groups = self.log_groups(service)
        if not groups:
            self._service(service)  # or there is no such service
            raise RefusedError(f"service: {service!r} has no log group: see `nova tasks`")
        for event in self.aws.pages("logs", "filter_log_events", "events", logGroupName=groups[0], **which):
            yield LogEvent(
                event["eventId"],
                datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
                event["logStreamName"].rpartition("/")[2],
                event["message"],
            )

    def log_groups(self, service: str) -> tuple[str, ...]:
        """Names of a service's log groups, the newest first: one for each time that its stack was created."""
        prefix = task_log_groups(self.stack_name(service))
        found = list(self.aws.pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix))
        found.sort(key=lambda group: int(group.get("creationTime", 0)), reverse=True)
        return tuple(str(group["logGroupName"]) for group in found)

    def tasks(self, service: str) -> tuple[TaskDetail, ...]:
        """The tasks of a service, the latest that ended included, the oldest first."""
        which = {"cluster": self.cluster, "serviceName": self.stack_name(service)}
        found: list[TaskDetail] = []
        for status in ("RUNNING", "STOPPED"):
            try:
                arns = list(self.aws.pages("ecs", "list_tasks", "taskArns", desiredStatus=status, **which))
            except ServiceError as error:
                if error.code not in ("ServiceNotFoundException", "ClusterNotFoundException"):
                    raise
                if error.code == "ClusterNotFoundException" and self._is_in_another_cluster():
                    return self.tasks(service)
                arns = []
            for start in range(0, len(arns), 100):
                batch = arns[start : start + 100]
                described = self.aws.call("ecs", "describe_tasks", cluster=self.cluster, tasks=batch)["tasks"]
                found += [_detail(task) for task in described]
        if not found:
            self._service(service)  # or there is no such service
        return tuple(sorted(found, key=lambda task: task.started or datetime.max.replace(tzinfo=UTC)))

    def start_task(self, service: str, command: Sequence[str]) -> OneOff:
        """Start one task with a service's task definition and network, and another command.

        Raises:
            RefusedError: There is no such service.
            AwsError: ECS did not start it.
        """
        described = self._service(service)
        definition = self.aws.call("ecs", "describe_task_definition", taskDefinition=described["taskDefinition"])
        container = own_container(definition["taskDefinition"]["containerDefinitions"])
        mine = f"nova-run-{secrets.token_hex(8)}"
        request: dict[str, Any] = {
            "cluster": self.cluster,
            "taskDefinition": described["taskDefinition"],
            "count": 1,
            "startedBy": mine,
            "clientToken": mine,
            "overrides": {"containerOverrides": [{"name": container["name"], "command": list(command)}]},
            "networkConfiguration": described.get("networkConfiguration", {}),
        }
        if strategy := described.get("capacityProviderStrategy"):
            request["capacityProviderStrategy"] = strategy
        else:
            request["launchType"] = described.get("launchType", "FARGATE")

        def started() -> list[str]:
            which = {"cluster": self.cluster, "startedBy": mine}
            return list(self.aws.pages("ecs", "list_tasks", "taskArns", **which))

        try:
            answer = self.aws.write("ecs", "run_task", done=lambda: bool(started()), **request)
        except BaseException:
            # It may run all the same: an interruption or a lost answer must leave no task that nobody waits for.
            with contextlib.suppress(NovaError):
                for arn in started():
                    self.stop_task(arn, "nova run was interrupted")
            raise
        if answer is not None and answer.get("failures"):
            raise AwsError(f"{service}: ECS started no task: {answer['failures'][0].get('reason', 'no reason given')}")
        return _one_off(answer["tasks"][0]["taskArn"] if answer is not None else started()[0], container)

    def wait_for_task(self, arn: str) -> Iterator[TaskDetail]:
        """A task each time that it is looked at, until it has ended."""
        while True:
            try:
                found = self.aws.call("ecs", "describe_tasks", cluster=self.cluster, tasks=[arn])["tasks"]
            except PassingError:
                found = []
            for task in found:
                yield _detail(task)
                if task.get("lastStatus") == "STOPPED":
                    return
            pause(_SECONDS_BETWEEN_LOOKS)

    def stop_task(self, arn: str, reason: str) -> None:
        """Stop a task."""

        def done() -> bool:
            found = self.aws.call("ecs", "describe_tasks", cluster=self.cluster, tasks=[arn])["tasks"]
            return all(task.get("desiredStatus") == "STOPPED" for task in found)

        self.aws.write("ecs", "stop_task", done=done, cluster=self.cluster, task=arn, reason=reason)

    def open_shell(self, service: str, task: str, command: str) -> dict[str, Any]:
        """Open a session in a task's container: what AWS's Session Manager plugin needs."""
        if not self._service(service).get("enableExecuteCommand"):
            raise RefusedError(
                f"exec: is off in {self.name}: set exec = true for it in nova.toml and deploy it; this makes "
                "its containers' root file systems writable"
            )
        [described] = self.aws.call("ecs", "describe_tasks", cluster=self.cluster, tasks=[task])["tasks"]
        container = own_container(described["containers"])
        which = {"cluster": self.cluster, "task": task, "container": container["name"]}
        opened = self.aws.call("ecs", "execute_command", command=command, interactive=True, **which)
        target = f"ecs:{self.cluster}_{task.rpartition('/')[2]}_{container.get('runtimeId', '')}"
        return {"session": opened["session"], "target": target, "region": self.aws.region}

    def capacity(self, service: str) -> Capacity:
        """How many tasks a service may have, and what ends a scaling for an incident."""
        target, ends = self._scaling(service)
        if target is None:
            self._service(service)  # or there is no such service
            raise RefusedError(f"service: {service!r} has no scaling in {self.name}: add scaling in nova.toml")
        usual = ends["ScalableTargetAction"] if ends else target
        return Capacity(
            target["MinCapacity"],
            target["MaxCapacity"],
            (usual["MinCapacity"], usual["MaxCapacity"]),
            ends is not None,
        )

    def _scaling(self, service: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """A service's scalable target, and the scheduled action that ends a scaling for an incident."""
        which = self._scalable(service)
        asked: dict[str, Any] = {"ServiceNamespace": "ecs", "ResourceIds": [which["ResourceId"]]}
        targets = self.aws.call("application-autoscaling", "describe_scalable_targets", **asked)["ScalableTargets"]
        actions = self.aws.call("application-autoscaling", "describe_scheduled_actions", **which)["ScheduledActions"]
        ends = (action for action in actions if action["ScheduledActionName"] == _END)
        return next(iter(targets), None), next(ends, None)

    def set_capacity(self, service: str, least: int, most: int) -> None:
        """Set a service's least and most tasks."""
        numbers = {"MinCapacity": least, "MaxCapacity": most}

        def done() -> bool:
            target, _ = self._scaling(service)
            return target is not None and numbers.items() <= target.items()

        self._scale("register_scalable_target", service, done, **numbers)

    def plan_end(self, service: str, usual: tuple[int, int], until: datetime) -> None:
        """Have AWS restore the usual numbers of tasks at a time, UTC, in place of others (API_PutScheduledAction)."""
        planned = {
            "ScheduledActionName": _END,
            "Schedule": f"at({until.astimezone(UTC):%Y-%m-%dT%H:%M:%S})",
            "ScalableTargetAction": {"MinCapacity": usual[0], "MaxCapacity": usual[1]},
        }

        def done() -> bool:
            _, ends = self._scaling(service)
            return ends is not None and planned.items() <= ends.items()

        self._scale("put_scheduled_action", service, done, **planned)

    def forget_end(self, service: str) -> None:
        """Remove what :meth:`plan_end` planned, if anything."""
        try:
            self._scale(
                "delete_scheduled_action", service, lambda: self._scaling(service)[1] is None, ScheduledActionName=_END
            )
        except ServiceError as error:
            if error.code != "ObjectNotFoundException":
                raise

    def _scale(self, operation: str, service: str, done: Callable[[], bool], **arguments: Any) -> None:
        self.aws.write("application-autoscaling", operation, done=done, **self._scalable(service), **arguments)

    def _scalable(self, service: str) -> dict[str, str]:
        resource = f"service/{self.cluster}/{self.stack_name(service)}"
        return {"ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": _COUNT}

    def _service(self, service: str) -> dict[str, Any]:
        which: dict[str, Any] = {"cluster": self.cluster, "services": [self.stack_name(service)]}
        try:
            found = self.aws.call("ecs", "describe_services", **which)["services"]
        except ServiceError as error:
            if error.code != "ClusterNotFoundException":
                raise
            if self._is_in_another_cluster():
                return self._service(service)
            raise self._not_deployed() from None
        active = [each for each in found if each.get("status") != "INACTIVE"]
        if not active:
            if (machine := self._machine(service)) is not None:
                raise RefusedError(
                    f"service: {service!r} is a job, which has tasks only while it runs: "
                    f"`nova logs {service} {self.name}` shows them, and `aws stepfunctions start-execution "
                    f"--region {self.aws.region} --state-machine-arn {machine}` starts one"
                )
            raise RefusedError(f"service: {service!r} does not run in {self.name}: see `nova status {self.name}`")
        return dict(active[0])

    def _machine(self, service: str) -> str | None:
        """ARN of the state machine of a job; None where there is none, or nobody may say."""
        with contextlib.suppress(NovaError):
            for machine in self.aws.pages("stepfunctions", "list_state_machines", "stateMachines"):
                if machine["name"] == self.stack_name(service):
                    return str(machine["stateMachineArn"])
        return None

    def _not_deployed(self) -> NotDeployedError:
        return NotDeployedError(
            f"environment: {self.name!r} is not deployed in this account and region "
            f"({self.aws.region}: no cluster {self.cluster}): check its name, the region and the credentials"
        )


def _detail(task: dict[str, Any]) -> TaskDetail:
    container = own_container(task.get("containers", ()))
    return TaskDetail(
        arn=task["taskArn"],
        revision=read_revision(task["taskDefinitionArn"]),
        status=task.get("lastStatus", ""),
        health=task.get("healthStatus", "UNKNOWN").lower(),
        zone=task.get("availabilityZone", ""),
        image=container.get("image", ""),
        digest=container.get("imageDigest"),
        started=task.get("startedAt") or task.get("createdAt"),
        stopped=task.get("stoppedAt"),
        reason=container.get("reason") or task.get("stoppedReason", ""),
        exit_code=container.get("exitCode"),
    )


def _one_off(arn: str, container: Mapping[str, Any]) -> OneOff:
    """A started task, and where its container logs to."""
    options = container.get("logConfiguration", {}).get("options", {})
    stream = f"{options.get('awslogs-stream-prefix', '')}/{container['name']}/{arn.rpartition('/')[2]}"
    return OneOff(arn, options.get("awslogs-group", ""), stream)
