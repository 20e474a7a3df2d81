"""Names, values and combinations beside each other: what AWS would refuse, and the nearest that it takes."""

import json
from typing import Any

import pytest

from nova_infra.operations.planner import StackKey, StackTemplate, plan

KEY = StackKey("210987654321", "eu-north-1", "carts")
Properties = dict[str, Any]


def refusals(kind: str, properties: Properties) -> list[str]:
    template = {"Resources": {"It": {"Type": f"AWS::{kind}", "Properties": properties}}}
    return [str(each) for each in plan([], [[StackTemplate(KEY, template)]]).refusals]


def query(name: str, *, returned: bool = False, **more: Any) -> Properties:
    stat = {"Metric": {"Namespace": "Shop", "MetricName": name}, "Period": 60, "Stat": "Sum"}
    return {"Id": name, "ReturnData": returned, **(more or {"MetricStat": stat})}


def alarm(*queries: Properties, **more: Any) -> Properties:
    compared = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 3, "Threshold": 7}
    return {**compared, "Metrics": list(queries), **more}


def rate(expression: str) -> Properties:
    return alarm(query("bad"), query("all"), query("rate", returned=True, Expression=expression))


def metrics(count: int) -> Properties:
    names = [f"m{number}" for number in range(count)]
    total = query("total", returned=True, Expression="+".join(names))
    return alarm(total, *(query(name) for name in names))


def lifecycle(**rule: Any) -> Properties:
    return {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", **rule}]}}


def moved(kind: str, days: int, **more: Any) -> Properties:
    return lifecycle(Transitions=[{"StorageClass": kind, "TransitionInDays": days}], **more)


def policy(**statement: Any) -> Properties:
    given = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **statement}
    return {"PolicyName": "own", "PolicyDocument": {"Statement": [{k: v for k, v in given.items() if v is not None}]}}


def role(**statement: Any) -> Properties:
    return {"AssumeRolePolicyDocument": {"Statement": []}, "Policies": [policy(**statement)]}


def function(size: int) -> Properties:
    # In JSON, {"LONG":""} has eleven characters.
    return {"Environment": {"Variables": {"LONG": "x" * (size - 11)}}}


def machine(start: str) -> Properties:
    return {"DefinitionString": json.dumps({"StartAt": start, "States": {"Only": {"Type": "Succeed"}}})}


RECORD = {"Name": "shop.example.org.", "HostedZoneName": "example.org."}
TABLE = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}
WINDOW = {"ScheduleExpression": "rate(7 minutes)"}

