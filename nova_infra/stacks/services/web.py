"""The stack of one web service in one environment."""

from constructs import Construct

from nova_infra.config.services.smoke import asked_at, followed_to, smoke_paths
from nova_infra.constructs.hooks.gates import group_hook, smoke_hook
from nova_infra.constructs.settings import ServiceSettings
from nova_infra.constructs.web.host_names import HostNames
from nova_infra.constructs.web.web_service import WebService
from nova_infra.stacks.services.workload import WorkloadProps, WorkloadStack


class WebServiceStack(WorkloadStack):
    """A web service behind the environment's load balancer, or behind the private one."""

    def __init__(self, scope: Construct, props: WorkloadProps) -> None:
        platform, environment, service = props.platform, props.environment, props.service
        super().__init__(scope, props, variables={"PORT": str(service.port)})
        private = platform.private_ingress
        ingress = private if service.internal and private is not None else platform.ingress
        self.web_service = WebService(
            self,
            "Web",
            cluster=platform.cluster,
            listener=ingress.listener,
            image=self.task,
            settings=self._settings(props),
            topic=platform.topic,
            load_balancer=ingress.load_balancer,
            subnets=self._subnets,
        )
        self.load_balancer = ingress.load_balancer
        self.security_group = self.web_service.security_group
        if service.before_deploy is not None:
            running = self.web_service.service
            groups = running.connections.security_groups
            self._run_first("BeforeDeploy", service.before_deploy, groups, before=running)
        if environment.domain is not None and (hosts := [h for h in service.hosts if h != environment.domain.name]):
            names = HostNames(
                self,
                "Hosts",
                hosts=hosts,
                zone_id=environment.domain.zone_id,
                load_balancer=ingress.load_balancer,
                listener=ingress.listener,
            )
            self.web_service.service.node.add_dependency(names)  # its smoke test asks them at once

    def _settings(self, props: WorkloadProps) -> ServiceSettings:
        """How it runs, and the hooks at which its deployments are tested and wait for others."""
        environment, service, url = props.environment, props.service, props.platform.ingress.url
        base, host = asked_at(service, environment, url)
        smoke = [f"{base}{path}" for path in smoke_paths(service, environment, props.config.services)]
        hosts, stops = followed_to(service, environment, url), environment.scaling.stops
        return ServiceSettings(
            service=service,
            runtime=environment,
            name=props.name,
            cluster_name=props.platform.cluster_name,
            test=smoke_hook(props.prefix, smoke, self, host=host, hosts=hosts, stops=stops) if smoke else None,
            together=group_hook(props.prefix, props.group_minutes, self) if props.group_minutes else None,
        )
