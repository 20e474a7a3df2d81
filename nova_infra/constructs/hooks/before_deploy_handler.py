"""The Lambda code of ``before_deploy``: runs the command in the new image before the service takes it."""

import json
import os
import time
import urllib.request
from typing import Any

import boto3

from nova_infra.documents.last_words import telling_first


def handler(event: Any, context: Any) -> None:
    """Answer CloudFormation: FAILED, with what the command said, deploys nothing."""
    status, reason, wanted = "SUCCESS", "done", event["ResourceProperties"]
    try:
        if event["RequestType"] != "Delete":
            run(wanted, event, context)
    except Exception as error:  # CloudFormation would wait an hour for an answer
        status, reason = "FAILED", f"{wanted.get('Setting', 'before_deploy')} {error}"[:1500]
    physical = event.get("PhysicalResourceId") or event["LogicalResourceId"]
    same = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    body = json.dumps({"Status": status, "Reason": reason, "PhysicalResourceId": physical, **same}).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT")  # noqa: S310 - of CloudFormation
    urllib.request.urlopen(request, timeout=30)  # noqa: S310


def run(wanted: Any, event: Any, context: Any) -> None:
    """Run the command, unless it has run before for this image and these settings in this stack, as in a rollback.

    What ran in a stack that is gone does not count, as its database may be. Old entries name no stack.
    """
    key = f"{event['StackId'].rsplit('/', 1)[-1][:8]}-{wanted['Key']}"
    ssm, name = boto3.client("ssm"), wanted["Done"]
    try:
        done = ssm.get_parameter(Name=name)["Parameter"]["Value"].split(",")
    except ssm.exceptions.ParameterNotFound:
        done = []
    if event["RequestType"] == "Create":
        done = [each for each in done if "-" in each]
    if key in done or wanted["Key"] in done:
        return
    ecs, cluster, container = boto3.client("ecs"), wanted["Cluster"], wanted["Container"]
    network = {"subnets": wanted["Subnets"], "securityGroups": wanted["SecurityGroups"], "assignPublicIp": "DISABLED"}
    started = ecs.run_task(
        cluster=cluster,
        taskDefinition=wanted["Family"],
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
        overrides={"containerOverrides": [{"name": container, "command": wanted["Command"]}]},
        clientToken=event["RequestId"],
        startedBy="before-deploy",
    )
    if not started["tasks"]:
        raise RuntimeError(f"failed: ECS started no task: {started['failures']}")
    arn = started["tasks"][0]["taskArn"]
    end = time.monotonic() + int(wanted["Seconds"])
    while True:
        [task] = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
        if task["lastStatus"] == "STOPPED":
            break
        if time.monotonic() > end or context.get_remaining_time_in_millis() < 45000:
            ecs.stop_task(cluster=cluster, task=arn, reason="it took too long")
            raise RuntimeError(f"did not end in time: {said(wanted, arn)}")
        time.sleep(5)
    [own] = [each for each in task["containers"] if each["name"] == container]
    if own.get("exitCode") != 0:
        why = own.get("reason") or task.get("stoppedReason", "")
        raise RuntimeError(f"exited with {own.get('exitCode')} ({why}): {said(wanted, arn)}")
    value = ",".join([*done, key][-100:])
    ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def said(wanted: Any, arn: str) -> str:
    """What the command printed last, below why it failed."""
    stream = f"{wanted['LogPrefix']}/{wanted['Container']}/{arn.rsplit('/', 1)[1]}"
    try:
        events = boto3.client("logs", region_name=os.environ["AWS_REGION"]).get_log_events(
            logGroupName=wanted["LogGroup"], logStreamName=stream, limit=30
        )["events"]
    except Exception as error:  # the reason has to reach CloudFormation
        return f"its log is not there ({type(error).__name__})"
    return " | ".join(telling_first([each["message"] for each in events]))
