"""An ECS service on Fargate with circuit breaker, Spot, alarms, and egress to HTTP(S) and ``connects_to``."""

import functools
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from constructs import Construct, IDependable

from nova_infra.checks.acknowledge import AWS_SOLUTIONS, acknowledge, acknowledge_own_policy
from nova_infra.config.services.runtime import Runtime, Spot
from nova_infra.constructs.cached import cached, execution_role, minutes, node_of, vpc_of


def fargate_service(
    scope: Construct,
    *,
    name: str,
    cluster: ecs.ICluster,
    task_definition: ecs.TaskDefinition,
    runtime: Runtime,
    rollback_alarms: Mapping[str, cloudwatch.CfnAlarm],
    security_group: ec2.ISecurityGroup,
    subnets: ec2.SubnetSelection | None,
    **strategy: Any,
) -> ecs.FargateService:
    """Create the service.

    Args:
        subnets: Where tasks run; None for the VPC's private subnets, or its public ones where it has no others.
        **strategy: Further properties of :class:`aws_cdk.aws_ecs.FargateService`, such as its deployment strategy.
    """
    _require_insights(scope, cluster)
    service = ecs.FargateService(
        scope,
        "Service",
        service_name=name,
        cluster=cluster,
        task_definition=task_definition,
        vpc_subnets=subnets,
        security_groups=[security_group],
        assign_public_ip=_in_public(cluster, subnets),
        enable_execute_command=runtime.exec,
        circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
        min_healthy_percent=100,
        max_healthy_percent=200,
        deployment_controller=ecs.DeploymentController(type=ecs.DeploymentControllerType.ECS),
        # enable_deployment_alarms() keeps only the first list it is given (aws/aws-cdk#36308): pass all here.
        deployment_alarms=ecs.DeploymentAlarmConfig(
            alarm_names=[*rollback_alarms],
            behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM,
        ),
        bake_time=minutes(runtime.rollout.bake_minutes),
        capacity_provider_strategies=_capacity(cluster, runtime.scaling.spot),
        **strategy,
    )
    _wait_for_needs(service, cluster, task_definition)
    resource = service_resource(service)
    # A task that dies under traffic is replaced by one that is healthy for a while: counted again each time, such
    # tasks would never open the breaker. CDK's own construct has no name for this yet.
    resource.add_property_override("DeploymentConfiguration.DeploymentCircuitBreaker.ResetOnHealthyTask", False)
    # The names above are plain text, so only this makes the alarms exist before the deployment that needs them.
    resource.node.add_dependency(*rollback_alarms.values())
    if runtime.exec:
        acknowledge_exec(task_definition)
    return service


def _wait_for_needs(service: ecs.FargateService, cluster: ecs.ICluster, task_definition: ecs.TaskDefinition) -> None:
    """Create the service after what its tasks need to start; CDK waits for the task role's policy only.

    Tasks that start before the execution role may pull their image or read a new secret fail, and the breaker counts
    them.
    """
    needed: list[IDependable] = [execution_role(task_definition)]
    if isinstance(cluster, ecs.Cluster):
        _enable_capacity_providers(cluster)
        needed.append(cluster)  # and with it its capacity providers, which CDK adds at the end
    node_of(service).add_dependency(*needed)


def selected(vpc: ec2.IVpc, subnets: ec2.SubnetSelection | None) -> ec2.SelectedSubnets:
    """The subnets of a selection; public ones need public addresses (fargate-task-networking)."""
    wanted = subnets or ec2.SubnetSelection()
    for subnet in wanted.subnets or []:
        owner = subnet.node.scope
        if isinstance(vpc, ec2.Vpc) and isinstance(owner, ec2.Vpc) and owner.node.path != vpc.node.path:
            raise ValueError(f"{subnet.node.path}: is not in {vpc.node.path}, the cluster's VPC: pass subnets of that")
    return vpc.select_subnets(
        availability_zones=wanted.availability_zones,
        one_per_az=wanted.one_per_az,
        subnet_filters=wanted.subnet_filters,
        subnet_group_name=wanted.subnet_group_name,
        subnets=wanted.subnets,
        subnet_type=wanted.subnet_type,
    )


def _in_public(cluster: ecs.ICluster, subnets: ec2.SubnetSelection | None) -> bool:
    """Whether a selection has a public subnet. CDK is asked once for each group, which Nova's services select by."""
    group = subnets.subnet_group_name if subnets is not None else None
    if group is None or subnets != ec2.SubnetSelection(subnet_group_name=group):
        return selected(vpc_of(cluster), subnets).has_public
    known = _public_groups(cluster)
    if group not in known:
        known[group] = selected(vpc_of(cluster), subnets).has_public
    return known[group]


