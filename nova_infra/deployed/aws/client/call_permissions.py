"""Finds the IAM permissions that a signed AWS request needs, and words a denial as AWS does.

Which action an operation is authorized by, and on what: the "Actions, resources, and condition keys" of each service,
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html.
What is not known here is taken to be on anything.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import botocore.exceptions
import botocore.loaders

from nova_infra.names import partition_of

_SIGNED = re.compile(
    r"(?P<key>[^/=]+)/(?P<date>\d{8})/(?P<region>[\w-]*)/(?P<service>[\w-]+)/aws4_request", flags=re.ASCII
)
_JSON, _QUERY, _S3, _REST = "json", "query", "s3", "rest"
# Where the name that requests are signed for is not that of IAM's actions.
_PREFIXES = {"monitoring": "cloudwatch", "email": "ses", "bedrock-runtime": "bedrock", "appconfigdata": "appconfig"}
_BY_ITS_TEXT = ("dynamodb:ExecuteStatement", "dynamodb:BatchExecuteStatement", "dynamodb:ExecuteTransaction")
"""Operations whose permission depends on the text of their statement, which is not read."""
# Where an operation needs the permission for another one, or for none.
_ACTIONS = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sns:PublishBatch": "sns:Publish",
    "lambda:Invoke": "lambda:InvokeFunction",
    "lambda:InvokeWithResponseStream": "lambda:InvokeFunction",
    "bedrock:Converse": "bedrock:InvokeModel",
    "bedrock:ConverseStream": "bedrock:InvokeModelWithResponseStream",
    **dict.fromkeys(_BY_ITS_TEXT, ""),
    "sts:GetCallerIdentity": "",
    "sts:GetSessionToken": "",
}


@dataclass(frozen=True)
class AwsCall:
    """One call.

    Attributes:
        service: What it was signed for, such as ``sqs``.
        needs: IAM action and ARN of each permission that it takes; the ARN is ``*`` where it is not known.
        protocol: How the service writes its answers: ``json``, ``query``, ``s3`` or ``rest``.
        is_known: Whether this is all that it needs.
    """

    key: str
    service: str
    needs: tuple[tuple[str, str], ...]
    protocol: str
    is_known: bool = True


def read_call(method: str, target: str, headers: Mapping[str, str], body: bytes, *, account: str) -> AwsCall | None:
    """What a request asks for; None where it is not signed.

    Args:
        headers: Its headers, whatever their case.
        account: The account of what it names without an account.
    """
    headers = {name.lower(): value for name, value in headers.items()}
    path, _, query = target.partition("?")
    asked = parse_qs(query, keep_blank_values=True)
    signed = _SIGNED.search(headers.get("authorization", "") or next(iter(asked.get("X-Amz-Credential", [])), ""))
    if signed is None:
        return None
    service, region = signed["service"], signed["region"]
    prefix, place = _PREFIXES.get(service, service), f"{region}:{account}"
    if service in ("s3", "s3express"):
        needs = tuple(_of_s3(method, path, asked, headers, partition_of(region)))
        return AwsCall(signed["key"], service, needs, _S3, is_known=bool(needs))
    if name := headers.get("x-amz-target"):
        operation, given, protocol = name.rpartition(".")[2], _object(body), _JSON
    elif "form-urlencoded" in headers.get("content-type", "") or "Action" in asked:
        form = {**asked, **parse_qs(body.decode("utf-8", "replace"))}
        given, protocol = {name: values[0] for name, values in form.items()}, _QUERY
        operation = str(given.get("Action", ""))
    else:
        operation, given = rest_operation(service, method, path)
        given, protocol = {**_object(body), **given}, _REST
    needs = tuple(_needs(prefix, operation, given, place)) if operation else ()
    is_known = bool(operation) and f"{prefix}:{operation}" not in _BY_ITS_TEXT
    return AwsCall(signed["key"], service, needs, protocol, is_known)


def denial(call: AwsCall, action: str, resource: str, caller: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of AWS's answer to a denied call (IAM: troubleshoot_access-denied)."""
    on = f" on resource: {resource}" if resource != "*" else ""
    text = (
        f"User: {caller} is not authorized to perform: {action}{on} because no identity-based policy allows the "
        f"{action} action"
    )
    match call.protocol:
        case "s3":
            return 403, {"Content-Type": "application/xml"}, _xml("Error", f"<Message>{text}</Message>")
        case "query":
            inner = f"<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{text}</Message></Error>"
            return 403, {"Content-Type": "text/xml"}, f"<ErrorResponse>{inner}</ErrorResponse>".encode()
    sqs = {"x-amzn-query-error": "AccessDenied;Sender"} if call.service == "sqs" else {}
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-ErrorType": "AccessDeniedException", **sqs}
    said = json.dumps({"__type": "AccessDeniedException", "message": text, "Message": text}).encode()
    return (400 if call.protocol == _JSON else 403), headers, said


