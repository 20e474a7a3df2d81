"""What signed requests ask of AWS, as clients of AWS write them."""

from typing import Any

import botocore.awsrequest
import botocore.session
import pytest

from helpers.exhaustive import one_of_each
from nova_infra.deployed.aws.client.call_permissions import read_call

ACCOUNT = "333333333333"
PLACE = f"eu-west-1:{ACCOUNT}"
QUEUE = f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/mails"
ENDPOINT = "http://127.0.0.1:4566"
ITEM = {"id": {"S": "1"}}
TABLE = f"arn:aws:dynamodb:{PLACE}:table/t"


class _SentError(Exception):
    def __init__(self, request: botocore.awsrequest.AWSPreparedRequest) -> None:
        self.request = request


def sent(service: str, operation: str, parameters: dict[str, Any]) -> botocore.awsrequest.AWSPreparedRequest:
    """What botocore would send; nothing is."""

    def stop(request: botocore.awsrequest.AWSPreparedRequest, **_: Any) -> None:
        raise _SentError(request)

    client = botocore.session.Session().create_client(
        service,
        region_name="eu-west-1",
        endpoint_url=ENDPOINT,
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="x",
    )
    client.meta.events.register("before-send", stop)
    with pytest.raises(_SentError) as caught:
        getattr(client, operation)(**parameters)
    return caught.value.request


def transaction() -> dict[str, Any]:
    return {"TransactItems": [{"Put": {"TableName": "t", "Item": ITEM}}, {"Delete": {"TableName": "u", "Key": ITEM}}]}


def parameter(name: str) -> tuple[str, str]:
    return ("ssm:GetParameters", f"arn:aws:ssm:{PLACE}:parameter/{name}")


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "needs"),
    one_of_each(
        [
            (
                "sqs",
                "send_message_batch",
                {"QueueUrl": QUEUE, "Entries": []},
                [("sqs:SendMessage", f"arn:aws:sqs:{PLACE}:mails")],
            ),
            ("dynamodb", "query", {"TableName": "t", "IndexName": "day"}, [("dynamodb:Query", f"{TABLE}/index/day")]),
            (
                "dynamodb",
                "transact_write_items",
                transaction(),
                [("dynamodb:PutItem", TABLE), ("dynamodb:DeleteItem", f"{TABLE[:-1]}u")],
            ),
            (
                "dynamodb",
                "batch_get_item",
                {"RequestItems": {"t": {"Keys": [ITEM]}}},
                [("dynamodb:BatchGetItem", TABLE)],
            ),
            ("s3", "list_objects_v2", {"Bucket": "b", "Prefix": "x/"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
            ("s3", "head_object", {"Bucket": "b", "Key": "k/l m"}, [("s3:GetObject", "arn:aws:s3:::b/k/l m")]),
            (
                "s3",
                "upload_part",
                {"Bucket": "b", "Key": "k", "PartNumber": 1, "UploadId": "u"},
                [("s3:PutObject", "arn:aws:s3:::b/k")],
            ),
            (
                "s3",
                "copy_object",
                {"Bucket": "b", "Key": "k", "CopySource": "c/d"},
                [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObject", "arn:aws:s3:::c/d")],
            ),
            ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
            (
                "s3",
                "delete_objects",
                {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}]}},
                [("s3:DeleteObject", "arn:aws:s3:::b/*")],
            ),
            ("ssm", "get_parameters", {"Names": ["/a/b", "c"]}, [parameter("a/b"), parameter("c")]),
            (
                "secretsmanager",
                "get_secret_value",
                {"SecretId": "a/b"},
                [("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{PLACE}:secret:a/b")],
            ),
            (
                "sns",
                "publish",
                {"TopicArn": f"arn:aws:sns:{PLACE}:t", "Message": "x"},
                [("sns:Publish", f"arn:aws:sns:{PLACE}:t")],
            ),
            (
                "lambda",
                "invoke",
                {"FunctionName": "f"},
                [("lambda:InvokeFunction", f"arn:aws:lambda:{PLACE}:function:f")],
            ),
            ("sts", "get_caller_identity", {}, []),
            (
                "events",
                "put_events",
                {"Entries": [{"Detail": "{}"}]},
                [("events:PutEvents", f"arn:aws:events:{PLACE}:event-bus/default")],
            ),
            ("cloudwatch", "put_metric_data", {"Namespace": "n"}, [("cloudwatch:PutMetricData", "*")]),
            ("bedrock-runtime", "converse", {"modelId": "a.b", "messages": []}, [("bedrock:InvokeModel", "*")]),
            ("xray", "put_trace_segments", {"TraceSegmentDocuments": []}, [("xray:PutTraceSegments", "*")]),
        ]
    ),
)
def test_what_a_call_needs(service: str, operation: str, parameters: dict[str, Any], needs: list[Any]) -> None:
    request = sent(service, operation, parameters)
    body = request.body.encode() if isinstance(request.body, str) else bytes(request.body or b"")
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    call = read_call(request.method, request.url.removeprefix(ENDPOINT), headers, body, account=ACCOUNT)
    assert call is not None
    assert call.key == "AKIAEXAMPLE"
    assert list(call.needs) == needs


@pytest.mark.parametrize(("region", "partition"), [("us-gov-east-1", "aws-us-gov"), ("cn-north-1", "aws-cn")])
def test_what_a_call_names_is_in_the_partition_of_its_region(region: str, partition: str) -> None:
    def needed(service: str, **headers: str) -> str:
        signed = f"AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/{region}/{service}/aws4_request"
        body = b'{"TableName": "t"}' if service == "dynamodb" else b""
        call = read_call("GET", "/bucket/key", {"authorization": signed, **headers}, body, account=ACCOUNT)
        assert call is not None
        return call.needs[0][1]

    table = needed("dynamodb", **{"x-amz-target": "DynamoDB_20120810.Scan"})
    assert table == f"arn:{partition}:dynamodb:{region}:{ACCOUNT}:table/t"
    assert needed("s3") == f"arn:{partition}:s3:::bucket/key"


def test_who_signed_an_address_is_in_its_query_and_what_is_not_signed_is_nobodys() -> None:
    signed = "/b/k?X-Amz-Credential=AKIAX%2F20260101%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Signature=0"
    call = read_call("GET", signed, {}, b"", account=ACCOUNT)
    assert call is not None
    assert (call.key, call.needs) == ("AKIAX", (("s3:GetObject", "arn:aws:s3:::b/k"),))
    assert read_call("GET", "/b/k", {}, b"", account=ACCOUNT) is None
