"""Stacks of further resources, of which AWS would refuse nothing: each has one resource, It, and what it needs."""

from typing import Any

from helpers.valid_services import ELB, arn, it, role

NOTHING = {"Ref": "AWS::NoValue"}
STACKS: dict[str, dict[str, Any]] = {
    "scaling": {
        "It": it(
            "AWS::ApplicationAutoScaling::ScalableTarget",
            ResourceId="service/shop/Service",
            MinCapacity=1,
            MaxCapacity=4,
        ),
        "Service": it("AWS::ECS::Service", ServiceName="carts"),
    },
    "a target group": {
        "It": it(
            f"{ELB}TargetGroup",
            Name="carts",
            Protocol="HTTP",
            HealthCheckPath="/up",
            HealthCheckIntervalSeconds=10,
            HealthCheckTimeoutSeconds=4,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=3,
            Matcher={"HttpCode": "200-299"},
            TargetGroupAttributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "20"}],
        )
    },
    "a target group of a network": {
        "It": it(
            f"{ELB}TargetGroup",
            Protocol="TCP",
            HealthCheckIntervalSeconds=10,
            HealthCheckTimeoutSeconds=10,
            Matcher={"HttpCode": "200-599"},
        )
    },
    "a load balancer": {
        "It": it(
            f"{ELB}LoadBalancer",
            Name="shop",
            Scheme="internet-facing",
            LoadBalancerAttributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "60"}],
        )
    },
    "a listener": {
        "It": it(
            f"{ELB}Listener",
            Port=443,
            Protocol="HTTPS",
            Certificates=[{"CertificateArn": "arn:aws:acm:eu-north-1:210987654321:certificate/1"}],
            LoadBalancerArn={"Ref": "Balancer"},
            DefaultActions=[
                {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": {"Ref": "Group"}}]}}
            ],
        ),
        "Balancer": it(f"{ELB}LoadBalancer", Name="shop"),
        "Group": it(f"{ELB}TargetGroup", Name="carts"),
    },
    "a listener rule": {
        "It": it(
            f"{ELB}ListenerRule",
            Priority=5,
            ListenerArn="arn:aws:elasticloadbalancing:eu-north-1:210987654321:listener/app/shop/1/2",
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": {"Ref": "Group"}}]}}],
            Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/carts*"]}}],
        ),
        "Group": it(f"{ELB}TargetGroup", Name="carts"),
    },
    "a queue": {
        "It": it(
            "AWS::SQS::Queue",
            QueueName="mails.fifo",
            FifoQueue=True,
            VisibilityTimeout=60,
            RedrivePolicy={"deadLetterTargetArn": arn("Dead"), "maxReceiveCount": 3},
        ),
        "Dead": it("AWS::SQS::Queue", FifoQueue=True),
    },
    "a queue for what failed": {
        "It": it("AWS::SQS::Queue", QueueName="dead.fifo", FifoQueue=True),
        "First": it("AWS::SQS::Queue", FifoQueue=True, RedrivePolicy={"deadLetterTargetArn": arn("It")}),
    },
    "an e-mail address": {
        "It": it("AWS::SNS::Subscription", Protocol="email", Endpoint="a@example.com", RawMessageDelivery=False)
    },
    "an event's target": {
        "It": it(
            "AWS::Events::Rule",
            EventPattern={"source": ["aws.ecs"]},
            Targets=[{"Id": "a", "Input": "{}"}, {"Id": "b", "InputPath": "$.detail"}],
        )
    },
    "a key that rotates": {"It": it("AWS::KMS::Key", EnableKeyRotation=True)},
    "a key that signs": {"It": it("AWS::KMS::Key", KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")},
    "a bucket that is copied": {
        "It": it(
            "AWS::S3::Bucket",
            VersioningConfiguration={"Status": "Enabled"},
            ReplicationConfiguration={"Role": "role", "Rules": [{"Status": "Enabled"}]},
            LifecycleConfiguration={"Rules": [{"Status": "Enabled", "ExpirationInDays": 30}]},
        )
    },
    "a scaling policy": {
        "It": it(
            "AWS::ApplicationAutoScaling::ScalingPolicy",
            TargetTrackingScalingPolicyConfiguration={
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ALBRequestCountPerTarget",
                    "ResourceLabel": "app/a/b/targetgroup/c/d",
                }
            },
        )
    },
    "a gateway endpoint": {"It": it("AWS::EC2::VPCEndpoint", VpcEndpointType="Gateway", RouteTableIds=["rtb-1"])},
    "a group with rules": {
        "It": it(
            "AWS::EC2::SecurityGroup",
            GroupDescription="web",
            SecurityGroupIngress=[
                {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIp": "10.0.0.0/8", "Description": "web"},
                {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIpv6": "::/0"},
            ],
        )
    },
    "a parameter with a pattern": {
        "It": it("AWS::SSM::Parameter", Type="String", Value="12", AllowedPattern="^[0-9]+$", Tier="Advanced")
    },
    "a secret that is made": {
        "It": it(
            "AWS::SecretsManager::Secret",
            GenerateSecretString={"GenerateStringKey": "a", "SecretStringTemplate": "{}", "PasswordLength": 20},
        )
    },
    "a topic": {"It": it("AWS::SNS::Topic", TopicName="alerts")},
    "a bucket": {"It": it("AWS::S3::Bucket", BucketName="files-of-the-shop")},
    "a table": {
        "It": it(
            "AWS::DynamoDB::Table",
            TableName="carts",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "day", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "id", "AttributeType": "S"},
                {"AttributeName": "day", "AttributeType": "S"},
                {"AttributeName": "owner", "AttributeType": "S"},
                {"AttributeName": "price", "AttributeType": "N"},
            ],
            GlobalSecondaryIndexes=[
                {"IndexName": "by-owner", "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}]}
            ],
            LocalSecondaryIndexes=[
                {"IndexName": "by-price", "KeySchema": [{"AttributeName": "price", "KeyType": "RANGE"}]}
            ],
        )
    },
    "a parameter": {"It": it("AWS::SSM::Parameter", Name="/carts/limit", Type="String", Tier="Standard", Value="5")},
    "an alarm": {
        "It": it(
            "AWS::CloudWatch::Alarm",
            AlarmName="carts",
            MetricName="Errors",
            Statistic="Sum",
            Threshold=1,
            Period=60,
            EvaluationPeriods=3,
            DatapointsToAlarm=2,
            AlarmActions=["arn:aws:sns:eu-north-1:210987654321:alerts"],
        )
    },
    "an alarm of a percentile": {
        "It": it(
            "AWS::CloudWatch::Alarm",
            ExtendedStatistic={"Fn::If": ["Big", "p95", NOTHING]},
            Statistic={"Fn::If": ["Big", NOTHING, "Sum"]},
            MetricName="Latency",
            Threshold=1,
        )
    },
    "an alarm of an expression": {
        "It": it(
            "AWS::CloudWatch::Alarm",
            MetricName={"Fn::If": ["Big", "Errors", NOTHING]},
            Threshold=1,
            Metrics={"Fn::If": ["Big", NOTHING, [{"Id": "a", "MetricStat": {"Period": 60}}]]},
        )
    },
    "an alarm of metrics": {
        "It": it(
            "AWS::CloudWatch::Alarm",
            EvaluationPeriods=3,
            Metrics=[{"Id": "a", "MetricStat": {"Period": 60, "Stat": "Sum", "Metric": {"MetricName": "Errors"}}}],
        )
    },
    "an alarm of alarms": {
        "It": it("AWS::CloudWatch::CompositeAlarm", AlarmName="all", AlarmRule='ALARM("a") OR ALARM("b")')
    },
    "a rule of events": {
        "It": it(
            "AWS::Events::Rule",
            Name="nightly",
            ScheduleExpression="rate(5 minutes)",
            EventPattern={"source": ["aws.ecs"]},
            Targets=[
                {"Id": "a", "Arn": "arn:aws:sns:eu-north-1:210987654321:a", "RetryPolicy": {"MaximumRetryAttempts": 3}}
            ],
        )
    },
    "a schedule": {
        "It": it(
            "AWS::Scheduler::Schedule",
            Name="nightly",
            ScheduleExpression="cron(0 12 * * ? *)",
            ScheduleExpressionTimezone="Asia/Tokyo",
            FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5},
            Target={"Arn": {"Ref": "Machine"}, "RoleArn": arn("Starts"), "RetryPolicy": {"MaximumRetryAttempts": 3}},
        ),
        "Machine": it("AWS::StepFunctions::StateMachine", RoleArn=arn("Machines")),
        "Machines": role("states.amazonaws.com", "ecs:RunTask"),
        "Starts": role("scheduler.amazonaws.com", "states:StartExecution"),
    },
    "a schedule of tasks": {
        "It": it(
            "AWS::Scheduler::Schedule",
            Target={
                "Arn": "arn:aws:ecs:eu-north-1:210987654321:cluster/shop",
                "RoleArn": arn("Starts"),
                "EcsParameters": {"TaskDefinitionArn": {"Ref": "Task"}},
            },
        ),
        "Task": it("AWS::ECS::TaskDefinition", Family="job", TaskRoleArn=arn("Own"), ContainerDefinitions=[]),
        "Own": role("ecs-tasks.amazonaws.com", "s3:GetObject"),
        "Starts": role("scheduler.amazonaws.com", "ecs:RunTask", "iam:PassRole"),
    },
    "a state machine": {
        "It": it(
            "AWS::StepFunctions::StateMachine",
            StateMachineName="job",
            RoleArn=arn("Machines"),
            DefinitionString={
                "Fn::Join": ["", ['{"Resource":"arn:aws:states:::ecs:runTask.sync","T":"', {"Ref": "Task"}]]
            },
        ),
        "Task": it("AWS::ECS::TaskDefinition", Family="job", ContainerDefinitions=[]),
        "Machines": role("states.amazonaws.com", "ecs:RunTask", "events:PutRule", "events:PutTargets"),
    },
    "a function": {
        "It": it("AWS::Lambda::Function", FunctionName="smoke", Timeout=60, MemorySize=256, Role=arn("Runs")),
        "Runs": role("lambda.amazonaws.com", "logs:*"),
    },
    "a function on instances": {
        "It": it("AWS::Lambda::Function", MemorySize=20_480, CapacityProviderConfig={"LambdaManagedInstances": {}})
    },
    "a pipeline": {
        "It": it(
            "AWS::CodePipeline::Pipeline",
            Name="carts",
            RoleArn=arn("Delivers"),
            Stages=[
                {
                    "Name": "Source",
                    "Actions": [
                        {"Name": "Code", "OutputArtifacts": [{"Name": "a"}], "Configuration": {"Branch": "main"}}
                    ],
                }
            ],
        ),
        "Delivers": role("codepipeline.amazonaws.com", "s3:*"),
    },
    "a build": {
        "It": it(
            "AWS::CodeBuild::Project",
            Name="carts",
            TimeoutInMinutes=20,
            ServiceRole=arn("Builds"),
            Environment={"Type": "LINUX_CONTAINER", "ComputeType": "BUILD_GENERAL1_SMALL"},
        ),
        "Builds": role("codebuild.amazonaws.com", "logs:*"),
    },
    "a firewall": {
        "It": it(
            "AWS::WAFv2::WebACL",
            Name="shop",
            Rules=[
                {"Name": "a", "Priority": 1, "Statement": {"RateBasedStatement": {"Limit": 200}}},
                {"Name": "b", "Priority": 2, "Statement": {}},
            ],
        )
    },
    "a cluster": {
        "It": it("AWS::ECS::Cluster", ClusterName="shop"),
        "Providers": it("AWS::ECS::ClusterCapacityProviderAssociations", Cluster={"Ref": "It"}),
    },
    "capacity providers": {
        "It": it(
            "AWS::ECS::ClusterCapacityProviderAssociations",
            Cluster="shop",
            CapacityProviders=["FARGATE", "FARGATE_SPOT"],
        ),
    },
    "a log": {"It": it("AWS::Logs::LogGroup", LogGroupName="/carts", RetentionInDays=30)},
    "a filter": {"It": it("AWS::Logs::MetricFilter", FilterName="errors", FilterPattern="ERROR")},
    "a key": {"It": it("AWS::KMS::Key", PendingWindowInDays=20, Tags=[{"Key": "team", "Value": "shop"}])},
    "images": {
        "It": it(
            "AWS::ECR::Repository", RepositoryName="shop/carts", LifecyclePolicy={"LifecyclePolicyText": '{"rules":[]}'}
        )
    },
    "a subnet": {
        "It": it("AWS::EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock="10.0.1.0/24"),
        "Vpc": it("AWS::EC2::VPC"),
    },
}
