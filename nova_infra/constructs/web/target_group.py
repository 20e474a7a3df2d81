"""Target groups: health check, deregistration delay; and the conditions of a service's listener rule."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from constructs import Construct

from nova_infra.config import Service
from nova_infra.config.services.service import GRPC_WITHOUT_HEALTH
from nova_infra.constructs.cached import seconds

_VERSIONS = {
    "http": None,
    "http2": elbv2.ApplicationProtocolVersion.HTTP2,
    "grpc": elbv2.ApplicationProtocolVersion.GRPC,
}


def conditions(service: Service) -> list[elbv2.ListenerCondition]:
    """The conditions that select the service's requests: its hosts and its paths."""
    found = []
    if service.hosts:
        found.append(elbv2.ListenerCondition.host_headers(list(service.hosts)))
    if service.paths:
        found.append(elbv2.ListenerCondition.path_patterns(list(service.paths)))
    return found


def target_group(scope: Construct, colour: str, *, vpc: ec2.IVpc, service: Service) -> elbv2.ApplicationTargetGroup:
    """One of the service's two target groups.

    Args:
        service: Protocol, health check, and how long requests may take when a task is taken out of service.
    """
    health = service.health
    return elbv2.ApplicationTargetGroup(
        scope,
        colour.capitalize(),
        vpc=vpc,
        # ECS registers each task with its own port. A change here would replace the group.
        port=80,
        protocol=elbv2.ApplicationProtocol.HTTP,
        protocol_version=_VERSIONS[service.protocol],
        target_type=elbv2.TargetType.IP,
        deregistration_delay=seconds(service.drain_seconds),
        health_check=elbv2.HealthCheck(
            path=health.path,
            interval=seconds(health.interval),
            timeout=seconds(health.timeout),
            healthy_threshold_count=2,
            unhealthy_threshold_count=3,
            healthy_grpc_codes=_good_status(health.path) if service.protocol == "grpc" else None,
        ),
    )


def _good_status(method: str) -> str:
    """What gRPC answers where a container is healthy."""
    return "12" if method == GRPC_WITHOUT_HEALTH else "0"
