"""The settings that the constructs of web services, workers and jobs share, made of the configuration's models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
