"""What only passes something on: another name of a thing, where failures go, and what AWS tells of anybody's doing."""

from typing import Any

from helpers.small_pipeline import Template, action, allow, arn, deployment, details, grant, put, with_function

Resource = tuple[str, dict[str, Any]]

TOPIC: Resource = ("AWS::SNS::Topic", {})
QUEUE: Resource = ("AWS::SQS::Queue", {})
STREAM: Resource = ("AWS::Kinesis::Stream", {})
LOGS: Resource = ("AWS::Logs::LogGroup", {})
ALIAS: Resource = ("AWS::Lambda::Alias", {"FunctionName": {"Ref": "Function"}, "FunctionVersion": "1"})
VERSION: Resource = ("AWS::Lambda::Version", {"FunctionName": arn("Function")})
MACHINE: Resource = ("AWS::StepFunctions::StateMachine", {"RoleArn": arn("Role")})
NOTIFYING = {"NotificationConfiguration": {"LambdaConfigurations": [{"Function": arn("Function")}]}}
BUCKET: Resource = ("AWS::S3::Bucket", NOTIFYING)
DEAD: Resource = ("AWS::SQS::Queue", {"QueueName": "dead"})
BY_NAME = {"Fn::Sub": "arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:${Dead.QueueName}"}
BY_VARIABLE = {"Fn::Sub": ["${place}:${name}", {"place": "arn:aws:sqs:us-east-1:4", "name": {"Ref": "Dead"}}]}
CONSUMER: Resource = ("AWS::Kinesis::StreamConsumer", {"StreamARN": arn("Stream")})
EITHER = {"Fn::If": ["Some", {"deadLetterTargetArn": arn("Dead")}, {"Ref": "AWS::NoValue"}]}
ELSEWHERE = "arn:aws:lambda:us-east-1:444444444444:function:gone"


def subscribed(endpoint: Any, **more: Any) -> Resource:
    return "AWS::SNS::Subscription", {"TopicArn": {"Ref": "Topic"}, "Endpoint": endpoint, **more}


def reads(source: str, function: Any, **more: Any) -> Resource:
    return "AWS::Lambda::EventSourceMapping", {"EventSourceArn": arn(source), "FunctionName": function, **more}


def rule(**target: Any) -> Resource:
    return "AWS::Events::Rule", {"EventPattern": {"source": ["own"]}, "Targets": [target]}


def pipeline(provider: str, source: dict[str, Any], *between: dict[str, Any]) -> Resource:
    """Another pipeline, which deploys production from a bucket or a repository."""
    first = action("Source", "Source", source, inputs=[], outputs=["A"])
    first["ActionTypeId"]["Provider"] = provider
    stages = [{"Name": "S", "Actions": [first, *between]}, {"Name": "D", "Actions": [deployment("x", "333333333333")]}]
    return "AWS::CodePipeline::Pipeline", {
        "Stages": stages,
        "RoleArn": arn("Role"),
        "ArtifactStore": {"Location": "store"},
        "ArtifactStores": [],
    }


def template(action: str = "", resource: Any = "*", **resources: Resource) -> Template:
    """Resources beside the function, and one more grant for the tests' role."""
    found = with_function()
    for name, (kind, properties) in resources.items():
        put(found, name, kind, **properties)
    if action:
        grant(found, allow(action, resource))
    return found


SENT, PUBLISHED = ("sqs:SendMessage", arn("Queue")), ("sns:Publish", {"Ref": "Topic"})
LAST = subscribed(arn("Function"))
FED = {"ProcessingConfiguration": {"Processors": [{"Parameters": [{"ParameterValue": arn("Function")}]}]}}
FIREHOSE: Resource = ("AWS::KinesisFirehose::DeliveryStream", {"ExtendedS3DestinationConfiguration": FED})
DELIVERED: Resource = (
    "AWS::Logs::SubscriptionFilter",
    {"LogGroupName": {"Ref": "Logs"}, "DestinationArn": arn("Function")},
)
ALL_LINES = {"Fn::Sub": '{"DestinationArn": "${Function.Arn}", "FilterPattern": ""}'}

