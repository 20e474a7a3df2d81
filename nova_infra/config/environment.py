"""``[[environments]]``: where releases go, and how carefully."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from nova_infra.config import schedule
from nova_infra.config.delivery import Notifications
from nova_infra.config.fields import Account, Cidr, Model, Name, Region, matching, refusal

MIN_BAKE_MINUTES = 5
"""What the slowest deployment alarms need to fire: three minutes, the rest of the one in which the bake begins, and one
until the data is there. Three are what CPU takes, and unanswered requests: two, after one in which they wait."""


class Rollout(Model):
    """How a new revision takes over from the old one. The strategies are ECS's own."""

    strategy: Literal["rolling", "canary", "linear", "blue-green"] = "rolling"
    """Default: rolling."""
    percent: Annotated[float, Field(ge=0.1, le=100)] = 10
    """Share of traffic, in percent: the canary's, or one step of a linear rollout. Rolling and blue-green ignore it.
    Default: 10."""
    step_bake_minutes: Annotated[int, Field(ge=MIN_BAKE_MINUTES, le=1440)] = 5
    """How long the canary, or each linear step, bakes before traffic moves on. Default: 5."""
    bake_minutes: Annotated[int, Field(ge=MIN_BAKE_MINUTES, le=1440)] = 5
    """How long both revisions stay up after the last shift, with the alarms still watching. Default: 5."""

    @field_validator("percent")
    @classmethod
    def _a_step_of_its_strategy(cls, percent: float, info: ValidationInfo) -> float:
        strategy = info.data.get("strategy")
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CanaryConfiguration.html
        if Decimal(str(percent)) % Decimal("0.1"):
            raise refusal("is finer than ECS shifts traffic", "write at most one decimal")
        if strategy in ("canary", "linear") and percent == 100:
            raise refusal("moves all traffic at once", 'lower it, or write strategy = "blue-green"')
        if strategy == "linear" and percent < 3:
            raise refusal("is a smaller step than ECS accepts", "write 3 or more")
        return percent

    def minutes(self) -> float:
        """Bake times in sum: the least that a deployment takes."""
        steps = {"canary": 1, "linear": -(-100 // self.percent) - 1}.get(self.strategy, 0)
        return steps * self.step_bake_minutes + self.bake_minutes


class Scaling(Model):
    """How many tasks each service runs."""

    min_tasks: Annotated[int, Field(ge=1, le=1000)] = 1
    """Default: 1."""
    max_tasks: Annotated[int, Field(ge=1, le=1000)] = 4
    """Default: 4. A deployment runs up to twice as many for its duration."""

    @field_validator("max_tasks")
    @classmethod
    def _not_below_min(cls, max_tasks: int, info: ValidationInfo) -> int:
        if max_tasks < info.data.get("min_tasks", 0):
            raise refusal("is below min_tasks", "raise it, or lower min_tasks")
        return max_tasks


InterfaceEndpoint = Literal["ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssmmessages", "monitoring", "sts"]


class Network(Model):
    """The environment's VPC. S3 is always reached through a gateway endpoint."""

    cidr: Cidr = "10.0.0.0/16"
    """No two environments may overlap. Default: 10.0.0.0/16."""
    zones: Annotated[tuple[Literal["a", "b", "c", "d", "e", "f"], ...], Field(min_length=2, max_length=3)] = ("a", "b")
    """Letters of two or three availability zones. They are named, not looked up, so that synthesis takes no credentials
    and a zone that AWS adds moves no subnet. Tokyo, for one, has a, c and d. A third may be added later, at the end.
    Default: a, b."""
    nat_gateways: Annotated[int, Field(ge=0, le=3)] = 1
    """Fewer than zones saves money and shares their fate. With 0, tasks reach only this VPC and its endpoints: they
    cannot call each other through the public load balancer. Default: 1."""
    interface_endpoints: tuple[InterfaceEndpoint, ...] = ()
    """AWS services that are reached privately. Default: none; without NAT, what starting a task needs is required."""

    @field_validator("nat_gateways")
    @classmethod
    def _one_per_zone(cls, nat_gateways: int, info: ValidationInfo) -> int:
        if nat_gateways > len(info.data.get("zones", "abc")):
            raise refusal("is more than one for each zone", "lower it, or add a zone")
        return nat_gateways


class Domain(Model):
    """The name that an environment is reached by. Its certificate and DNS record are made in the hosted zone."""

    name: Annotated[
        str,
        *matching(
            r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}",
            "is not a domain name",
            "write it in lower case and without a scheme, as in staging.example.com",
        ),
        Field(max_length=64),
    ]
    """At most 64 characters, which is what a certificate's first name may have."""
    zone_id: Annotated[
        str, *matching(r"Z[A-Z0-9]{5,31}", "is not a Route 53 hosted zone", "write its id, as in Z0123456789ABCDEFGHIJ")
    ]
    """Id of the public hosted zone, in the environment's account."""


class Window(Model):
    """When a stage may be entered; outside of it the pipeline stops before the stage and can be retried."""

    cron: Annotated[str, AfterValidator(schedule.window)]
    """The minutes in which deployments may start."""
    time_zone: Annotated[str, AfterValidator(schedule.time_zone)] = "UTC"
    """Default: UTC."""


class Runtime(Model):
    """How every service of an environment runs."""

    exec: bool = False
    """Whether ECS Exec can open a shell in a container, whose root file system is writable then. Default: false."""
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365] = 30
    """How long logs of the services, the load balancer and the network are kept. Default: 30."""
    rollout: Rollout = Rollout()
    scaling: Scaling = Scaling()