@cached
def _public_groups(cluster: ecs.ICluster) -> dict[str, bool]:  # noqa: ARG001 - `cached` keeps one result for each
    """Groups of subnets in a cluster's VPC that CDK was asked about, to whether one of them is public."""
    return {}


def _require_insights(scope: Construct, cluster: ecs.ICluster) -> None:
    """Warn where the alarm on too few tasks would ring forever, because nothing counts them."""
    if not _counts_tasks(cluster):
        cdk.Annotations.of(scope).add_warning_v2(
            "nova:container-insights",
            f"{cluster.node.path}: has no Container Insights, so the alarm on too few tasks is red from the first "
            "deployment on: set container_insights_v2=ecs.ContainerInsights.ENABLED",
        )


@cached
def _enable_capacity_providers(cluster: ecs.Cluster) -> None:
    cluster.enable_fargate_capacity_providers()


@cached
def _counts_tasks(cluster: ecs.ICluster) -> bool:
    resource = cluster.node.default_child
    if not isinstance(resource, ecs.CfnCluster):
        return True  # of an imported cluster nothing is known
    settings = cdk.Stack.of(resource).resolve(resource.cluster_settings) or []
    return any(each.get("name") == "containerInsights" and each.get("value") != "disabled" for each in settings)


@cached
def service_resource(service: ecs.FargateService) -> ecs.CfnService:
    """The service's resource, which CDK keeps to itself."""
    resource = node_of(service).default_child
    assert isinstance(resource, ecs.CfnService)
    return resource


def outbound_group(
    scope: Construct, name: str, vpc: ec2.IVpc, connections: Sequence[str], *, reached_by: str = "nothing"
) -> ec2.SecurityGroup:
    """A security group without inbound rules, which may connect to ``connects_to``, and to HTTP and HTTPS anywhere."""
    # CDK would write the construct path into the description, and a changed description replaces the group.
    group = ec2.SecurityGroup(
        scope, "Group", vpc=vpc, description=f"{name}: tasks, reached by {reached_by}", allow_all_outbound=False
    )
    for protocol, port in (("HTTP", 80), ("HTTPS", 443)):
        group.add_egress_rule(anywhere(), tcp(port), f"{protocol} to AWS and to other services")
    open_connections(group, connections)
    return group


def acknowledge_exec(task_definition: ecs.TaskDefinition) -> None:
    """Acknowledge cdk-nag's findings on the permissions of ECS Exec."""
    acknowledge(
        task_definition.task_role,
        "The configuration asks for ECS Exec, whose channels have no ARN before they are opened",
        f"{AWS_SOLUTIONS}-IAM5[Resource::*]",
    )
    acknowledge_own_policy(task_definition.task_role)


def _capacity(cluster: ecs.ICluster, spot: Spot | None) -> list[ecs.CapacityProviderStrategy] | None:
    """What a service's tasks run on: capacity providers, because with a launch type ``spot`` could not be added.

    None, which is a launch type, in a cluster that is imported: whether that has the providers is not known here.

    A strategy is changed in place; a service that has one cannot go back to a launch type, and CloudFormation may
    replace a service that comes from one, which its name forbids:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-service.html,
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
    """
    if spot is None and not isinstance(cluster, ecs.Cluster):
        return None
    if spot is None:
        return [ecs.CapacityProviderStrategy(capacity_provider="FARGATE", weight=1)]
    return [
        ecs.CapacityProviderStrategy(capacity_provider="FARGATE", base=spot.base, weight=100 - spot.percent),
        ecs.CapacityProviderStrategy(capacity_provider="FARGATE_SPOT", weight=spot.percent),
    ]


@functools.cache
def anywhere() -> ec2.IPeer:
    """Every IPv4 address. Made once, because making one costs a message to CDK's Node process."""
    return ec2.Peer.any_ipv4()


@functools.cache
def tcp(port: int) -> ec2.Port:
    """A TCP port, made once as well."""
    return ec2.Port.tcp(port)


def open_connections(group: ec2.SecurityGroup, connections: Sequence[str]) -> None:
    """Let a security group's members connect to each ``host:port``, and to no other port.

    A security group knows addresses only, so the port is open to every address, unless the host is an address or a
    range of them.
    """
    ports: dict[tuple[str, int], list[str]] = {}
    for connection in connections:
        host, _, port = connection.rpartition(":")
        try:
            reach = str(IPv4Network(host))
        except ValueError:
            reach = ""
        if int(port) not in (80, 443):  # those are open everywhere already
            ports.setdefault((reach, int(port)), []).append(host)
    for (reach, number), hosts in ports.items():
        peer = ec2.Peer.ipv4(reach) if reach else anywhere()
        # https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html: at most 255 of a few characters
        group.add_egress_rule(peer, tcp(number), ", ".join(hosts)[:255])