WAYS = {
    "an alias": template(*PUBLISHED, Topic=TOPIC, Alias=ALIAS, Last=subscribed({"Ref": "Alias"})),
    "a version": template(*PUBLISHED, Topic=TOPIC, Version=VERSION, Last=subscribed({"Ref": "Version"})),
    "an alias of what reads a queue": template(*SENT, Queue=QUEUE, Alias=ALIAS, Last=reads("Queue", {"Ref": "Alias"})),
    "an alias as a rule's target": template("events:PutEvents", Alias=ALIAS, Last=rule(Arn={"Ref": "Alias"})),
    "an alias that answers anybody": template(
        Alias=ALIAS, Last=("AWS::Lambda::Url", {"AuthType": "NONE", "TargetFunctionArn": {"Ref": "Alias"}})
    ),
    "an alias of a state machine": template(
        *SENT,
        Queue=QUEUE,
        Machine=MACHINE,
        Version=("AWS::StepFunctions::StateMachineVersion", {"StateMachineArn": {"Ref": "Machine"}}),
        Alias=(
            "AWS::StepFunctions::StateMachineAlias",
            {"RoutingConfiguration": [{"StateMachineVersionArn": {"Ref": "Version"}, "Weight": 100}]},
        ),
        Last=("AWS::Pipes::Pipe", {"Source": arn("Queue"), "Target": {"Ref": "Alias"}}),
    ),
    "what enriches a pipe": template(
        *SENT,
        Queue=QUEUE,
        Last=("AWS::Pipes::Pipe", {"Source": arn("Queue"), "Target": ELSEWHERE, "Enrichment": arn("Function")}),
    ),
    "dead letters by a queue's name": template(
        *SENT,
        Queue=("AWS::SQS::Queue", {"RedrivePolicy": {"deadLetterTargetArn": BY_NAME}}),
        Dead=DEAD,
        Last=reads("Dead", arn("Function")),
    ),
    "dead letters by a variable": template(
        *SENT,
        Queue=("AWS::SQS::Queue", {"RedrivePolicy": {"deadLetterTargetArn": BY_VARIABLE}}),
        Dead=DEAD,
        Last=reads("Dead", arn("Function")),
    ),
    "what a topic could not deliver on a condition": template(
        *PUBLISHED,
        Topic=TOPIC,
        First=subscribed("https://example.com", RedrivePolicy=EITHER),
        Dead=DEAD,
        Last=reads("Dead", arn("Function")),
    ),
    "what a topic could not deliver": template(
        *PUBLISHED,
        Topic=TOPIC,
        First=subscribed("https://example.com", RedrivePolicy={"deadLetterTargetArn": arn("Dead")}),
        Dead=DEAD,
        Last=reads("Dead", arn("Function")),
    ),
    "what a rule could not deliver": template(
        "events:PutEvents",
        First=rule(Arn=ELSEWHERE, DeadLetterConfig={"Arn": arn("Dead")}),
        Dead=DEAD,
        Last=reads("Dead", arn("Function")),
    ),
    "what a function failed at": template(
        *SENT,
        Queue=QUEUE,
        First=reads("Queue", ELSEWHERE, DestinationConfig={"OnFailure": {"Destination": arn("Dead")}}),
        Dead=DEAD,
        Last=reads("Dead", arn("Function")),
    ),
    "a consumer of a stream": template(
        "kinesis:PutRecord",
        arn("Stream"),
        Stream=STREAM,
        Consumer=CONSUMER,
        Last=(
            "AWS::Lambda::EventSourceMapping",
            {"EventSourceArn": {"Ref": "Consumer"}, "FunctionName": arn("Function")},
        ),
    ),
    "changes of a global table": template(
        "dynamodb:PutItem",
        arn("Table"),
        Stream=STREAM,
        Table=(
            "AWS::DynamoDB::GlobalTable",
            {"Replicas": [{"Region": "us-east-1"}, {"KinesisStreamSpecification": {"StreamArn": arn("Stream")}}]},
        ),
        Last=reads("Stream", arn("Function")),
    ),
    "another pipeline of a bucket": template(
        "s3:PutObject", "arn:aws:s3:::drops/*", Other=pipeline("S3", {"S3Bucket": "drops", "S3ObjectKey": "a.zip"})
    ),
    "a notification of a build": template(
        Topic=TOPIC,
        Told=("AWS::CodeStarNotifications::NotificationRule", {"Targets": [{"TargetAddress": {"Ref": "Topic"}}]}),
        Last=LAST,
    ),
    "a trail's log": template(
        Logs=LOGS, Told=("AWS::CloudTrail::Trail", {"CloudWatchLogsLogGroupArn": arn("Logs")}), Last=DELIVERED
    ),
    "a trail's messages": template(
        Topic=TOPIC,
        Told=("AWS::CloudTrail::Trail", {"SnsTopicName": {"Fn::GetAtt": ["Topic", "TopicName"]}}),
        Last=LAST,
    ),
    "a trail's bucket": template(Bucket=BUCKET, Told=("AWS::CloudTrail::Trail", {"S3BucketName": {"Ref": "Bucket"}})),
    "what requests leave behind": template(
        Store=BUCKET,
        Told=("AWS::S3::Bucket", {"LoggingConfiguration": {"DestinationBucketName": {"Ref": "Store"}}}),
    ),
    "every log line": template(Told=("AWS::Logs::AccountPolicy", {"PolicyDocument": ALL_LINES})),
    "a mail": template(
        Topic=TOPIC,
        Told=("AWS::SES::ReceiptRule", {"Rule": {"Actions": [{"SNSAction": {"TopicArn": {"Ref": "Topic"}}}]}}),
        Last=LAST,
    ),
    "every metric": template(Stream=FIREHOSE, Told=("AWS::CloudWatch::MetricStream", {"FirehoseArn": arn("Stream")})),
    "a bot": template(
        Last=("AWS::Lambda::Permission", {"FunctionName": {"Ref": "Function"}, "Principal": "lexv2.amazonaws.com"})
    ),
    "a skill, by an alias": template(
        Alias=ALIAS,
        Last=("AWS::Lambda::Permission", {"FunctionName": {"Ref": "Alias"}, "Principal": "alexa-appkit.amazon.com"}),
    ),
}
APPROVAL = action("Approve", "Approval", {}, inputs=[])
NO_WAYS = {
    "an alias that nothing starts": template(Alias=ALIAS, Version=VERSION),
    "an alias that asks who it is": template(
        Alias=ALIAS, Last=("AWS::Lambda::Url", {"AuthType": "AWS_IAM", "TargetFunctionArn": {"Ref": "Alias"}})
    ),
    "an alias of another function": template(
        *PUBLISHED,
        Topic=TOPIC,
        Alias=("AWS::Lambda::Alias", {"FunctionName": ELSEWHERE}),
        Last=subscribed({"Ref": "Alias"}),
    ),
    "a queue whose dead letters nobody reads": template(
        *SENT, Queue=("AWS::SQS::Queue", {"RedrivePolicy": {"deadLetterTargetArn": arn("Dead")}}), Dead=DEAD
    ),
    "dead letters of a queue that nobody here sends to": template(
        Queue=("AWS::SQS::Queue", {"RedrivePolicy": {"deadLetterTargetArn": arn("Dead")}}),
        Dead=DEAD,
        Last=reads("Dead", arn("Function")),
    ),
    "a queue that may take dead letters": template(
        *SENT,
        Queue=("AWS::SQS::Queue", {"RedriveAllowPolicy": {"sourceQueueArns": [arn("Dead")]}}),
        Dead=DEAD,
        Last=reads("Dead", arn("Function")),
    ),
    "a consumer that nothing reads": template(
        "kinesis:PutRecord",
        arn("Stream"),
        Stream=STREAM,
        Consumer=CONSUMER,
    ),
    "another pipeline that asks": template(
        "s3:PutObject", "arn:aws:s3:::drops/*", Other=pipeline("S3", {"S3Bucket": "drops"}, APPROVAL)
    ),
    "another pipeline of another bucket": template(
        "s3:PutObject", "arn:aws:s3:::reports/*", Other=pipeline("S3", {"S3Bucket": "drops"})
    ),
    "a notification by mail": template(
        Topic=TOPIC,
        Told=("AWS::CodeStarNotifications::NotificationRule", {"Targets": [{"TargetAddress": {"Ref": "Topic"}}]}),
        Last=subscribed("a@example.com"),
    ),
    "a trail whose bucket tells nobody": template(
        Bucket=("AWS::S3::Bucket", {}), Told=("AWS::CloudTrail::Trail", {"S3BucketName": {"Ref": "Bucket"}})
    ),
    "a bucket that is logged in another one": template(
        Store=("AWS::S3::Bucket", {}),
        Told=("AWS::S3::Bucket", {**NOTIFYING, "LoggingConfiguration": {"DestinationBucketName": {"Ref": "Store"}}}),
    ),
    "log lines that go elsewhere": template(
        Told=("AWS::Logs::AccountPolicy", {"PolicyDocument": f'{{"DestinationArn": "{ELSEWHERE}"}}'})
    ),
    "a rule for mail that throws it away": template(
        Told=("AWS::SES::ReceiptRule", {"Rule": {"Actions": [{"StopAction": {"Scope": "RuleSet"}}]}})
    ),
    "metrics that nothing changes": template(
        Stream=("AWS::KinesisFirehose::DeliveryStream", {"ExtendedS3DestinationConfiguration": {}}),
        Told=("AWS::CloudWatch::MetricStream", {"FirehoseArn": arn("Stream")}),
    ),
    "a schedule's function": template(
        Last=("AWS::Lambda::Permission", {"FunctionName": {"Ref": "Function"}, "Principal": "scheduler.amazonaws.com"})
    ),
    "an alarm and a dashboard of it": template(
        Last=(
            "AWS::CloudWatch::Dashboard",
            {"DashboardBody": {"Fn::Sub": '{"widgets": ["${Function.Arn}", "${Topic}"]}'}},
        ),
        Topic=TOPIC,
        Told=("AWS::CodeStarNotifications::NotificationRule", {"Targets": [{"TargetAddress": {"Ref": "Topic"}}]}),
    ),
}