# Type, what is refused, where and why, and the nearest that is taken.
ROWS: list[tuple[str, Properties, str, Properties]] = [
    ("KMS::Alias", {"AliasName": "shop"}, "AliasName: is shop", {"AliasName": "alias/shop"}),
    ("KMS::Alias", {"AliasName": "alias/aws/shop"}, "AliasName: is alias/aws/shop", {"AliasName": "alias/awsome"}),
    ("SecretsManager::Secret", {"Name": "a b"}, "Name: is a b", {"Name": "a/b"}),
    (
        "SecretsManager::Secret",
        {"SecretString": "{}", "GenerateSecretString": {}},
        "SecretString: is set together with GenerateSecretString",
        {"GenerateSecretString": {}, "SecretString": {"Ref": "AWS::NoValue"}},
    ),
    ("SSM::Parameter", {"Name": "/aws/shop"}, "Name: is /aws/shop", {"Name": "/awsome/shop"}),
    ("SSM::Parameter", {"Name": "SSM-shop"}, "Name: is SSM-shop", {"Name": "shop-ssm"}),
    ("Logs::LogGroup", {"LogGroupName": "aws/shop"}, "LogGroupName: is aws/shop", {"LogGroupName": "/aws/shop"}),
    ("Lambda::Function", {"FunctionName": "f" * 65}, "FunctionName: is f", {"FunctionName": "f" * 64}),
    ("Lambda::Function", function(4097), "Variables: has 4,097 bytes, but Lambda allows 4,096", function(4096)),
    ("ECR::Repository", {"RepositoryName": "Shop/x"}, "RepositoryName: is Shop/x", {"RepositoryName": "shop/x-1"}),
    ("EC2::SecurityGroup", {"GroupName": "sg-1"}, "GroupName: is sg-1", {"GroupName": "group sg-1"}),
    ("EC2::SecurityGroup", {"GroupDescription": "Büro"}, "GroupDescription: is", {"GroupDescription": "Buero (1)"}),
    ("SNS::Subscription", {"Protocol": "pigeon"}, "Protocol: is pigeon", {"Protocol": "email-json"}),
    (
        "SNS::Topic",
        {"TopicName": "a", "FifoTopic": True},
        "TopicName: is a",
        {"TopicName": "a.fifo", "FifoTopic": True},
    ),
    ("S3::Bucket", {"BucketName": "10.0.0.1"}, "BucketName: is 10.0.0.1", {"BucketName": "10.0.0.1.shop"}),
    ("S3::Bucket", moved("STANDARD_IA", 29), "TransitionInDays: is 29 for STANDARD_IA", moved("STANDARD_IA", 30)),
    ("S3::Bucket", moved("ONEZONE_IA", 3), "TransitionInDays: is 3 for ONEZONE_IA", moved("GLACIER", 3)),
    (
        "S3::Bucket",
        moved("GLACIER", 40, ExpirationInDays=40),
        "ExpirationInDays: is 40, and objects move on after 40",
        moved("GLACIER", 40, ExpirationInDays=41),
    ),
    ("DynamoDB::Table", {**TABLE, "TableName": "ab"}, "TableName: is ab", {**TABLE, "TableName": "abc"}),
    ("EC2::VPC", {"CidrBlock": "10.0.0.0/15"}, "CidrBlock: is a /15", {"CidrBlock": "10.0.0.0/16"}),
    ("EC2::Subnet", {"CidrBlock": "10.0.0.0/29"}, "CidrBlock: is a /29", {"CidrBlock": "10.0.0.0/28"}),
    (
        "Route53::RecordSet",
        {**RECORD, "Type": "A", "ResourceRecords": ["192.0.2.1"]},
        "TTL: is missing",
        {**RECORD, "Type": "A", "AliasTarget": {"DNSName": "a.example.com", "HostedZoneId": "Z1"}},
    ),
    (
        "Route53::RecordSet",
        {**RECORD, "Name": "example.org", "Type": "CNAME", "TTL": "60", "ResourceRecords": ["a.example.com"]},
        "Type: is CNAME at the name of the zone itself",
        {**RECORD, "Type": "CNAME", "TTL": "60", "ResourceRecords": ["a.example.com"]},
    ),
    ("StepFunctions::StateMachine", machine("Other"), "starts at Other, which is none of its states", machine("Only")),
    (
        "StepFunctions::StateMachine",
        {"DefinitionString": "{"},
        "DefinitionString: is no JSON",
        {"DefinitionString": "{", "DefinitionSubstitutions": {"a": "b"}},
    ),
    (
        "Scheduler::Schedule",
        {**WINDOW, "FlexibleTimeWindow": {"Mode": "FLEXIBLE"}},
        "MaximumWindowInMinutes: is missing",
        {**WINDOW, "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 9}},
    ),
    ("IAM::Policy", policy(Action="GetObject"), "Statement.Action: is GetObject", policy(Action=["s3:Get*", "*"])),
    ("IAM::ManagedPolicy", policy(Resource=None), "Resource: is missing", policy(Resource=None, NotResource="*")),
    ("IAM::Role", role(Action=["s3"]), "Policies.PolicyDocument.Statement.Action: is s3", role(Action=["s3:*"])),
    ("CloudWatch::Alarm", rate("bad/every"), "Metrics.Expression: has every", rate("100*FILL(bad,0)/all")),
    ("CloudWatch::Alarm", rate("SUM([bad,al])"), "Metrics.Expression: has al", rate("SEARCH('{Shop} x', 'Sum')")),
    (
        "CloudWatch::Alarm",
        alarm(query("Bad", returned=True)),
        "Metrics.Id: is Bad",
        alarm(query("bad2", returned=True)),
    ),
    (
        "CloudWatch::Alarm",
        alarm(query("bad", returned=True), query("all", returned=True)),
        "Metrics.ReturnData: is true for 2",
        alarm(query("bad", returned=True), query("band", returned=True, Expression="bad"), ThresholdMetricId="band"),
    ),
    ("CloudWatch::Alarm", alarm(query("bad")), "Metrics.ReturnData: is true for 0", alarm(query("bad", returned=True))),
    ("CloudWatch::Alarm", metrics(11), "Metrics: has 11 metrics, and an alarm takes 10", metrics(10)),
]


@pytest.mark.parametrize(("kind", "refused", "said", "taken"), ROWS, ids=[f"{row[0]} {row[2][:40]}" for row in ROWS])
def test_what_aws_refuses_is_refused_and_its_neighbour_is_taken(
    kind: str, refused: Properties, said: str, taken: Properties
) -> None:
    [found] = refusals(kind, refused)
    assert found.startswith("carts.It.")
    assert said in found
    assert refusals(kind, taken) == []


@pytest.mark.parametrize("text", ["[]", "7", "null", '"Only"', "{}", '{"StartAt": "A", "States": ["A"]}'])
def test_a_machine_that_is_no_object_of_states_is_refused(text: str) -> None:
    [found] = refusals("StepFunctions::StateMachine", {"DefinitionString": text})
    assert "starts at" in found


@pytest.mark.parametrize("start", [["Only"], {"Only": 1}, None, 7, True])
def test_a_machine_starts_at_a_name(start: object) -> None:
    text = json.dumps({"StartAt": start, "States": {"Only": {"Type": "Succeed"}}})
    [found] = refusals("StepFunctions::StateMachine", {"DefinitionString": text})
    assert "DefinitionString: starts at no state: name one in StartAt" in found


@pytest.mark.parametrize(
    "expression",
    [
        *("sum([bad,all])", "if (bad > 5, all, 0)", "bad > 5 or all > 3", "FILL(bad, repeat)", "1.5e3 * bad"),
        *("SORT(METRICS(), avg, desc, 10)", "not bad and all", {"Ref": "AWS::StackName"}, ["bad"]),
    ],
)
def test_words_of_metric_math_are_no_metrics_in_whatever_letters(expression: Any) -> None:
    assert refusals("CloudWatch::Alarm", rate(expression)) == []
