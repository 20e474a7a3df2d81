"""Resources that templates declare are made in the server with their properties, and tasks are led to them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import botocore.exceptions
import botocore.session
import pytest

from nova_infra.rehearsal.clock import COMPRESSED
from nova_infra.rehearsal.cloudformation.physical import Home
from nova_infra.rehearsal.cloudformation.stack import PlayedStack
from nova_infra.rehearsal.environment.background.resources import secret_value
from nova_infra.rehearsal.environment.background.stand_ins import StandIns, needs_stand_ins
from nova_infra.rehearsal.tasks.definition import TaskDefinition, read_task_definition

HOME = Home("333333333333", "eu-west-1")
ELSEWHERE = "arn:aws:secretsmanager:eu-west-1:333333333333:secret:somebody/elses"


def allow(actions: str | list[str], *resources: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}


def part_of(name: str, ending: str) -> dict[str, Any]:
    return {"Fn::Join": ["", [{"Fn::GetAtt": [name, "Arn"]}, ending]]}


TABLE, FILES, MAIL = ({"Fn::GetAtt": [name, "Arn"]} for name in ("Orders", "Files", "Mail"))
ALLOWED = [
    allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Desc*"], TABLE),
    allow("dynamodb:Query", part_of("Orders", "/index/*")),
    allow(["s3:GetBucketVersioning", "s3:ListBucket"], FILES),
    allow("s3:*Object", part_of("Files", "/*")),
    allow("ssm:GetParameter", "arn:aws:ssm:eu-west-1:333333333333:parameter/shop/*"),
    allow("secretsmanager:GetSecretValue", {"Ref": "Database"}),
    allow(["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:GetQueueAttributes"], MAIL),
]


def attribute(name: str, kind: str = "S") -> dict[str, str]:
    return {"AttributeName": name, "AttributeType": kind}


def index(name: str, key: str) -> dict[str, Any]:
    keys = [{"AttributeName": key, "KeyType": "HASH"}]
    return {"IndexName": name, "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}


def template(*, level: str = "7", indexes: tuple[str, ...] = ("who",)) -> dict[str, Any]:
    table = {
        "AttributeDefinitions": [attribute("id"), *map(attribute, indexes)],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [index(f"by-{name}", name) for name in indexes],
        "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": True},
    }
    made = {"SecretStringTemplate": '{"user": "shop"}', "GenerateStringKey": "password"}
    dead = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": "3"}
    environment = {
        "TABLE": {"Ref": "Orders"},
        "TABLE_ARN": {"Fn::GetAtt": ["Orders", "Arn"]},
        "BUCKET": {"Ref": "Files"},
        "LEVEL": {"Ref": "Level"},
        "SECRET": {"Ref": "Database"},
        "QUEUE": {"Ref": "Mail"},
    }
    secrets = {
        "PASSWORD": {"Fn::Join": ["", [{"Ref": "Database"}, ":password::"]]},
        "LEVEL_SECRET": "arn:aws:ssm:eu-west-1:333333333333:parameter/shop/level",
        "ELSEWHERE": ELSEWHERE,
    }
    container = {
        "Image": "shop/orders:1",
        "Environment": [{"Name": name, "Value": value} for name, value in environment.items()],
        "Secrets": [{"Name": name, "ValueFrom": value} for name, value in secrets.items()],
    }
    properties: dict[str, tuple[str, dict[str, Any]]] = {
        "Orders": ("AWS::DynamoDB::GlobalTable", table),
        "Files": ("AWS::S3::Bucket", {"VersioningConfiguration": {"Status": "Enabled"}}),
        "Level": ("AWS::SSM::Parameter", {"Name": "/shop/level", "Type": "String", "Value": level}),
        "Database": ("AWS::SecretsManager::Secret", {"GenerateSecretString": made}),
        "Mail": ("AWS::SQS::Queue", {"FifoQueue": True, "RedrivePolicy": dead}),
        "Dead": ("AWS::SQS::Queue", {"FifoQueue": True}),
        "Task": (
            "AWS::ECS::TaskDefinition",
            {
                "Family": "orders",
                "Memory": "512",
                "ContainerDefinitions": [container],
                "TaskRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
            },
        ),
        "Role": ("AWS::IAM::Role", {"AssumeRolePolicyDocument": {}}),
        "Policy": ("AWS::IAM::Policy", {"Roles": [{"Ref": "Role"}], "PolicyDocument": {"Statement": ALLOWED}}),
    }
    return {"Resources": {key: {"Type": kind, "Properties": each} for key, (kind, each) in properties.items()}}


def resolved(found: dict[str, Any]) -> PlayedStack:
    return PlayedStack("shop-prod-orders", found, exports={}, revisions={"Task": "orders:1"}, home=HOME)


def led(stand_ins: StandIns, stack: PlayedStack) -> TaskDefinition:
    return stand_ins.lead(read_task_definition(stack.properties("Task"), "orders:1"))


class Aws:
    """AWS as a task sees it: only by its environment."""

    def __init__(self, definition: TaskDefinition) -> None:
        self.variables = definition.environment
        self._session = botocore.session.Session()

    def client(self, service: str) -> Any:
        return self._session.create_client(
            service,
            region_name=self.variables["AWS_REGION"],
            endpoint_url=self.variables["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
        )


def play(story: Callable[[StandIns], Awaitable[None]], gaps: list[str] | None = None) -> dict[str, list[str]]:
    """What tasks were denied."""

    async def whole() -> None:
        stand_ins = StandIns(COMPRESSED, None, HOME, denied=denied, gaps=gaps)
        try:
            await story(stand_ins)
        finally:
            await stand_ins.stop()

    denied: dict[str, list[str]] = {}
    asyncio.run(whole())
    return denied


@pytest.mark.exhaustive("test_what_cannot_be_judged_of_a_call_is_not_covered")
def test_a_message_in_hand_holds_up_none_of_another_text_in_a_fifo_queue() -> None:
    def two(definition: TaskDefinition) -> list[str]:
        queues, url = Aws(definition).client("sqs"), definition.environment["QUEUE"]
        return [each["Body"] for _ in range(2) for each in queues.receive_message(QueueUrl=url)["Messages"]]

    async def story(stand_ins: StandIns) -> None:
        stack = resolved(template())
        await stand_ins.expect([template()])
        await stand_ins.apply(stack)
        await stand_ins.send(stack.physical_name("Mail"), ["poison", "good"])
        assert await asyncio.to_thread(two, led(stand_ins, stack)) == ["poison", "good"]

    play(story)


@pytest.mark.exhaustive("test_another_server_that_stands_for_aws_is_used_in_place_of_one_of_ours")
def test_a_task_uses_a_table_a_bucket_a_parameter_a_secret_and_a_queue_of_its_stack() -> None:
    def use(definition: TaskDefinition) -> None:
        aws, variables = Aws(definition), definition.environment
        tables = aws.client("dynamodb")
        item = {"id": {"S": "1"}, "who": {"S": "me"}}
        tables.put_item(TableName=variables["TABLE"], Item=item)
        assert tables.get_item(TableName=variables["TABLE_ARN"], Key={"id": {"S": "1"}})["Item"] == item
        found = tables.query(
            TableName=variables["TABLE"],
            IndexName="by-who",
            KeyConditionExpression="who = :me",
            ExpressionAttributeValues={":me": {"S": "me"}},
        )
        assert found["Count"] == 1
        lives = tables.describe_time_to_live(TableName=variables["TABLE"])["TimeToLiveDescription"]
        assert lives == {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}
        buckets = aws.client("s3")
        buckets.put_object(Bucket=variables["BUCKET"], Key="a", Body=b"text")
        assert buckets.get_object(Bucket=variables["BUCKET"], Key="a")["Body"].read() == b"text"
        assert buckets.get_bucket_versioning(Bucket=variables["BUCKET"])["Status"] == "Enabled"
        assert aws.client("ssm").get_parameter(Name=variables["LEVEL"])["Parameter"]["Value"] == "7"
        secret = aws.client("secretsmanager").get_secret_value(SecretId=variables["SECRET"])["SecretString"]
        assert json.loads(secret) == {"user": "shop", "password": variables["PASSWORD"]}
        queues = aws.client("sqs")
        with pytest.raises(botocore.exceptions.ClientError, match=r"\(MissingParameter\).* MessageGroupId"):
            queues.send_message(QueueUrl=variables["QUEUE"], MessageBody="x", MessageDeduplicationId="c")
        queues.send_message(
            QueueUrl=variables["QUEUE"], MessageBody="x", MessageGroupId="a", MessageDeduplicationId="b"
        )
        assert queues.receive_message(QueueUrl=variables["QUEUE"])["Messages"][0]["Body"] == "x"
        policy = queues.get_queue_attributes(QueueUrl=variables["QUEUE"], AttributeNames=["RedrivePolicy"])
        assert json.loads(policy["Attributes"]["RedrivePolicy"])["maxReceiveCount"] == 3

    async def story(stand_ins: StandIns) -> None:
        stack = resolved(template())
        await stand_ins.expect([template()])
        await stand_ins.apply(stack)
        stand_ins.admit(stack, judged=True)
        definition = led(stand_ins, stack)
        assert definition.environment["AWS_REGION"] == "eu-west-1"
        assert definition.environment["LEVEL_SECRET"] == "7"
        assert definition.secrets == {"ELSEWHERE": ELSEWHERE}, "what nobody declares keeps its made-up value"
        await asyncio.to_thread(use, definition)
        # The next release changes a parameter and adds an index; what was written stays.
        await stand_ins.apply(resolved(template(level="8", indexes=("who", "day"))))
        tables = Aws(definition).client("dynamodb")
        described = await asyncio.to_thread(tables.describe_table, TableName=definition.environment["TABLE"])
        assert [each["IndexName"] for each in described["Table"]["GlobalSecondaryIndexes"]] == ["by-who", "by-day"]
        assert described["Table"]["ItemCount"] == 1
        level = await asyncio.to_thread(Aws(definition).client("ssm").get_parameter, Name="/shop/level")
        assert level["Parameter"]["Value"] == "8"

    assert play(story) == {}


CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("sqs", "delete_message", {"QueueUrl": "{QUEUE}", "ReceiptHandle": "x"}),
    ("dynamodb", "scan", {"TableName": "{TABLE}"}),
    ("s3", "get_object", {"Bucket": "elsewhere", "Key": "a/b"}),
    ("s3", "get_object", {"Bucket": "elsewhere", "Key": "c"}),  # which the same line in nova.toml allows
    ("ssm", "get_parameter", {"Name": "/billing/key"}),
    ("sns", "publish", {"TopicArn": "arn:aws:sns:eu-west-1:333333333333:news", "Message": "x"}),
    ("lambda", "invoke", {"FunctionName": "resize"}),
    ("sesv2", "send_email", {"Content": {}, "Destination": {}}),
]
ONLY_A_TASK = {"Resources": {"Task": template()["Resources"]["Task"]}}
"""Expecting it starts no server: a call that is denied reaches none."""


def test_a_call_that_the_task_role_does_not_allow_is_denied_as_aws_does_and_said_once() -> None:
    def use(definition: TaskDefinition) -> list[tuple[str, str]]:
        found = []
        for service, operation, parameters in CALLS:
            client = Aws(definition).client(service)
            given = {
                key: value.format_map(definition.environment) if isinstance(value, str) else value
                for key, value in parameters.items()
            }
            for _ in range(2):
                with pytest.raises(botocore.exceptions.ClientError) as caught:
                    getattr(client, operation)(**given)
            error = caught.value.response["Error"]
            found.append((error["Code"], error["Message"]))
        return found

    async def story(stand_ins: StandIns) -> None:
        stack = resolved(template())
        await stand_ins.expect([ONLY_A_TASK])
        stand_ins.admit(stack, judged=True)
        said = await asyncio.to_thread(use, led(stand_ins, stack))
        assert {code for code, _ in said} <= {"AccessDenied", "AccessDeniedException"}
        assert all("is not authorized to perform" in text for _, text in said)

    [clauses] = play(story).values()
    place = "eu-west-1:333333333333"
    assert [clause.partition(": grant it")[0] for clause in clauses] == [
        f"sqs:DeleteMessage on arn:aws:sqs:{place}:shop-prod-orders-Mail.fifo",
        f"dynamodb:Scan on arn:aws:dynamodb:{place}:table/shop-prod-orders-Orders",
        "s3:GetObject on arn:aws:s3:::elsewhere/a/b",
        f"ssm:GetParameter on arn:aws:ssm:{place}:parameter/billing/key",
        f"sns:Publish on arn:aws:sns:{place}:news",
        f"lambda:InvokeFunction on arn:aws:lambda:{place}:function:resize",
        "ses:SendEmail",
    ]
    lines = [clause.partition("grant it to its task role, Role (with Nova: ")[2] for clause in clauses]
    queue = "arn:aws:sqs:{region}:{account}:shop-prod-orders-Mail.fifo"
    assert lines[0] == f'permissions = [{{ actions = ["sqs:DeleteMessage"], resources = ["{queue}"] }}])'
    assert 'resources = ["arn:aws:s3:::elsewhere/*"]' in lines[2]
    assert 'resources = ["…"]' in lines[-1]


def test_what_cannot_be_judged_of_a_call_is_not_covered() -> None:
    found = template()
    condition = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
    statement = {"Effect": "Allow", "Action": "sns:*", "Resource": "*", "Condition": condition}
    found["Resources"]["Role"]["Properties"]["Policies"] = [{"PolicyDocument": {"Statement": [statement]}}]
    gaps: list[str] = []

    async def story(stand_ins: StandIns) -> None:
        stack = resolved(found)
        await stand_ins.expect([ONLY_A_TASK])
        stand_ins.admit(stack, judged=True)
        aws = Aws(led(stand_ins, stack))
        for _ in range(2):
            await asyncio.to_thread(aws.client("sns").list_topics)
            await asyncio.to_thread(aws.client("sts").get_caller_identity)
        with pytest.raises(botocore.exceptions.ClientError):
            await asyncio.to_thread(aws.client("dynamodb").execute_statement, Statement="SELECT x FROM y")
        aws.variables = {**aws.variables, "AWS_ACCESS_KEY_ID": "ASIAASSUMED"}
        await asyncio.to_thread(aws.client("sns").list_topics)

    play(story, gaps)
    assert gaps == [
        "orders:1 calls sns:ListTopics, which AWS may deny: its role may only under a condition",
        "orders:1 calls dynamodb in a way of which it is not known which permission it needs",
        "a call of sns with a key that is no task role's, such as an assumed role's",
    ]


def test_what_the_baseline_is_denied_is_not_said_of_the_release() -> None:
    async def story(stand_ins: StandIns) -> None:
        stack = resolved(template())
        await stand_ins.expect([ONLY_A_TASK])
        stand_ins.admit(stack, judged=False)
        client = Aws(led(stand_ins, stack)).client("sns")
        with pytest.raises(botocore.exceptions.ClientError, match="not authorized"):
            await asyncio.to_thread(client.publish, TopicArn="arn:aws:sns:eu-west-1:333333333333:a", Message="x")

    assert play(story) == {}


def test_nothing_starts_and_nothing_changes_where_tasks_use_nothing() -> None:
    logs = {"Resources": {"Logs": {"Type": "AWS::S3::Bucket", "Properties": {}}}}
    task = {"Resources": {"Task": template()["Resources"]["Task"]}}

    async def story(stand_ins: StandIns) -> None:
        await stand_ins.expect([logs])
        definition = TaskDefinition("a:1", "a:1", (), {"A": "b"}, 0, None, 2, 512, secrets={"TOKEN": ELSEWHERE})
        assert stand_ins.lead(definition) is definition

    play(story)
    assert [needs_stand_ins(each) for each in (logs, task, template())] == [False, False, True]


def test_another_server_that_stands_for_aws_is_used_in_place_of_one_of_ours() -> None:
    gaps: list[str] = []

    async def story(stand_ins: StandIns) -> None:
        await stand_ins.expect([template()], "http://127.0.0.1:4566", "http://localstack:4566")
        environment = led(stand_ins, resolved(template())).environment
        assert environment["AWS_ENDPOINT_URL"] == "http://localstack:4566"
        assert gaps == ["the permissions of tasks: a dependency stands for AWS, and allows everything"]

    play(story, gaps)


@pytest.mark.parametrize(
    ("properties", "value"),
    [
        ({"SecretString": "written"}, "written"),
        ({}, "stand-in-of-the-rehearsal"),
        ({"GenerateSecretString": {"PasswordLength": 9}}, "stand-in-of-the-rehearsal"),
        (
            {"GenerateSecretString": {"GenerateStringKey": "key"}},
            '{"key": "stand-in-of-the-rehearsal"}',
        ),
    ],
)
def test_a_secret_has_a_value_in_the_form_that_its_template_says(properties: dict[str, Any], value: str) -> None:
    assert secret_value(properties) == value
