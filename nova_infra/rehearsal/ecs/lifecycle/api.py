"""The part of ECS's API that a template's Lambda functions call, answered from the rehearsal."""

from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

from nova_infra.names import CONTAINER
from nova_infra.rehearsal.ecs.service import PlayedService
from nova_infra.rehearsal.ecs.state import DeploymentState


class EcsApi:
    """The calls of ECS's API that a rehearsal answers, for the services of one environment."""

    def __init__(self, services: Callable[[], Iterable[PlayedService]]) -> None:
        """Answer for some services."""
        self._services = services

    def describe_services(self, *, cluster: str, services: Sequence[str]) -> dict[str, Any]:
        """DescribeServices."""
        found = [each for each in self._services() if each.name in services and each.cluster == cluster]
        return {"services": [_service(each) for each in found]}

    def describe_service_deployments(self, *, serviceDeploymentArns: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        """DescribeServiceDeployments."""
        return {
            "serviceDeployments": [
                {
                    **_summary(service, state),
                    "lifecycleStage": state.stage,
                    "lifecycleHookDetails": list(state.hooks.values()),
                    "targetServiceRevision": {"requestedProductionTrafficWeight": state.percent},
                    "deploymentConfiguration": {"strategy": state.strategy},
                    "sourceServiceRevisions": [{"arn": service.arn("service-revision")}] if service.revision else [],
                }
                for service in self._services()
                for state in service.deployments
                if _deployment_arn(service, state) in serviceDeploymentArns
            ]
        }

    def under_way(self) -> list[dict[str, Any]]:
        """The deployments that are under way, as DescribeServiceDeployments has them."""
        arns = [
            _deployment_arn(service, state)
            for service in self._services()
            for state in service.deployments[-1:]
            if state.finished is None
        ]
        found: list[dict[str, Any]] = self.describe_service_deployments(serviceDeploymentArns=arns)[
            "serviceDeployments"
        ]
        return found

    def describe_service_revisions(self, *, serviceRevisionArns: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        """DescribeServiceRevisions."""
        return {
            "serviceRevisions": [
                {
                    "serviceRevisionArn": service.arn("service-revision"),
                    "containerImages": [{"containerName": CONTAINER, "image": service.revision.definition.image}],
                }
                for service in self._services()
                if service.revision is not None and service.arn("service-revision") in serviceRevisionArns
            ]
        }

    def list_service_deployments(
        self,
        *,
        cluster: str,
        service: str,
        status: Sequence[str],
        maxResults: int,  # noqa: N803
    ) -> dict[str, Any]:
        """ListServiceDeployments, newest first."""
        found = [
            _summary(each, state)
            for each in self._services()
            if (each.cluster, each.name) == (cluster, service)
            for state in reversed(each.deployments)
            if state.status in status
        ]
        return {"serviceDeployments": found[:maxResults]}


def sdk(api: EcsApi) -> ModuleType:
    """What ``import boto3`` gives a template's function here: a client of ECS only."""

    def client(name: str, **_: Any) -> EcsApi:
        if name != "ecs":
            raise NotImplementedError(f"the rehearsal does not answer for {name}")
        return api

    module = ModuleType("boto3")
    module.client = client  # type: ignore[attr-defined]
    return module


def _deployment_arn(service: PlayedService, state: DeploymentState) -> str:
    return f"{service.arn('service-deployment')}/{state.number}"


def _service(service: PlayedService) -> dict[str, Any]:
    latest = service.deployments[-1] if service.deployments else None
    under_way = latest if latest is not None and latest.finished is None else None
    return {
        "serviceArn": service.arn("service"),
        "serviceName": service.name,
        "status": "ACTIVE",
        "desiredCount": service.desired,
        **({"currentServiceDeployment": _deployment_arn(service, under_way)} if under_way else {}),
        "currentServiceRevisions": [{"arn": service.arn("service-revision")}] if service.revision else [],
    }


def _summary(service: PlayedService, state: DeploymentState) -> dict[str, Any]:
    return {
        "serviceDeploymentArn": _deployment_arn(service, state),
        "serviceArn": service.arn("service"),
        "status": state.status,
        "createdAt": state.created,
        **({"finishedAt": state.finished} if state.finished else {}),
    }
