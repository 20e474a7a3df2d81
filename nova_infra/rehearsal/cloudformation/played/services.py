"""Services of ECS and what runs with them: task definitions, scaling, functions, queues, jobs."""

from typing import Any

from nova_infra.names import BEFORE_DEPLOY
from nova_infra.rehearsal.cloudformation.shapes import ANY, FLAG, TEXT, Each, NotPlayed, Number, Only

_DEPLOYMENT = {
    "Strategy": Only(("ROLLING", "CANARY", "LINEAR", "BLUE_GREEN")),
    "BakeTimeInMinutes": Number(0, 1440),
    "CanaryConfiguration": {"CanaryPercent": Number(0.1, 100), "CanaryBakeTimeInMinutes": Number(0, 1440)},
    "LinearConfiguration": {"StepPercent": Number(3, 100), "StepBakeTimeInMinutes": Number(0, 1440)},
    "Alarms": {"AlarmNames": Each(TEXT), "Enable": FLAG, "Rollback": FLAG},
    "DeploymentCircuitBreaker": {
        "Enable": FLAG,
        "Rollback": FLAG,
        "ResetOnHealthyTask": FLAG,
        "ThresholdConfiguration": {
            "Type": Only(("COUNT", "BOUNDED_PERCENT", "UNBOUNDED_PERCENT")),
            "Value": Number(1),
        },
    },
    "LifecycleHooks": Each(
        {
            "TargetType": Only(("PAUSE", "AWS_LAMBDA")),
            "HookTargetArn": TEXT,
            "RoleArn": ANY,
            "HookDetails": ANY,  # handed to the function
            "LifecycleStages!": Each(
                Only(
                    (
                        *("PRE_SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT"),
                        *("PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"),
                    )
                )
            ),
            "TimeoutConfiguration": {"TimeoutInMinutes": Number(1, 20160), "Action": Only(("ROLLBACK", "CONTINUE"))},
        }
    ),
    "MinimumHealthyPercent": Number(0, 100),
    "MaximumPercent": Number(100, 200),
}
_CONTAINER = {
    "Name": TEXT,
    "Image": TEXT,
    "Command": Each(TEXT),
    "Essential": FLAG,
    "DependsOn": Each({"ContainerName!": TEXT, "Condition!": Only(("START", "COMPLETE", "SUCCESS", "HEALTHY"))}),
    "Environment": Each({"Name!": TEXT, "Value!": TEXT}),
    "EnvironmentFiles": NotPlayed("environment files: a task lacks the variables that are in them"),
    "RestartPolicy": NotPlayed("restarts of a container within its task"),
    "VersionConsistency": ANY,
    "Secrets": Each({"Name!": TEXT, "ValueFrom": ANY}),
    "RepositoryCredentials": ANY,  # images are pulled by the login that this machine has
    "PortMappings": Each(
        {
            "ContainerPort!": Number(1, 65535),
            "HostPort": ANY,
            "Protocol": Only(("tcp", "udp")),
            "Name": ANY,
            "AppProtocol": ANY,
        }
    ),
    "HealthCheck": {
        "Command!": Each(TEXT),
        "Interval": Number(5, 300),
        "Timeout": Number(2, 60),
        "Retries": Number(1, 10),
        "StartPeriod": Number(0, 300),
    },
    "StopTimeout": Number(0, 120),
    "LogConfiguration": ANY,
    "FirelensConfiguration": ANY,  # of a router, which is not run
    "SystemControls": NotPlayed("SystemControls: tasks run with this machine's kernel parameters"),
    "DockerLabels": ANY,
    "EntryPoint": Each(TEXT),
    "User": TEXT,
    "WorkingDirectory": TEXT,
    "Cpu": Number(0),
    "Memory": Number(4),
    "MemoryReservation": ANY,
    "MountPoints": Each({"ContainerPath!": TEXT, "SourceVolume": TEXT, "ReadOnly": FLAG}),
    "VolumesFrom": Each({"SourceContainer": TEXT, "ReadOnly": FLAG}),
    "ReadonlyRootFilesystem": ANY,
    "PseudoTerminal": FLAG,
    "Interactive": FLAG,
    "StartTimeout": Number(2, 120),
    "Ulimits": Each({"Name!": TEXT, "SoftLimit!": Number(0), "HardLimit!": Number(0)}),
    # The rest of it Fargate does not take:
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LinuxParameters.html
    "LinuxParameters": {
        "Capabilities": {"Add": Each(Only(("SYS_PTRACE",))), "Drop": Each(TEXT)},
        "InitProcessEnabled": FLAG,
    },
}


_OF_NO_MATTER_TO_A_FUNCTION = (
    *("Architectures", "DeadLetterConfig", "Description", "Environment", "EphemeralStorage", "FileSystemConfigs"),
    *("ImageConfig", "KmsKeyArn", "Layers", "LoggingConfig", "MemorySize", "PackageType", "RecursiveLoop"),
    *(
        "ReservedConcurrentExecutions",
        "Role",
        "RuntimeManagementConfig",
        "SnapStart",
        "Tags",
        "TracingConfig",
        "VpcConfig",
    ),
)

