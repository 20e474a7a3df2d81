"""The ids of an existing ECS cluster, load balancer and listener that an environment may take over."""

import re
from typing import Annotated

from pydantic import AfterValidator

from nova_infra.config.values.fields import Model, matching, refusal

Cluster = Annotated[
    str,
    *matching(
        r"(arn:[\w-]+:ecs:[\w-]+:\d{12}:cluster/)?[A-Za-z0-9][\w-]{0,254}",
        "is not an ECS cluster",
        "write its name or its ARN, as in arn:aws:ecs:eu-west-1:111122223333:cluster/shared",
    ),
]

_ELB = r"arn:[\w-]+:elasticloadbalancing:[\w-]+:\d{12}"


def _load_balancer(value: str) -> str:
    if re.fullmatch(rf"{_ELB}:loadbalancer/app/[\w-]{{1,32}}/[0-9a-f]{{16}}", value, re.ASCII):
        return value
    if re.fullmatch(rf"{_ELB}:loadbalancer/[\w-]+", value, re.ASCII):
        raise refusal("is a classic load balancer, which has no rules", "name an application load balancer")
    if re.match(rf"{_ELB}:loadbalancer/(net|gwy)/", value, re.ASCII):
        raise refusal("is not an application load balancer, and only those have rules", "name one of .../app/...")
    if re.match(rf"{_ELB}:listener", value, re.ASCII):
        raise refusal("is a listener", "write it as listener, and the load balancer's own ARN here")
    raise refusal(
        "is not the ARN of an application load balancer", "write it as `aws elbv2 describe-load-balancers` prints it"
    )


class ExistingLoadBalancer(Model):
    """An application load balancer that exists, and the listener on it that services get their rules on.

    Its owner stays responsible for its access logs, firewall, idle timeout, ports and default certificate. The listener
    speaks HTTPS, or HTTP where the environment has ``allow_plain_http``. ``nova doctor`` compares all of this with AWS.
    """

    arn: Annotated[str, AfterValidator(_load_balancer)]
    """Its ARN. It is in the network's ``vpc``, and in the environment's account and region. Tests and smoke paths ask
    it from outside the VPC: an internal one fits only a last environment without either, and verify does not ask it."""
    listener: Annotated[
        str,
        *matching(
            r"arn:[\w-]+:elasticloadbalancing:[\w-]+:\d{12}:listener/app/[\w-]{1,32}/[0-9a-f]{16}/[0-9a-f]{16}",
            "is not the ARN of a listener of an application load balancer",
            "write it as `aws elbv2 describe-listeners` prints it",
        ),
    ]
    """ARN of the listener. Each service's rule on it names a host: the environment's domain, where the service has no
    ``hosts``."""
    security_group: Annotated[
        str, *matching(r"sg-[0-9a-f]{8,17}", "is not a security group", "write its id, as in sg-0123456789abcdef0")
    ]
    """Id of one of its security groups, from which tasks accept requests. It has to let requests out to the tasks."""
    dns_name: Annotated[
        str,
        *matching(
            r"[A-Za-z0-9-]{1,63}\.[a-z0-9-]+\.elb\.amazonaws\.com(\.cn)?",
            "is not the DNS name of an application load balancer",
            "write DNSName as `aws elbv2 describe-load-balancers` prints it",
        ),
        AfterValidator(str.lower),
    ]
    """Its DNS name: what the domain's records lead to, and the environment's host name where it has no domain."""
    zone_id: Annotated[
        str,
        *matching(
            r"Z[A-Z0-9]{5,31}",
            "is not a Route 53 hosted zone",
            "write CanonicalHostedZoneId as `aws elbv2 describe-load-balancers` prints it",
        ),
    ]
    """Id of the hosted zone that AWS keeps its DNS name in."""

    @property
    def is_internal(self) -> bool:
        """Whether it answers in its VPC alone, as only internal ones have such names (API_CreateLoadBalancer)."""
        return self.dns_name.startswith("internal-")

    @property
    def full_name(self) -> str:
        """Its name in CloudWatch: ``app/<name>/<id>``."""
        return self.arn.partition(":loadbalancer/")[2]
