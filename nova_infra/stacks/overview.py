"""The stack with the dashboard and the composite alarm over all services of an environment."""

from collections.abc import Collection, Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from nova_infra.config import Environment
from nova_infra.constructs.observability.dashboard import Dashboard
from nova_infra.names import alarm_name, canary_alarm_name, stack_name
from nova_infra.stacks.platform import PlatformStack
from nova_infra.stacks.services.background import BackgroundStack
from nova_infra.stacks.services.web import WebServiceStack


class OverviewStack(cdk.Stack):
    """An environment's composite alarm and dashboard, in a stack after all services, whose alarms it needs."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        environment: Environment,
        platform: PlatformStack,
        services: Mapping[str, cdk.Stack],
    ) -> None:
        """Create the composite alarm and the dashboard."""
        super().__init__(
            scope,
            construct_id,
            stack_name=stack_name(prefix, "overview"),
            env=cdk.Environment(account=environment.account, region=environment.region),
            termination_protection=environment.approval,
        )
        for each in services.values():
            self.add_stack_dependency(each)
        web = {name: stack for name, stack in services.items() if isinstance(stack, WebServiceStack)}
        self._canary_alarm(prefix, web, services)
        if not web:
            return
        Dashboard(
            self,
            "Dashboard",
            prefix=prefix,
            cluster_name=platform.cluster_name,
            load_balancers={service: stack.web_service.load_balancer_full_name for service, stack in web.items()},
            target_groups={service: stack.web_service.target_group_full_names for service, stack in web.items()},
        )

    def _canary_alarm(self, prefix: str, web: Collection[str], services: Mapping[str, cdk.Stack]) -> None:
        # At most 90 of the 100 alarms that one may be composed of.
        kinds = ("errors", "unanswered")
        names = [alarm_name(stack_name(prefix, service), kind) for service in web for kind in kinds]
        does = "answers too many requests with a 5xx, or not at all"
        if not web:  # a stack cannot be empty
            does = "has a task without CPU to spare, or a run that failed"
            names = [each.worst for each in services.values() if isinstance(each, BackgroundStack)]
        cloudwatch.CfnCompositeAlarm(
            self,
            "CanaryErrors",
            alarm_name=canary_alarm_name(prefix),
            alarm_description=f"Some service of {prefix} {does}",
            alarm_rule=" OR ".join(f'ALARM("{name}")' for name in names),
            # Each service's own alarm has already notified someone: this one answers for all services together.
            actions_enabled=False,
        )