class Environment(Runtime):
    """One environment; their order in the file is the promotion order."""

    name: Annotated[Name, Field(max_length=16)]
    account: Account
    region: Region
    shared_account: Annotated[str, Field(min_length=10, max_length=200)] | None = None
    """Why an environment behind an approval may share its account with an earlier one, or with the toolchain, although
    whoever can deploy there can deploy here. Default: it may not."""
    tests: Literal["integration", "e2e"] | None = None
    """The suite that must pass after a deployment, before the next environment is touched."""
    approval: bool = False
    """Whether a person has to approve before this environment is deployed. What needs approval is also protected from
    deletion. Default: false."""
    on_failure: Literal["stop", "retry", "rollback"] = "stop"
    """What the pipeline does when a deployment or test of this environment fails: stop there, retry the failed actions
    once, or deploy the last good execution again. A failed stack restores itself in every case. Default: stop."""
    window: Window | None = None
    """Default: deployments may start at any time."""
    domain: Domain | None = None
    """Needed, unless ``allow_plain_http``."""
    allow_plain_http: bool = False
    """Whether the environment may be reached without TLS. Only for one without a domain. Default: false."""
    waf: bool = False
    """Whether AWS's managed firewall rules filter the requests. Default: false."""
    network: Network = Network()
    notifications: Notifications = Notifications()
    """Who is told about alarms."""
    operators: tuple[
        Annotated[
            str,
            *matching(
                r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]{1,512}",
                "is not the ARN of a role",
                "write one such as arn:aws:iam::111122223333:role/on-call",
            ),
        ],
        ...,
    ] = ()
    """Roles of the people who may roll this environment back, and hold releases. Default: the pipeline alone."""

    @property
    def stage(self) -> str:
        """Name of its stage in the pipeline and in the assembly: ``dev`` is ``Dev``, ``prod-eu`` is ``ProdEu``."""
        return "".join(part.capitalize() for part in self.name.split("-"))

    @field_validator("allow_plain_http")
    @classmethod
    def _one_protocol(cls, allowed: bool, info: ValidationInfo) -> bool:
        if allowed and info.data.get("domain") is not None:
            raise refusal("contradicts the domain, which is served over TLS", "remove allow_plain_http, or the domain")
        return allowed
