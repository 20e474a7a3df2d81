"""The settings that web services, workers and jobs share, made of the models in ``config/services``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from nova_infra.config import Rollout, Runtime, Service


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """How a service runs. ``Service`` and ``Runtime`` have a default for each of their fields.

    Attributes:
        service: Its paths, size, port, variables, scaling targets and alarm thresholds.
        runtime: Rollout, number of tasks, log retention, ECS Exec. Default: a canary of 10 %, the other defaults.
        name: Physical name of the ECS service, and prefix of its alarms' names. Default: the stack's name and the
            service's.
        cluster_name: Physical name of the cluster, where a reference to it would tie two stacks together. Default: the
            cluster's own.
        test: The lifecycle hook, as CloudFormation takes it, that tests a new revision before any user reaches it.
            Default: none.
        together: The lifecycle hook, as CloudFormation takes it, that waits for the other services of a release before
            each step. Default: none.
    """

    service: Service
    runtime: Runtime = field(default_factory=lambda: Runtime(rollout=Rollout(strategy="canary")))
    name: str | None = None
    cluster_name: str | None = None
    test: Mapping[str, Any] | None = None
    together: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        _check("ServiceSettings", "service", self.service, Service)
        _check("ServiceSettings", "runtime", self.runtime, Runtime)

    def names(self, construct: Construct, cluster: ecs.ICluster) -> tuple[str, str]:
        """The physical names of the construct's service and of its cluster."""
        name = self.name or f"{cdk.Stack.of(construct).stack_name}-{self.service.name}"
        return name, self.cluster_name or cluster.cluster_name


def check_settings(construct: Construct, settings: object, kind: str) -> None:
    """Refuse settings of the wrong type, such as a dictionary, or for a service of another kind."""
    _check(construct, "settings", settings, ServiceSettings)
    assert isinstance(settings, ServiceSettings)
    if settings.service.kind != kind:
        raise ValueError(
            f"{construct.node.path}: settings are for a service of kind {settings.service.kind}: "
            f'pass ServiceSettings(service=Service(…, kind="{kind}"))'
        )


def _check(where: str | Construct, parameter: str, value: object, wanted: type) -> None:
    if not isinstance(value, wanted):
        place = where if isinstance(where, str) else where.node.path
        raise TypeError(f"{place}: {parameter} is of type {type(value).__name__}: pass {wanted.__name__}(…)")