def _xml(name: str, more: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}><Code>AccessDenied</Code>{more}</{name}>'.encode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _needs(prefix: str, operation: str, given: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    if prefix == "dynamodb" and (several := list(_of_items(operation, given))):
        for action, table in several:
            yield f"dynamodb:{action}", _table(table, None, place)
        return
    action = _ACTIONS.get(f"{prefix}:{operation}", f"{prefix}:{operation}")
    if action:
        for resource in _resources(prefix, operation, given, place):
            yield action, resource


def _of_items(operation: str, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What DynamoDB's calls on several items need: a permission for each kind of item and its table."""
    if operation in ("BatchGetItem", "BatchWriteItem"):
        for table in given.get("RequestItems") or {}:
            yield operation, table
    if operation in ("TransactWriteItems", "TransactGetItems"):
        for item in given.get("TransactItems") or ():
            for kind, what in item.items():
                yield ("ConditionCheckItem" if kind == "ConditionCheck" else f"{kind}Item"), what.get("TableName", "*")


def _aws(place: str) -> str:
    """The partition of ``region:account``."""
    return partition_of(place.partition(":")[0])


def _table(name: str, index: str | None, place: str) -> str:
    arn = name if name.startswith("arn:") or name == "*" else f"arn:{_aws(place)}:dynamodb:{place}:table/{name}"
    return f"{arn}/index/{index}" if index else arn


def _resources(prefix: str, operation: str, given: Mapping[str, Any], place: str) -> list[str]:
    """ARNs of what a call is about; ``*`` where it does not say, or where this is not known here."""

    def named(key: str, arn: str) -> list[str]:
        name = str(given.get(key) or "")
        return [
            name if name.startswith("arn:") else arn.format(aws=_aws(place), place=place, name=name) if name else "*"
        ]

    match prefix:
        case "sqs":
            url = str(given.get("QueueUrl") or "")
            name = urlsplit(url).path.rpartition("/")[2] or str(given.get("QueueName") or "")
            return [f"arn:{_aws(place)}:sqs:{place}:{name}" if name else "*"]
        case "dynamodb":
            return [_table(str(given.get("TableName") or "*"), given.get("IndexName"), place)]
        case "sns":
            return [str(given.get("TopicArn") or given.get("TargetArn") or "*")]
        case "ssm" if operation.startswith("GetParameter") or operation.endswith("Parameter"):
            names = given.get("Names") or [given.get("Name") or given.get("Path") or "*"]
            return [_parameter(str(each), place) for each in names]
        case "secretsmanager":
            return named("SecretId", "arn:{aws}:secretsmanager:{place}:secret:{name}")
        case "lambda":
            return [
                each.removesuffix(":$LATEST")
                for each in named("FunctionName", "arn:{aws}:lambda:{place}:function:{name}")
            ]
        case "states":
            return [str(given.get("stateMachineArn") or "*")]
        case "events" if operation == "PutEvents":
            names = sorted({str(each.get("EventBusName") or "default") for each in given.get("Entries") or ()})
            return [
                each if each.startswith("arn:") else f"arn:{_aws(place)}:events:{place}:event-bus/{each}"
                for each in names
            ]
        case "kinesis":
            return (
                [str(given["StreamARN"])]
                if given.get("StreamARN")
                else named("StreamName", "arn:{aws}:kinesis:{place}:stream/{name}")
            )
        case "firehose":
            return named("DeliveryStreamName", "arn:{aws}:firehose:{place}:deliverystream/{name}")
    return ["*"]


def _parameter(name: str, place: str) -> str:
    if name.startswith("arn:") or name == "*":
        return name
    return f"arn:{_aws(place)}:ssm:{place}:parameter/{name.lstrip('/').partition(':')[0]}"


# Operations on buckets and objects by what the query holds. https://docs.aws.amazon.com/AmazonS3/latest/userguide/
# using-with-s3-policy-actions.html
_BUCKET_GETS = {
    "location": "GetBucketLocation",
    "versioning": "GetBucketVersioning",
    "versions": "ListBucketVersions",
    "uploads": "ListBucketMultipartUploads",
    "policy": "GetBucketPolicy",
    "acl": "GetBucketAcl",
    "cors": "GetBucketCORS",
    "tagging": "GetBucketTagging",
    "lifecycle": "GetLifecycleConfiguration",
    "notification": "GetBucketNotification",
    "encryption": "GetEncryptionConfiguration",
}
_OBJECT_CALLS = {
    ("GET", "acl"): "GetObjectAcl",
    ("GET", "tagging"): "GetObjectTagging",
    ("GET", "uploadId"): "ListMultipartUploadParts",
    ("GET", "attributes"): "GetObjectAttributes",
    ("GET", "versionId"): "GetObjectVersion",
    ("HEAD", "versionId"): "GetObjectVersion",
    ("PUT", "acl"): "PutObjectAcl",
    ("PUT", "tagging"): "PutObjectTagging",
    ("POST", "restore"): "RestoreObject",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("DELETE", "tagging"): "DeleteObjectTagging",
    ("DELETE", "versionId"): "DeleteObjectVersion",
}
_OBJECTS = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "POST": "PutObject", "DELETE": "DeleteObject"}


