"""A network, a cluster and a load balancer that exist, as nova.toml names them."""

from typing import Any

BALANCER = "app/shared/50dc6c495c0c9188"
LISTENER = f"{BALANCER}/f2f7dc8efc522ab2"
GROUP = "sg-0123456789abcdef0"


def balancer_arn(account: str, region: str = "us-east-1") -> str:
    """ARN of the load balancer."""
    return f"arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/{BALANCER}"


def listener_arn(account: str, region: str = "us-east-1") -> str:
    """ARN of its listener."""
    return f"arn:aws:elasticloadbalancing:{region}:{account}:listener/{LISTENER}"


def existing_network(account: str, region: str = "us-east-1") -> dict[str, Any]:
    """``[environments.network]`` of an environment that makes no network, no cluster and no load balancer."""
    return {
        "vpc": "vpc-0123456789abcdef0",
        "cidr": "10.40.0.0/16",
        "private_subnets": ["subnet-0123456789abcdef3", "subnet-0123456789abcdef4"],
        "cluster": f"arn:aws:ecs:{region}:{account}:cluster/everybodys",
        "load_balancer": {
            "arn": balancer_arn(account, region),
            "listener": listener_arn(account, region),
            "security_group": GROUP,
            "dns_name": f"Shared-1234567890.{region}.elb.amazonaws.com",
            "zone_id": "Z35SXDOTRQ7X7K",
        },
    }
