"""The shared stack of an environment: VPC, cluster, load balancers (deletion protection), key, alerts, roles."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial

import aws_cdk as cdk
import jsii
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.checks.acknowledge import NIST, acknowledge
from nova_infra.config import Config, Environment
from nova_infra.config.environment import Network
from nova_infra.config.resolved import Resolved, resolved, suite_asked
from nova_infra.config.services.smoke import smoke_paths
from nova_infra.constructs.hooks.release_group import ReleaseGroup
from nova_infra.constructs.hooks.smoke_test import SmokeTest
from nova_infra.constructs.network.existing_ingress import ExistingIngress
from nova_infra.constructs.network.firewall import Firewall
from nova_infra.constructs.network.ingress import Ingress
from nova_infra.constructs.network.network import PRIVATE, EnvironmentNetwork, ExistingNetwork
from nova_infra.constructs.network.private_ingress import PrivateIngress
from nova_infra.constructs.observability.alert_topic import AlertTopic
from nova_infra.constructs.observability.encryption_key import EncryptionKey
from nova_infra.constructs.observability.log_bucket import LogBucket
from nova_infra.constructs.observability.publisher import Publisher
from nova_infra.constructs.observability.retention import retention
from nova_infra.constructs.observability.rollout_events import RolloutEvents
from nova_infra.constructs.roles.release_roles import ReleaseRoles, RoleUsers, step_role_arn
from nova_infra.names import (
    CLUSTER_OUTPUT,
    SCHEME_OUTPUT,
    alert_topic_name,
    cluster_name,
    deploy_role_name,
    encrypted_log_groups,
    environment_prefix,
    parameter_path,
    platform_stack_name,
)


class PlatformStack(cdk.Stack):
    """VPC, ECS cluster, load balancer, encryption key and alert topic of one environment.

    Attributes:
        private_ingress: The private load balancer; None where no service is internal.
        url_output: Stack output ``Url``: the environment's base URL, for the tests that follow a deployment.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        config: Config,
        environment: Environment,
        group: Mapping[str, str],
    ) -> None:
        """Create the environment's shared resources.

        Args:
            group: Each service of a release that goes together to the tag of its image.
        """
        super().__init__(
            scope,
            construct_id,
            stack_name=platform_stack_name(prefix),
            env=cdk.Environment(account=environment.account, region=environment.region),
            termination_protection=environment.approval,
        )
        self._zones = [f"{environment.region}{letter}" for letter in environment.network.zones]
        publishers = [Publisher.alarms(self), Publisher.events()]
        self.key = self._encryption_key(prefix, publishers)
        self._log_retention_days = environment.log_retention_days
        vpc = self._vpc(prefix, environment)
        network = environment.network
        self.cluster_name = cluster_name(prefix, network.cluster_name)
        self.cluster = self._cluster(environment, vpc)
        self.ingress: Ingress | ExistingIngress = self._ingress(prefix, environment, vpc)
        self._export()
        internal = any(service.internal for service in config.services)
        self.private_ingress = self._private_ingress(prefix, environment, vpc) if internal else None
        self._protect(prefix, environment)
        self.topic = self._alerts(prefix, environment, publishers)
        self._add_hooks(prefix, config, environment, group)
        self._release_roles(prefix, config, environment)
        self.url_output = cdk.CfnOutput(self, "Url", value=self.ingress.url)
        self._tell_tools(network)

    def _encryption_key(self, prefix: str, publishers: Sequence[Publisher]) -> kms.IKey:
        return EncryptionKey(
            self,
            "Encryption",
            name=f"{prefix}: log groups and the alert topic",
            publishers=publishers,
            log_groups=encrypted_log_groups(prefix),
        ).key

    def _tell_tools(self, network: Network) -> None:
        if network.cluster_name is not None:
            # The tools look for it where there is no cluster of the environment's own name.
            cdk.CfnOutput(self, CLUSTER_OUTPUT, value=self.cluster_name)
        if network.load_balancer is not None and network.load_balancer.is_internal:
            # Verify asks from outside the VPC, where this one does not answer.
            cdk.CfnOutput(self, SCHEME_OUTPUT, value="internal")

    @cached_property
    def _log_bucket(self) -> s3.IBucket:
        """Where the network and the load balancers of the environment's own log, if it has any."""
        return LogBucket(self, "Logs", retention_days=self._log_retention_days).bucket

    def _private_ingress(self, prefix: str, environment: Environment, vpc: ec2.IVpc) -> PrivateIngress:
        return PrivateIngress(
            self,
            "PrivateIngress",
            vpc=vpc,
            cidr=environment.network.cidr,
            name=prefix,
            subnets=ec2.SubnetSelection(subnet_group_name=PRIVATE),
            deletion_protection=environment.approval,
            log_bucket=self._log_bucket,
        )

    def _alerts(self, prefix: str, environment: Environment, publishers: Sequence[Publisher]) -> sns.ITopic:
        """The topic of the environment's alerts, and what turns events about deployments into messages."""
        alerts = AlertTopic(
            self,
            "Alerts",
            name=alert_topic_name(prefix),
            publishers=publishers,
            key=self.key,
            notifications=environment.notifications,
            own_messages=[Publisher.events()],
        )
        RolloutEvents(
            self,
            "Events",
            environment=environment.name,
            prefix=prefix,
            cluster=self.cluster_name,
            topic=alerts.topic,
            chat=alerts.chat,
        )
        return alerts.topic

    def _add_hooks(self, prefix: str, config: Config, environment: Environment, group: Mapping[str, str]) -> None:
        """The functions that ECS calls during deployments, where a service has a use for them."""
        kept = retention(environment.log_retention_days)
        if tested := _tested(config, environment):
            SmokeTest(
                self,
                "Smoke",
                prefix=prefix,
                cluster=self.cluster_name,
                stops=any(each.environment.scaling.stops for each in tested),
                key=self.key,
                retention=kept,
            )
        if group:
            ReleaseGroup(
                self,
                "Together",
                prefix=prefix,
                cluster=self.cluster_name,
                images=group,
                key=self.key,
                retention=kept,
            )

    def _export(self) -> None:
        """Export what services read, whether or not one does.

        What is still read cannot be removed, and the platform is deployed before its readers. Otherwise the last web
        service could not become a worker.
        """
        if isinstance(self.ingress, Ingress):
            for value in (
                self.ingress.load_balancer.load_balancer_dns_name,
                self.ingress.load_balancer.load_balancer_full_name,
                self.ingress.load_balancer.load_balancer_canonical_hosted_zone_id,
                self.ingress.listener.listener_arn,
                self.ingress.security_group.security_group_id,
            ):
                self.export_value(value)
        if isinstance(self.cluster, ecs.Cluster):
            self.export_value(self.cluster.cluster_name)

    def _protect(self, prefix: str, environment: Environment) -> None:
        """Put the firewall in front of the load balancer, unless the configuration leaves it out."""
        if environment.waf:
            Firewall(
                self,
                "Firewall",
                name=prefix,
                load_balancer_arn=self.ingress.load_balancer.load_balancer_arn,
                key=self.key,
                retention=retention(environment.log_retention_days),
            )
        elif isinstance(self.ingress, Ingress):
            acknowledge(
                self.ingress.load_balancer, "The configuration leaves the firewall out here", f"{NIST}-ALBWAFEnabled"
            )

    def _release_roles(self, prefix: str, config: Config, environment: Environment) -> None:
        platform, toolchain = config.platform.name, config.toolchain
        registry = f"arn:{self.partition}:ecr:{toolchain.region}:{toolchain.account}:repository"
        deployer = f"arn:{self.partition}:iam::{environment.account}:role/{deploy_role_name(prefix)}"
        step = partial(step_role_arn, self.partition, toolchain, prefix)
        ReleaseRoles(
            self,
            "Release",
            prefix=prefix,
            cluster=self.cluster_name,
            parameters=parameter_path(platform, environment.name),
            others=[
                environment_prefix(platform, each.name)
                for each in config.environments
                if each.name.startswith(f"{environment.name}-")
            ],
            repositories=f"{registry}/{config.repository('*', environment.name)}",
            users=RoleUsers(
                observers=[step("brief"), step("preflight")],
                releasers=[step("verify"), deployer, *environment.operators],
                operators=environment.operators,
                gatekeepers=[step("gate"), deployer] if suite_asked(config.services, environment) else (),
            ),
        )

    def _vpc(self, prefix: str, environment: Environment) -> ec2.IVpc:
        network = environment.network
        if network.vpc is not None:
            return ExistingNetwork(
                self,
                "Network",
                vpc=network.vpc,
                region=environment.region,
                cidr=network.cidr,
                zones=network.zones,
                public_subnets=network.public_subnets,
                private_subnets=network.private_subnets,
            ).vpc
        return EnvironmentNetwork(
            self,
            "Network",
            name=prefix,
            region=environment.region,
            cidr=network.cidr,
            zones=network.zones,
            nat_gateways=network.nat_gateways,
            interface_endpoints=network.interface_endpoints,
            log_bucket=self._log_bucket,
        ).vpc

    def _cluster(self, environment: Environment, vpc: ec2.IVpc) -> ecs.ICluster:
        if environment.network.cluster is not None:
            return ecs.Cluster.from_cluster_attributes(
                self, "Cluster", cluster_name=self.cluster_name, vpc=vpc, security_groups=[]
            )
        return ecs.Cluster(
            self,
            "Cluster",
            cluster_name=self.cluster_name,
            vpc=vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
            enable_fargate_capacity_providers=True,  # also without `spot`: it can be added and removed later
        )

    def _ingress(self, prefix: str, environment: Environment, vpc: ec2.IVpc) -> Ingress | ExistingIngress:
        if (balancer := environment.network.load_balancer) is not None:
            return ExistingIngress(self, "Ingress", vpc=vpc, balancer=balancer, domain=environment.domain)
        return Ingress(
            self,
            "Ingress",
            vpc=vpc,
            cidr=environment.network.cidr,
            name=prefix,
            domain=environment.domain,
            deletion_protection=environment.approval,
            log_bucket=self._log_bucket,
        )

    @property
    @jsii.member(jsii_name="availabilityZones")
    def availability_zones(self) -> list[str]:
        """The zones that the configuration names. CDK would look them up, which takes credentials."""
        return self._zones


def _tested(config: Config, environment: Environment) -> list[Resolved]:
    """The services whose new revisions are tested in an environment before any user reaches them."""
    found = (resolved(service, environment) for service in config.services)
    return [each for each in found if smoke_paths(each.service, each.environment, config.services)]
