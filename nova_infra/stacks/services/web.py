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
        config, platform = props.config, props.platform
        environment, service = props.environment, props.service
        super().__init__(scope, props, variables={"PORT": str(service.port)})
        private = platform.private_ingress
        ingress = private if service.internal and private is not None else platform.ingress
        base, host = asked_at(service, environment, platform.ingress.url)
        smoke = [f"{base}{path}" for path in smoke_paths(service, environment, config.services)]
        self.web_service = WebService(
            self,
            "Web",
            cluster=platform.cluster,
            listener=ingress.listener,
            image=self.task,
            settings=ServiceSettings(
                service=service,
                runtime=environment,
                name=props.name,
                cluster_name=platform.cluster_name,
                test=smoke_hook(
                    props.prefix,
                    smoke,
                    self,
                    host=host,
                    hosts=followed_to(service, environment, platform.ingress.url),
                    stops=environment.scaling.stops,
                )
                if smoke
                else None,
                together=group_hook(props.prefix, props.group_minutes, self) if props.group_minutes else None,
            ),
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