SERVICES: dict[str, dict[str, Any]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": {
        "ResourceId": TEXT,
        "MinCapacity": Number(0),
        "MaxCapacity": Number(0),
        "ScalableDimension": Only(("ecs:service:DesiredCount",)),
        "ServiceNamespace": Only(("ecs",)),
        "RoleARN": ANY,
        "ScheduledActions": ANY,
    },
    "AWS::ECS::Cluster": {
        "ClusterName": TEXT,
        "ClusterSettings": ANY,
        "CapacityProviders": ANY,
        "Configuration": ANY,
        "ServiceConnectDefaults": ANY,
        # Which of them matter, only what runs there tells: a service that says nothing gets them.
        "DefaultCapacityProviderStrategy": Each({"CapacityProvider": TEXT, "Weight": Number(), "Base": Number()}),
    },
    "AWS::ECS::Service": {
        "ServiceName": TEXT,
        "Cluster": TEXT,
        "TaskDefinition": TEXT,
        "DesiredCount": Number(0),
        "DeploymentConfiguration": _DEPLOYMENT,
        "DeploymentController": {"Type": Only(("ECS",))},
        "HealthCheckGracePeriodSeconds": Number(0),
        "LoadBalancers": Each(
            {
                "TargetGroupArn": TEXT,
                "ContainerName": TEXT,
                "ContainerPort": Number(1, 65535),
                "AdvancedConfiguration": {
                    "AlternateTargetGroupArn": TEXT,
                    "ProductionListenerRule": TEXT,
                    "TestListenerRule": TEXT,
                    "RoleArn": ANY,
                },
            }
        ),
        "LaunchType": Only(("FARGATE",)),
        "CapacityProviderStrategy": Each(
            {"CapacityProvider": Only(("FARGATE", "FARGATE_SPOT")), "Weight": Number(), "Base": Number()}
        ),
        "PlatformVersion": ANY,
        "NetworkConfiguration": ANY,
        "ServiceConnectConfiguration": NotPlayed(
            "Service Connect's proxies; from sources, names lead to services in variables alone"
        ),
        "ServiceRegistries": NotPlayed(
            "service discovery by DNS; from sources, names lead to services in variables alone"
        ),
        "VpcLatticeConfigurations": NotPlayed("requests that come through VPC Lattice"),
        "VolumeConfigurations": NotPlayed("volumes of EBS: each task has an empty directory there"),
        "SchedulingStrategy": Only(("REPLICA",)),
        "PlacementConstraints": ANY,
        "PlacementStrategies": ANY,
        "ForceNewDeployment": ANY,
        "Role": ANY,
        "EnableECSManagedTags": ANY,
        "EnableExecuteCommand": ANY,
        "PropagateTags": ANY,
        "AvailabilityZoneRebalancing": ANY,
    },
    "AWS::ECS::TaskDefinition": {
        "Family": TEXT,
        "ContainerDefinitions": Each(_CONTAINER),
        "Cpu": Number(1),
        "Memory": Number(1),
        "EphemeralStorage": ANY,
        "EnableFaultInjection": ANY,
        "PidMode": ANY,
        "ProxyConfiguration": NotPlayed("the proxy of App Mesh: requests do not go through it"),
        "ExecutionRoleArn": ANY,
        "TaskRoleArn": ANY,
        "NetworkMode": Only(("awsvpc",)),
        "RequiresCompatibilities": ANY,
        "RuntimePlatform": {"CpuArchitecture": TEXT, "OperatingSystemFamily": ANY},
        "Volumes": Each({"Name": TEXT, "Host": {}, "EFSVolumeConfiguration": ANY, "ConfiguredAtLaunch": ANY}),
    },
    "AWS::Lambda::Function": {
        # One that ECS calls has its code in the template, in Python; of others nothing is played.
        "Code!": {"ZipFile": TEXT, "S3Bucket": ANY, "S3Key": ANY, "S3ObjectVersion": ANY, "ImageUri": ANY},
        "FunctionName": TEXT,
        "Handler": TEXT,
        "Runtime": TEXT,
        "Timeout": Number(1, 900),
        **dict.fromkeys(_OF_NO_MATTER_TO_A_FUNCTION, ANY),
    },
    "AWS::SQS::Queue": {
        "QueueName": TEXT,
        "VisibilityTimeout": Number(0, 43200),
        "RedrivePolicy": {"deadLetterTargetArn!": TEXT, "maxReceiveCount!": Number(1, 1000)},
        "RedriveAllowPolicy": ANY,
        "FifoQueue": FLAG,
        "ContentBasedDeduplication": FLAG,
        "DeduplicationScope": ANY,
        "FifoThroughputLimit": ANY,
        "DelaySeconds": Number(0, 900),
        "MaximumMessageSize": ANY,
        "KmsDataKeyReusePeriodSeconds": ANY,
        "MessageRetentionPeriod": ANY,
        "ReceiveMessageWaitTimeSeconds": ANY,
        "SqsManagedSseEnabled": ANY,
        "KmsMasterKeyId": ANY,
    },
    "AWS::StepFunctions::StateMachine": {
        "DefinitionString!": TEXT,
        "StateMachineName": TEXT,
        "StateMachineType": Only(("STANDARD",)),
        "LoggingConfiguration": ANY,
        "TracingConfiguration": ANY,
        "RoleArn": ANY,
    },
    BEFORE_DEPLOY: {
        "ServiceToken": ANY,
        "ServiceTimeout": ANY,
        "Cluster!": TEXT,
        "Family!": TEXT,
        "Container!": TEXT,
        "Command!": Each(TEXT),
        "Setting": TEXT,
        "Seconds": TEXT,
        "Key!": TEXT,
        "Done": ANY,
        "Subnets": ANY,
        "SecurityGroups": ANY,
        "LogGroup": ANY,
        "LogPrefix": ANY,
    },
}
