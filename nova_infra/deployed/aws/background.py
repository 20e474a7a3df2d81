"""Workers' queues (SQS) and runs of jobs (Step Functions) of an environment in AWS."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nova_infra.deployed.aws.answers import own_container, read_stopped_task
from nova_infra.deployed.aws.client.errors import DeniedError, ServiceError
from nova_infra.deployed.aws.client.session import Aws
from nova_infra.deployed.aws.stacks import AwsStacks
from nova_infra.deployed.background import Backlog, JobRun, RunningJob
from nova_infra.deployed.model import RunningService, StoppedTask
from nova_infra.names import schedule_name

_RUNS = 5


class AwsBackground(AwsStacks):
    """See :class:`nova_infra.deployed.protocol.ObservedEnvironment`."""

    def __init__(self, prefix: str, *, aws: Aws) -> None:
        super().__init__(prefix, aws=aws)
        self._kept_variables: dict[str, Mapping[str, str]] = {}

    def jobs(self) -> tuple[RunningJob, ...]:
        try:
            machines = [
                machine
                for machine in self.aws.pages("stepfunctions", "list_state_machines", "stateMachines")
                if machine["name"].startswith(f"{self.prefix}-")
            ]
        except DeniedError:  # the environment's roles are those of its last deployment, and may be older
            return ()
        found = self.aws.each(self._job, machines)
        return tuple(sorted(found, key=lambda job: job.name))

    def _job(self, machine: Mapping[str, Any]) -> RunningJob:
        listed = self.aws.call(
            "stepfunctions", "list_executions", stateMachineArn=machine["stateMachineArn"], maxResults=_RUNS
        )["executions"]
        name = str(machine["name"])
        runs = tuple(
            JobRun(run["status"], run["startDate"], run.get("stopDate"), run.get("executionArn", "")) for run in listed
        )
        try:
            scheduled = schedule_name(name)
            schedule = self.aws.call("scheduler", "get_schedule", Name=scheduled, GroupName=scheduled)
        except ServiceError as error:
            if error.code != "ResourceNotFoundException":
                raise
            return RunningJob(name.removeprefix(f"{self.prefix}-"), name, runs)
        return RunningJob(
            name.removeprefix(f"{self.prefix}-"),
            name,
            runs,
            schedule["ScheduleExpression"],
            schedule.get("ScheduleExpressionTimezone", "UTC"),
            schedule.get("State", "ENABLED") == "ENABLED",
        )

    def failed_task(self, run: JobRun) -> StoppedTask:
        """See the protocol. Step Functions keeps DescribeTasks' answer as the cause, its keys in capitals.

        https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html
        """
        cause = str(self.aws.call("stepfunctions", "describe_execution", executionArn=run.arn).get("cause", ""))
        try:
            task = _lower(json.loads(cause))
            return replace(read_stopped_task(task | {"stoppedAt": None}), at=run.ended)
        except (ValueError, KeyError, TypeError):  # it is no task: none was started, or the machine's own words
            return StoppedTask("", run.ended, cause, None, "")

    def backlogs(self, services: Sequence[RunningService]) -> Mapping[str, Backlog]:
        return self.queues({service.name: service.revision for service in services if not service.balanced})

    def queues(self, revisions: Mapping[str, str]) -> Mapping[str, Backlog]:
        self.aws.each(self._variables, dict.fromkeys(revisions.values()))  # services of one revision ask once
        found = self.aws.each(self._backlog, list(revisions.items()))
        return {name: backlog for name, backlog in found if backlog is not None}

    def _variables(self, revision: str) -> Mapping[str, str]:
        """The variables of a revision's container. They never change, so they are asked for once."""
        if revision not in self._kept_variables:
            found = self.aws.call("ecs", "describe_task_definition", taskDefinition=revision)["taskDefinition"]
            container = own_container(found.get("containerDefinitions", ()))
            self._kept_variables[revision] = {each["name"]: each["value"] for each in container.get("environment", ())}
        return self._kept_variables[revision]

    def _backlog(self, which: tuple[str, str]) -> tuple[str, Backlog | None]:
        name, revision = which
        variables = self._variables(revision)
        url = variables.get("QUEUE_URL")
        counts = self._counts(url) if url else None
        if url is None or counts is None:
            return name, None
        dead = self._counts(variables.get("DEAD_QUEUE_URL", ""))
        return name, Backlog(url.rpartition("/")[2], counts[0], counts[1], dead[0] if dead else None)

    def _counts(self, url: str) -> tuple[int, int] | None:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        try:
            found = self.aws.call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=names)["Attributes"]
        except (ServiceError, DeniedError):
            return None  # it may be somebody else's, in another account
        return int(found[names[0]]), int(found[names[1]])


def _lower(told: Any) -> Any:
    """What Step Functions tells, with the keys that ECS's own answers have."""
    match told:
        case dict():
            return {key[:1].lower() + key[1:]: _lower(value) for key, value in told.items()}
        case list():
            return [_lower(each) for each in told]
    return told
