"""Times the first picture of ``nova watch`` over 45 services under deployment: in ``make bench``.

AWS is a local server that answers each call after 80 ms. Exits with 1 when the limit is passed.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench_server import CREDENTIALS, LATENCY_SECONDS, SlowServer, project

SERVICES = [f"service-{number:02}" for number in range(45)]
MAX_SECONDS = 1.5
ROLE = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>bench</AccessKeyId><SecretAccessKey>bench</SecretAccessKey><SessionToken>bench</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


def arn(kind: str, name: str) -> str:
    """An ARN of ECS."""
    return f"arn:aws:ecs:us-east-1:333333333333:{kind}/nova-prod/nova-prod-{name}"


def answer(operation: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What ECS says."""
    tasks = {"requestedTaskCount": 2, "runningTaskCount": 2, "requestedProductionTrafficWeight": 10.0}
    match operation:
        case "ListServices":
            return {"serviceArns": [arn("service", name) for name in SERVICES]}
        case "DescribeServices":
            return {
                "services": [
                    {
                        "serviceName": name,
                        "serviceArn": arn("service", name.removeprefix("nova-prod-")),
                        "status": "ACTIVE",
                        "currentServiceDeployment": arn("service-deployment", name.removeprefix("nova-prod-")),
                    }
                    for name in asked["services"]
                ]
            }
        case "DescribeServiceDeployments":
            return {
                "serviceDeployments": [
                    {
                        "serviceDeploymentArn": each,
                        "serviceArn": each.replace("service-deployment", "service"),
                        "status": "IN_PROGRESS",
                        "lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT",
                        "targetServiceRevision": {"arn": each.replace("deployment", "revision"), **tasks},
                        "deploymentConfiguration": {"strategy": "CANARY"},
                    }
                    for each in asked["serviceDeploymentArns"]
                ]
            }
        case "DescribeServiceRevisions":
            return {"serviceRevisions": [{"serviceRevisionArn": each} for each in asked["serviceRevisionArns"]]}
    raise AssertionError(f"{operation} is not part of the first picture")


def aws(environ: Any, start_response: Any) -> Iterable[bytes]:
    """AWS, as far as the first picture needs it."""
    operation = environ.get("HTTP_X_AMZ_TARGET", "AssumeRole").rpartition(".")[2]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
    return [ROLE.encode() if operation == "AssumeRole" else json.dumps(answer(operation, json.loads(body))).encode()]


def main() -> int:
    """Run it until it has said something of every service, and print a line."""
    server = SlowServer(aws)
    server.seconds = LATENCY_SECONDS
    with project(SERVICES) as directory:
        began = time.perf_counter()
        running = subprocess.Popen(
            [Path(sys.executable).with_name("nova"), "watch", "prod"],
            cwd=directory,
            env={**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": server.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert running.stdout is not None, "it is a pipe"
        try:
            lines = [running.stdout.readline() for _ in SERVICES]
            seconds, calls = time.perf_counter() - began, len(server.calls)
        finally:
            running.terminate()
            running.wait()
    server.stop()
    print(
        f"nova watch: first picture of {len(SERVICES)} rollouts, {calls} calls of {LATENCY_SECONDS * 1000:.0f} ms: "
        f"{seconds:.1f} s (at most {MAX_SECONDS} s)"
    )
    if not all("service-" in line for line in lines):
        print("".join(lines), file=sys.stderr)
        return 1
    return 0 if seconds <= MAX_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
