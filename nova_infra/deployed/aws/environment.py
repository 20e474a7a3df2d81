"""An environment in AWS: its services, tasks, alarms, images, secrets and parameters, and its address."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any

from nova_infra.deployed.aws.answers import (
    own_container,
    read_alarm,
    read_running_task,
    read_service,
    read_stopped_task,
)
from nova_infra.deployed.aws.background import AwsBackground
from nova_infra.deployed.aws.client.errors import DeniedError, ServiceError
from nova_infra.deployed.aws.client.session import Aws, whoami
from nova_infra.deployed.aws.measurements import HUNDRED, batches
from nova_infra.deployed.aws.rollouts import AwsRollouts
from nova_infra.deployed.http import http_get
from nova_infra.deployed.model import (
    VCPU_QUOTA,
    Alarm,
    Answer,
    Image,
    ParameterVersion,
    PastDeployment,
    RunningService,
    RunningTask,
    StoppedTask,
    StoredSecret,
    TaskRevision,
)
from nova_infra.errors import RefusedError, StrangerError
from nova_infra.names import environment_prefix

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_ECR = re.compile(r"(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.[^/]+/(.+)")


class AwsEnvironment(AwsBackground, AwsRollouts):
    """One environment, through the AWS API. See :class:`nova_infra.deployed.protocol.DeployedEnvironment`."""

    def __init__(self, name: str, *, platform: str, aws: Aws, own_cluster: bool = True) -> None:
        """Name it.

        Args:
            own_cluster: Whether it is expected to have a cluster of its own. Otherwise its platform's stack is asked
                first which one it is in, as it is where there is no such cluster.
        """
        super().__init__(environment_prefix(platform, name), aws=aws)
        self.name = name
        self._cluster = self.prefix if own_cluster else ""

    def caller(self) -> str:
        return self._caller

    @cached_property
    def _caller(self) -> str:
        return os.environ.get("CODEBUILD_INITIATOR") or whoami()[1]

    def played(self) -> None:
        """Nothing is played: the environment is a real one."""

    def service_names(self) -> tuple[str, ...]:
        """The names of the services, as ``nova.toml`` has them."""
        return tuple(name.removeprefix(f"{self.prefix}-") for name in self._names())

    def environments(self) -> tuple[str, ...]:
        installation = self.prefix.removesuffix(self.name)
        try:
            found = [
                str(stack["StackName"])
                for stack in self.aws.pages("cloudformation", "list_stacks", "StackSummaries")
                if stack["StackStatus"] != "DELETE_COMPLETE"
            ]
        except DeniedError:  # the environment's roles are those of its last deployment, and may be older
            return (self.name,)
        platforms = (re.fullmatch(rf"{re.escape(installation)}(.+)-platform", name) for name in sorted(found))
        return tuple(dict.fromkeys(match[1] for match in platforms if match))

    def services(self) -> tuple[RunningService, ...]:
        names = self._names_now()
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html: ten at a time
        whose: list[dict[str, str]] = [{}] if self._has_own_cluster else [{"serviceName": name} for name in names]
        questions: list[Callable[[], list[dict[str, Any]]]] = [
            *(partial(self._tasks, desiredStatus="RUNNING", **which) for which in whose),
            *(partial(self._described, batch) for batch in batches(names, 10)),
        ]
        answers = list(self.aws.each(lambda ask: ask(), questions))
        tasks = [task for batch in answers[: len(whose)] for task in batch]
        described = [service for batch in answers[len(whose) :] for service in batch]
        running: dict[str, list[RunningTask]] = defaultdict(list)
        for task in tasks:
            running[task["group"].removeprefix("service:")].append(read_running_task(task))
        return tuple(
            read_service(
                service, service["serviceName"].removeprefix(f"{self.prefix}-"), running[service["serviceName"]]
            )
            for service in sorted(described, key=lambda s: str(s["serviceName"]))
        )

    def _ecs_names(self) -> list[str]:
        try:
            arns = list(self.aws.pages("ecs", "list_services", "serviceArns", cluster=self.cluster, **HUNDRED))
        except ServiceError as error:
            if error.code != "ClusterNotFoundException":
                raise
            if self._is_in_another_cluster():
                return self._ecs_names()
            raise self._not_deployed() from None
        names = sorted(arn.rpartition("/")[2] for arn in arns)
        # In a cluster that is not the environment's own, others have services, too.
        return names if self._has_own_cluster else [name for name in names if name.startswith(f"{self.prefix}-")]

    def _described(self, names: Sequence[str]) -> list[dict[str, Any]]:
        found = self.aws.call("ecs", "describe_services", cluster=self.cluster, services=names)["services"]
        return [service for service in found if service["status"] != "INACTIVE"]

    def _tasks(self, **which: str) -> list[dict[str, Any]]:
        arns = list(self.aws.pages("ecs", "list_tasks", "taskArns", cluster=self.cluster, **which))
        return [
            task
            for batch in batches(arns, 100)
            for task in self.aws.call("ecs", "describe_tasks", cluster=self.cluster, tasks=batch)["tasks"]
        ]

    def stopped_tasks(self, service: str) -> tuple[StoppedTask, ...]:
        tasks = self._tasks(serviceName=self.stack_name(service), desiredStatus="STOPPED")
        return tuple(sorted(map(read_stopped_task, tasks), key=lambda task: task.at or _EARLIEST, reverse=True))

    def log_lines(self, service: str, stream: str, count: int) -> tuple[str, ...]:
        for group in self.log_groups(service):
            try:
                found = self.aws.call(
                    "logs",
                    "get_log_events",
                    logGroupName=group,
                    logStreamName=stream,
                    limit=count,
                    startFromHead=False,
                )
            except ServiceError as error:
                if error.code != "ResourceNotFoundException":
                    raise
                continue
            return tuple(event["message"] for event in found["events"])
        return ()

    def past_deployments(self, service: str) -> tuple[PastDeployment, ...]:
        listed = self.aws.call(
            "ecs", "list_service_deployments", cluster=self.cluster, service=self.stack_name(service), maxResults=20
        )["serviceDeployments"]
        arns = [deployment["serviceDeploymentArn"] for deployment in listed]
        if not arns:
            return ()
        described = self.aws.call("ecs", "describe_service_deployments", serviceDeploymentArns=arns)
        found = [
            PastDeployment(
                status=deployment["status"],
                reason=deployment.get("statusReason", ""),
                alarms=tuple(deployment.get("alarms", {}).get("triggeredAlarmNames", ())),
                started_at=deployment.get("startedAt") or deployment.get("createdAt"),
            )
            for deployment in described["serviceDeployments"]
        ]
        return tuple(sorted(found, key=lambda deployment: deployment.started_at or _EARLIEST, reverse=True))

    def task_definition(self, revision: str) -> TaskRevision:
        found = self.aws.call("ecs", "describe_task_definition", taskDefinition=revision)["taskDefinition"]
        image = str(own_container(found.get("containerDefinitions", ())).get("image", ""))
        return TaskRevision(revision, found.get("status", "ACTIVE") == "ACTIVE", image)

    def alarms(self) -> tuple[Alarm, ...]:
        alarms = [
            *(read_alarm(a, composite=False) for a in self._metric_alarms.ask()),
            *(read_alarm(a, composite=True) for a in self._all_alarms("Composite")),
        ]
        return tuple(sorted(alarms, key=lambda alarm: alarm.name))

    def images(self, wanted: Sequence[Image]) -> tuple[Image | None, ...]:
        by_repository: dict[str, list[Image]] = defaultdict(list)
        for image in wanted:
            by_repository[image.repository].append(image)
        found: dict[Image, Image] = {}
        for part in self.aws.each(self._images_of, by_repository.items()):
            found |= part
        return tuple(found.get(image) for image in wanted)

    def _images_of(self, question: tuple[str, list[Image]]) -> dict[Image, Image]:
        repository, wanted = question
        account, region, name = _registry(repository)
        ids = [{"imageDigest": i.digest} if i.digest else {"imageTag": i.tag} for i in dict.fromkeys(wanted)]
        digests: dict[str, str] = {}
        try:
            for batch in batches(ids, 100):
                answer = self.aws.call(
                    "ecr",
                    "batch_get_image",
                    region=region,
                    registryId=account,
                    repositoryName=name,
                    imageIds=batch,
                )
                for image in answer.get("images", ()):
                    digest = image["imageId"]["imageDigest"]
                    digests[digest] = digest
                    digests[image["imageId"].get("imageTag", digest)] = digest
        except ServiceError as error:
            if error.code != "RepositoryNotFoundException":
                raise
        return {
            image: Image(repository, image.tag, digests[image.digest or image.tag])
            for image in wanted
            if (image.digest or image.tag) in digests
        }

    def signatures(self, images: Sequence[Image]) -> tuple[tuple[str, ...], ...]:
        """The status of the registry's signing of images, by their digests: one call for each, side by side."""
        return tuple(self.aws.each(self._signature_of, images))

    def _signature_of(self, image: Image) -> tuple[str, ...]:
        account, region, name = _registry(image.repository)
        answer = self.aws.call(
            "ecr",
            "describe_image_signing_status",
            region=region,
            registryId=account,
            repositoryName=name,
            imageId={"imageDigest": image.digest},
        )
        return tuple(each["status"] for each in answer.get("signingStatuses", ()))

    def vcpu_quota(self) -> float | None:
        try:
            which = {"ServiceCode": "fargate", "QuotaCode": VCPU_QUOTA}
            return float(self.aws.call("service-quotas", "get_service_quota", **which)["Quota"]["Value"])
        except (ServiceError, RefusedError):
            return None

    def secrets(self, names: Sequence[str]) -> Mapping[str, StoredSecret | None]:
        return {name: secret for found in self.aws.each(self._secret, names) for name, secret in found.items()}

    def _secret(self, name: str) -> dict[str, StoredSecret | None]:
        region = name.split(":")[3] if name.startswith("arn:") else None
        try:
            answer = self.aws.call("secretsmanager", "describe_secret", region=region, SecretId=name)
        except DeniedError:  # another account's; or the environment's roles are those of an older deployment
            return {}
        except ServiceError as error:
            if error.code != "ResourceNotFoundException":
                raise
            return {name: None}
        versions: Mapping[str, list[str]] = answer.get("VersionIdsToStages", {})
        labels = frozenset(label for each in versions.values() for label in each)
        return {name: StoredSecret("DeletedDate" in answer, labels, frozenset(versions))}

    def have_parameters(self, names: Sequence[str]) -> Mapping[str, bool]:
        there: set[str] = set()
        try:
            for batch in batches(names, 50):
                which = [{"Key": "Name", "Values": batch}]
                found = self.aws.pages("ssm", "describe_parameters", "Parameters", ParameterFilters=which)
                there |= {each["Name"] for each in found}
        except DeniedError:  # the environment's roles are those of its last deployment, and may be older
            return {}
        return {name: name in there for name in names}

    def history(self, parameter: str) -> tuple[ParameterVersion, ...]:
        try:
            versions = list(self.aws.pages("ssm", "get_parameter_history", "Parameters", Name=parameter))
        except ServiceError as error:
            if error.code == "ParameterNotFound":
                return ()
            raise
        return tuple(
            ParameterVersion(version["Version"], version["Value"], version.get("LastModifiedDate"))
            for version in sorted(versions, key=lambda v: int(v["Version"]))
        )

    def parameters(self, path: str) -> Mapping[str, str]:
        found = self.aws.pages("ssm", "get_parameters_by_path", "Parameters", Path=path, Recursive=True)
        return {parameter["Name"]: parameter["Value"] for parameter in found}

    def put_parameter(self, name: str, value: str) -> int:
        def versions() -> list[int]:
            return [version.version for version in self.history(name) if version.value == value]

        answer = self.aws.write(
            "ssm",
            "put_parameter",
            done=lambda: bool(versions()),
            Name=name,
            Value=value,
            Type="String",
            Overwrite=True,
            Tier="Intelligent-Tiering",
        )
        return int(answer["Version"]) if answer is not None else versions()[0]

    def now(self) -> datetime:
        """The time by AWS's clock, UTC."""
        return self.aws.now()

    @cached_property
    def url(self) -> str:
        """The environment's public address, without a slash at the end."""
        name = self.stack_name("platform")
        stack = self._stack(name)
        if stack is None or not (url := stack.outputs.get("Url")):
            raise RefusedError(f"environment: {self.name!r} has no address: {name} has no output Url: deploy it first")
        return url

    def get(self, path: str) -> Answer:
        return http_get(f"{self.url}{path}")


def _registry(repository: str) -> tuple[str, str, str]:
    """Account, region and name of an ECR repository."""
    match = _ECR.fullmatch(repository)
    if match is None:
        raise StrangerError(f"{repository}: is not an ECR repository, where Nova keeps its images")
    account, region, name = match.groups()
    return account, region, name
