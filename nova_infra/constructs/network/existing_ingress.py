"""An existing load balancer as the way into an environment: gets listener rules and certificates only."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from constructs import Construct

from nova_infra.config import Domain
from nova_infra.config.values.existing import ExistingLoadBalancer
from nova_infra.constructs.web.host_names import HostNames


class ExistingIngress(Construct):
    """A listener of somebody else, by ARNs and ids: synthesis takes no credentials. It stays its owner's."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        balancer: ExistingLoadBalancer,
        domain: Domain | None,
    ) -> None:
        """Refer to the load balancer, and point the domain at it.

        Args:
            domain: The environment's name, which gets a certificate on the listener and a DNS record. None for plain
                HTTP.
        """
        super().__init__(scope, construct_id)
        # One of its groups is enough: a rule about a group is about every interface that has it, whatever others.
        group = ec2.SecurityGroup.from_security_group_id(self, "Group", balancer.security_group, mutable=False)
        self.load_balancer = self._existing(balancer, vpc)
        self.listener = elbv2.ApplicationListener.from_application_listener_attributes(
            self, "Listener", listener_arn=balancer.listener, security_group=group
        )
        if domain is None:
            self.url = f"http://{balancer.dns_name}"
            return
        HostNames(
            self,
            "Domain",
            hosts=[domain.name],
            zone_id=domain.zone_id,
            load_balancer=self.load_balancer,
            listener=self.listener,
        )
        self.url = f"https://{domain.name}"

    def _existing(self, balancer: ExistingLoadBalancer, vpc: ec2.IVpc) -> elbv2.IApplicationLoadBalancer:
        return elbv2.ApplicationLoadBalancer.from_application_load_balancer_attributes(
            self,
            "LoadBalancer",
            load_balancer_arn=balancer.arn,
            load_balancer_dns_name=balancer.dns_name,
            load_balancer_canonical_hosted_zone_id=balancer.zone_id,
            security_group_id=balancer.security_group,
            vpc=vpc,
        )