SCRIPT = "s3://${Reports}/job.py"
STORED = ("s3:PutObject", {"Fn::Sub": "${Reports.Arn}/*"})
PROFILE: Resource = ("AWS::IAM::InstanceProfile", {"Roles": [{"Ref": "Role"}]})
START = {"Fn::Base64": {"Fn::Sub": f"#!/bin/sh\naws s3 cp {SCRIPT} - | sh"}}
PLAIN: Resource = ("AWS::S3::Bucket", {"BucketName": "reports"})
WAYS |= {
    "a source of an API": template(
        Told=("AWS::AppSync::DataSource", {"LambdaConfig": {"FunctionArn": arn("Function")}})
    ),
    "a source of an API, by its role": template(Told=("AWS::AppSync::DataSource", {"ServiceRoleArn": arn("Role")})),
    "what changes an object that is read": template(
        Told=("AWS::S3ObjectLambda::AccessPoint", {"ObjectLambdaConfiguration": {"Arn": arn("Function")}})
    ),
    "a file that is sent": template(Told=("AWS::Transfer::Workflow", {"Steps": [{"Target": arn("Function")}]})),
    "a resource that is changed": template(Told=("AWS::Config::ConfigRule", {"Source": {"Id": arn("Function")}})),
    "a remediation of a resource": template(
        Told=("AWS::Config::RemediationConfiguration", {"Parameters": {"Role": {"Values": [arn("Role")]}}})
    ),
    "a channel": template(Told=("AWS::Chatbot::SlackChannelConfiguration", {"IamRoleArn": arn("Role")})),
    "a script in a bucket": template(
        *STORED, Reports=PLAIN, Job=("AWS::Glue::Job", {"Role": arn("Role"), "Location": {"Fn::Sub": SCRIPT}})
    ),
    "what a machine begins with": template(
        *STORED,
        Reports=PLAIN,
        Profile=PROFILE,
        Machine=("AWS::EC2::Instance", {"IamInstanceProfile": {"Ref": "Profile"}, "UserData": START}),
    ),
    "a template in a bucket": template(
        *STORED,
        Reports=PLAIN,
        Set=(
            "AWS::CloudFormation::StackSet",
            {"AdministrationRoleARN": arn("Role"), "TemplateURL": "https://reports.s3.amazonaws.com/x.json"},
        ),
    ),
}
NO_WAYS |= {
    "a script in another bucket": template(
        *STORED, Reports=PLAIN, Job=("AWS::Glue::Job", {"Role": arn("Role"), "Location": "s3://others/job.py"})
    ),
    "a channel by another role": template(
        Other=("AWS::IAM::Role", {}), Told=("AWS::Chatbot::SlackChannelConfiguration", {"IamRoleArn": arn("Other")})
    ),
}


def test_whatever_passes_something_on_to_a_role_of_productions_is_a_way() -> None:
    found = {name: details(each) for name, each in WAYS.items()}
    assert {
        name for name, said in found.items() if not any("assumes Role, which may" in each for each in said)
    } == set()


def test_what_leads_nowhere_or_begins_nowhere_is_none() -> None:
    assert {name: said for name, each in NO_WAYS.items() if (said := details(each))} == {}
