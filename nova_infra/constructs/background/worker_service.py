"""A worker on Fargate: queue, scaling by its backlog, rolling deployments that alarms roll back; no listener."""

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_sns as sns
from constructs import Construct

from nova_infra.constructs.background.work_queue import WorkQueue
from nova_infra.constructs.background.worker_alarms import WorkerAlarms
from nova_infra.constructs.settings import ServiceSettings, check_settings
from nova_infra.constructs.tasks.alarms import AlarmMetric
from nova_infra.constructs.tasks.scaling import scale_on_cpu, tracked
from nova_infra.constructs.tasks.service import fargate_service, outbound_group, service_resource

_Policy = scaling.CfnScalingPolicy


class WorkerService(Construct):
    """A Fargate service that gets no requests.

    Its deployments are rolling: the other strategies shift traffic, and new tasks take messages from the moment they
    run. So both revisions work side by side, and the circuit breaker and the alarms are what stops a bad one.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster: ecs.ICluster,
        task_definition: ecs.FargateTaskDefinition,
        settings: ServiceSettings,
        queue: WorkQueue | None = None,
        topic: sns.ITopic | None = None,
        subnets: ec2.SubnetSelection | None = None,
    ) -> None:
        """Create the service, its security group, scaling and alarms.

        Args:
            queue: Where its work comes from. Default: nothing, and only its CPU scales it.
            topic: Notified when an alarm changes. Default: nobody is.
            subnets: Where tasks run. Default: the VPC's private subnets.
        """
        super().__init__(scope, construct_id)
        check_settings(self, settings, "worker")
        service, runtime = settings.service, settings.runtime
        name, cluster_name = settings.names(self, cluster)
        self.alarms = self._alarms(cluster_name, name, settings, queue, topic)
        self.security_group = outbound_group(self, name, cluster.vpc, service.connects_to)
        self.service = fargate_service(
            self,
            name=name,
            cluster=cluster,
            task_definition=task_definition,
            runtime=runtime,
            rollback_alarms=self.alarms.named(self.alarms.rollback_alarms),
            security_group=self.security_group,
            subnets=subnets,
            deployment_strategy=ecs.DeploymentStrategy.ROLLING,
        )
        self.alarms.notify_after(service_resource(self.service))
        self._scale(cluster_name, name, settings, queue)

    def _alarms(
        self, cluster_name: str, name: str, settings: ServiceSettings, queue: WorkQueue | None, topic: sns.ITopic | None
    ) -> WorkerAlarms:
        service = settings.service
        return WorkerAlarms(
            self,
            "Alarms",
            cluster_name=cluster_name,
            service_name=name,
            queue=(service.queue, queue.name, queue.dead_name) if service.queue and queue else None,
            runtime=settings.runtime,
            thresholds=service.alarms,
            topic=topic,
        )

    def _scale(self, cluster_name: str, name: str, settings: ServiceSettings, queue: WorkQueue | None) -> None:
        service, tasks = settings.service, settings.runtime.scaling
        cpu = service.targets.cpu_percent
        target = scale_on_cpu(self.service, cluster_name, name, range_=tasks, cpu_percent=cpu)
        if queue is not None and service.queue is not None:
            self._backlog(target, name, cluster_name, queue.name, service.queue.messages_per_task)

    def _backlog(
        self, target: scaling.CfnScalableTarget, name: str, cluster_name: str, queue: str, per_task: int
    ) -> None:
        """Keep the waiting messages of each task constant (Auto Scaling: target-tracking-metric-math)."""
        in_cluster = {"ClusterName": cluster_name, "ServiceName": name}
        scaling.CfnScalingPolicy(
            self,
            "Backlog",
            policy_name=f"{name}-backlog",
            policy_type="TargetTrackingScaling",
            scaling_target_id=target.ref,
            target_tracking_scaling_policy_configuration=_Policy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=per_task,
                customized_metric_specification=_Policy.CustomizedMetricSpecificationProperty(
                    metrics=[
                        tracked(
                            "waiting",
                            AlarmMetric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue}),
                            "Average",
                        ),
                        tracked(
                            "tasks", AlarmMetric("ECS/ContainerInsights", "RunningTaskCount", in_cluster), "Average"
                        ),
                        _Policy.TargetTrackingMetricDataQueryProperty(
                            id="backlog", expression="waiting/tasks", label="messages per task", return_data=True
                        ),
                    ]
                ),
            ),
        )
