"""``[[environments]]``: account, domain, VPC (NAT gateways), approval, ``window``, ``on_failure``; their order."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from nova_infra.config.delivery import Notifications
from nova_infra.config.services.runtime import Runtime
from nova_infra.config.values import schedule
from nova_infra.config.values.existing import Cluster, ExistingLoadBalancer
from nova_infra.config.values.fields import (
    DOMAIN_NAME,
    Account,
    Cidr,
    Model,
    Name,
    Region,
    WrittenOut,
    matching,
    refusal,
)

InterfaceEndpoint = Literal[
    "ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssm", "ssmmessages", "monitoring", "sts", "sqs", "sns", "kms"
]


SubnetId = Annotated[
    str, *matching(r"subnet-[0-9a-f]{8,17}", "is not a subnet", "write its id, as in subnet-0123456789abcdef0")
]


class Network(Model):
    """The environment's VPC: a new one, with a gateway endpoint for S3, or an existing one."""

    vpc: (
        Annotated[str, *matching(r"vpc-[0-9a-f]{8,17}", "is not a VPC", "write its id, as in vpc-0123456789abcdef0")]
        | None
    ) = None
    """Id of an existing VPC, with ``cidr``, ``zones``, ``public_subnets`` and ``private_subnets`` as they are there.
    Its owner stays responsible for routes, endpoints and flow logs. Default: a new one."""
    public_subnets: tuple[SubnetId, ...] = ()
    """Subnets of the existing VPC that the load balancer is in: one in each of ``zones``, in their order. None are
    needed with a ``load_balancer`` that exists."""
    private_subnets: tuple[SubnetId, ...] = ()
    """Subnets of the existing VPC that tasks run in, with a way to AWS: one in each of ``zones``, in their order."""
    cidr: Cidr = "10.0.0.0/16"
    """No two environments may overlap, unless they are in one VPC. Default: 10.0.0.0/16."""
    zones: Annotated[tuple[Literal["a", "b", "c", "d", "e", "f"], ...], Field(min_length=2, max_length=3)] = ("a", "b")
    """Letters of two or three availability zones. They are named, not looked up, so that synthesis takes no credentials
    and a zone that AWS adds moves no subnet. Tokyo, for one, has a, c and d. A third may be added later, at the end.
    Default: a, b."""
    nat_gateways: Annotated[int, Field(ge=0, le=3)] = 1
    """Fewer than zones saves money, but zones that share one also share its outage. With 0, tasks reach only this VPC
    and its endpoints: they cannot call each other through the public load balancer. Default: 1."""
    interface_endpoints: tuple[InterfaceEndpoint, ...] = ()
    """AWS services that are reached privately. Default: none; without NAT, what starting a task needs is required."""

    cluster: Cluster | None = None
    """Name or ARN of an existing ECS cluster, in the environment's account and region, which may hold other services.
    It needs Container Insights, which alarms and scaling read, and the capacity provider FARGATE_SPOT for ``spot``; its
    owner stays responsible for both. Default: a new one."""
    load_balancer: ExistingLoadBalancer | None = None
    """An existing load balancer, in an existing ``vpc``. Default: a new one."""

    @property
    def cluster_name(self) -> str | None:
        """Name of the existing cluster; None where the environment makes its own."""
        return self.cluster.rpartition("/")[2] if self.cluster is not None else None

    @field_validator("nat_gateways")
    @classmethod
    def _one_per_zone(cls, nat_gateways: int, info: ValidationInfo) -> int:
        if nat_gateways > len(info.data.get("zones", "abc")):
            raise refusal("is more than one for each zone", "lower it, or add a zone")
        return nat_gateways


class Domain(Model):
    """The environment's domain name. Its certificate and DNS record are created in the hosted zone."""

    name: Annotated[
        str,
        *matching(
            DOMAIN_NAME,
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
    zone_name: Annotated[str, *matching(DOMAIN_NAME, "is not a domain name", "write it in lower case")] | None = None
    """Name of the hosted zone, needed if services have ``hosts`` that are not under ``name``. Default: ``name``."""

    @field_validator("zone_name")
    @classmethod
    def _holds_the_name(cls, zone_name: str | None, info: ValidationInfo) -> str | None:
        if zone_name is not None and not f".{info.data.get('name', zone_name)}".endswith(f".{zone_name}"):
            raise refusal("is not a zone that the name is in", "write the zone's own name, as in example.com")
        return zone_name

    def holds(self, host: str) -> bool:
        """Whether a host is known to be in the hosted zone."""
        return f".{host}".endswith(f".{self.zone_name or self.name}")


class Window(Model):
    """When a stage may start. Outside the window, the pipeline stops before the stage and can be retried."""

    cron: Annotated[str, AfterValidator(schedule.window)]
    """The minutes in which deployments may start."""
    time_zone: Annotated[str, AfterValidator(schedule.time_zone)] = "UTC"
    """Default: UTC."""


class Environment(Runtime):
    """One environment; their order in the file is the promotion order."""

    name: Annotated[Name, Field(max_length=16)]
    account: Account
    region: Region
    shared_account: Annotated[str, Field(min_length=10, max_length=200), WrittenOut] | None = None
    """Why an environment behind an approval shares its account with an earlier one or with the toolchain: whoever can
    deploy there can deploy here. Default: sharing is refused."""
    tests: Literal["integration", "e2e"] | None = None
    """The suite that must pass after a deployment, before the next environment is touched."""
    approval: bool = False
    """Whether a person has to approve before this environment is deployed. Its load balancers and what holds data are
    protected from deletion as well, and its stacks where the CDK CLI deploys them: CodePipeline cannot, so
    `nova doctor` prints the command. Default: false."""
    on_failure: Literal["stop", "retry", "rollback"] = "stop"
    """What the pipeline does when a deployment or test of this environment fails: stop there, retry the failed actions
    once, or deploy the last good execution again. A failed stack restores itself in every case. Default: stop."""
    window: Window | None = None
    """Default: deployments may start at any time."""
    domain: Domain | None = None
    """Required unless ``allow_plain_http`` is true."""
    allow_plain_http: bool = False
    """Whether the environment may be reached without TLS. Only without a domain. Default: false."""
    waf: bool = False
    """Whether AWS's managed firewall rules filter the requests. Default: false."""
    network: Network = Network()
    notifications: Notifications = Notifications()
    """Who gets messages about alarms."""
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
    """IAM roles that may roll this environment back and put releases on hold. Default: only the pipeline."""

    @property
    def stage(self) -> str:
        """Name of its stage in the pipeline and in the assembly: ``dev`` is ``Dev``, ``prod-eu`` is ``ProdEu``."""
        return "".join(part.capitalize() for part in self.name.split("-"))

    @property
    def shared_host(self) -> str | None:
        """Host of services without ``hosts`` on a load balancer that exists; None where it is the environment's own."""
        balancer = self.network.load_balancer
        if balancer is None:
            return None
        return self.domain.name if self.domain is not None else balancer.dns_name

    @field_validator("allow_plain_http")
    @classmethod
    def _one_protocol(cls, allowed: bool, info: ValidationInfo) -> bool:
        if allowed and info.data.get("domain") is not None:
            raise refusal("contradicts the domain, which is served over TLS", "remove allow_plain_http, or the domain")
        return allowed