def _of_s3(
    method: str, path: str, asked: Mapping[str, list[str]], headers: Mapping[str, str], partition: str
) -> Iterator[tuple[str, str]]:
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    if (host := headers.get("host", "").partition(":")[0]) and (
        named := re.match(r"(.+)\.(localhost|s3[.-].*)$", host)
    ):
        bucket, key = named[1], unquote(path).lstrip("/")
    arn = f"arn:{partition}:s3:::{bucket}"
    if not bucket:
        yield "s3:ListAllMyBuckets", "*"
    elif not key:
        if method == "POST" and "delete" in asked:
            yield "s3:DeleteObject", f"{arn}/*"
        elif method in ("GET", "HEAD"):
            found = next((action for name, action in _BUCKET_GETS.items() if name in asked), "ListBucket")
            yield f"s3:{found}", arn
        elif not asked and method in ("PUT", "DELETE"):
            yield ("s3:CreateBucket" if method == "PUT" else "s3:DeleteBucket"), arn
    else:
        found = next((action for (verb, name), action in _OBJECT_CALLS.items() if verb == method and name in asked), "")
        if found or method in _OBJECTS:
            yield f"s3:{found or _OBJECTS[method]}", f"{arn}/{key}"
        if method == "PUT" and (source := headers.get("x-amz-copy-source")):
            yield "s3:GetObject", f"arn:{partition}:s3:::{unquote(source).lstrip('/').partition('?')[0]}"


# Where botocore's name of a service is not the one that requests to it are signed for.
_MODELS = {
    "ses": "sesv2",
    "email": "sesv2",
    "bedrock": "bedrock-runtime",
    "appconfig": "appconfigdata",
    "execute-api": "",
}


def rest_operation(service: str, method: str, path: str) -> tuple[str, dict[str, str]]:
    """Name of the operation and what its path holds; an empty name where it is not known.

    Args:
        service: What the request was signed for.
    """
    if named := re.fullmatch(
        r"/service/[^/]+/operation/(\w+)", path
    ):  # https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
        return named[1], {}
    for verb, pattern, name in _operations(_MODELS.get(service, service)):
        if verb == method and (found := pattern.fullmatch(path)):
            return name, {key: unquote(value) for key, value in found.groupdict().items()}
    return "", {}


@cache
def _operations(name: str) -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path and name of each operation, the paths with the most fixed text first."""
    try:
        model: dict[str, Any] = botocore.loaders.create_loader().load_service_model(name, "service-2")
    except (botocore.exceptions.DataNotFoundError, botocore.exceptions.UnknownServiceError):
        return []
    found = [
        (str(each["http"]["method"]), str(each["http"]["requestUri"]).partition("?")[0], operation)
        for operation, each in model["operations"].items()
    ]
    found.sort(key=lambda each: -len(re.sub(r"\{[^}]*\}", "", each[1])))
    return [(method, _pattern(uri), operation) for method, uri, operation in found]


def _pattern(uri: str) -> re.Pattern[str]:
    parts = re.split(r"\{([^}]*)\}", uri.rstrip("/") or "/")
    texts = [
        re.escape(part)
        if at % 2 == 0
        else f"(?P<{re.sub(r'[^A-Za-z0-9_]', '_', part.rstrip('+'))}>{'.+' if part.endswith('+') else '[^/]+'})"
        for at, part in enumerate(parts)
    ]
    return re.compile("".join(texts) + "/?")
