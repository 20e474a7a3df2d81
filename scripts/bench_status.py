"""Times ``nova status`` over three environments of 45 services each: part of ``make bench``.

AWS is a local server that answers each call after 80 ms. Exits with 1 when the limit is passed.
"""

import json
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import boto3
from bench_server import CREDENTIALS, LATENCY_SECONDS, SlowServer, project
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from nova_infra.names import REVISION_OUTPUT

SERVICES = [f"service-{number:02}" for number in range(45)]
ALARMS = ("errors", "unanswered", "latency", "cpu", "memory", "unhealthy", "running")
MAX_SECONDS = 5.0
# A service without a stack is not Nova's: status would only say so.
TOPIC = {"Topic": {"Type": "AWS::SNS::Topic"}}


def populate(url: str, name: str, account: str, region: str) -> None:
    """Deploy an environment, as far as ``nova status`` looks."""
    sts = boto3.client("sts", endpoint_url=url, region_name=region)
    role = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/populate", RoleSessionName="bench")["Credentials"]

    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=url,
            region_name=region,
            aws_access_key_id=role["AccessKeyId"],
            aws_secret_access_key=role["SecretAccessKey"],
            aws_session_token=role["SessionToken"],
        )

    ecs, cloudwatch, cloudformation, prefix = (
        client("ecs"),
        client("cloudwatch"),
        client("cloudformation"),
        f"nova-{name}",
    )
    ecs.create_cluster(clusterName=prefix)
    container = {"name": "app", "image": "r/app:tag", "memory": 512, "cpu": 256}
    made = ecs.register_task_definition(family=prefix, containerDefinitions=[container])["taskDefinition"]
    outputs = {REVISION_OUTPUT: {"Value": made["taskDefinitionArn"]}}
    stack = json.dumps({"Resources": TOPIC, "Outputs": outputs})
    for each in SERVICES:
        service = f"{prefix}-{each}"
        ecs.create_service(cluster=prefix, serviceName=service, taskDefinition=prefix, desiredCount=2)
        cloudformation.create_stack(StackName=service, TemplateBody=stack)
        for kind in ALARMS:
            cloudwatch.put_metric_alarm(
                AlarmName=f"{service}-{kind}",
                Namespace="n",
                MetricName="m",
                Statistic="Sum",
                Period=60,
                EvaluationPeriods=1,
                Threshold=1,
                ComparisonOperator="GreaterThanThreshold",
            )


def main() -> int:
    """Run it and print a line."""
    os.environ |= CREDENTIALS
    server = SlowServer(DomainDispatcherApplication(create_backend_app))
    with project(SERVICES) as directory:
        environments = tomllib.loads((directory / "nova.toml").read_text(encoding="utf-8"))["environments"]
        for environment in environments:
            populate(server.url, environment["name"], environment["account"], environment["region"])
        server.seconds = LATENCY_SECONDS
        server.calls.clear()
        began = time.perf_counter()
        result = subprocess.run(
            [Path(sys.executable).with_name("nova"), "status"],
            cwd=directory,
            env={**os.environ, "AWS_ENDPOINT_URL": server.url},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
    server.stop()
    rows = sum("service-" in line for line in result.stdout.splitlines())
    print(
        f"nova status: {len(environments)} environments, {rows} services, {len(server.calls)} calls of "
        f"{LATENCY_SECONDS * 1000:.0f} ms and more: {seconds:.1f} s (at most {MAX_SECONDS:.0f} s)"
    )
    if result.returncode or rows != len(SERVICES) * len(environments):
        print(result.stdout[-2000:], result.stderr, file=sys.stderr)
        return 1
    return 0 if seconds <= MAX_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
