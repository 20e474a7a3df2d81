"""Times ``nova rollback`` for 4 and 45 services, and the first line of ``nova logs``: in ``make bench``.

AWS is a local server that answers each call after 80 ms, at most five DescribeStacks a second, and updates a stack at
once: what is measured is what Nova adds to the slowest update. It runs no tasks, so that the verification at the end
looks once, and fails. Exits with 1 when a limit is passed.
"""

import hashlib
import io
import json
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
import httpx
from bench_server import CREDENTIALS, LATENCY_SECONDS, SlowServer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from nova_infra.operations.records.ledger import Entry, ReleasedImage, encode_entry

DESCRIBES_A_SECOND = 5
RUNS = 3
# Services to the seconds that may pass from Enter to the end, with updates that take none.
LIMITS = {4: 5.0, 45: 10.0}
FIRST_CALL_SECONDS = 1.0
FIRST_LINE_SECONDS = 2.0
PREFIX, REGION, REGISTRY = "nova-prod", "us-east-1", "123456789012.dkr.ecr.us-east-1.amazonaws.com"
NOVA = Path(sys.executable).with_name("nova")


class ThrottlingServer(SlowServer):
    """AWS, which takes its time and throttles one operation.

    Attributes:
        operations: When each call came, and its operation.
        throttled: How many calls were throttled.
    """

    def __init__(self) -> None:
        """Begin to answer, at once at first."""
        self.operations: list[tuple[float, str]] = []
        self.throttled = 0
        self._described: list[float] = []
        super().__init__(DomainDispatcherApplication(create_backend_app))

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        if not operation:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            operation = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
        now = time.perf_counter()
        self.operations.append((now, operation))
        if self.seconds and operation == "DescribeStacks":
            self._described = [at for at in self._described if now - at < 1]
            if len(self._described) >= DESCRIBES_A_SECOND:
                self.throttled += 1
                time.sleep(self.seconds)
                start_response("400 Bad Request", [("Content-Type", "text/xml")])
                error = "<Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error>"
                return [f"<ErrorResponse>{error}</ErrorResponse>".encode()]
            self._described.append(now)
        return super().__call__(environ, start_response)


def template(service: str, tag: str) -> dict[str, Any]:
    """As much of a service's template as a rollback changes."""
    container = {
        "Name": "app",
        "Image": f"{REGISTRY}/nova/{service}:{tag}",
        "Memory": 128,
        "Environment": [{"Name": "NOVA_RELEASE", "Value": tag}],
    }
    definition = {"Family": f"{PREFIX}-{service}", "ContainerDefinitions": [container]}
    running = {
        "Cluster": PREFIX,
        "ServiceName": f"{PREFIX}-{service}",
        "TaskDefinition": {"Ref": "Definition"},
        "DesiredCount": 0,
    }
    return {
        "Resources": {
            "Definition": {"Type": "AWS::ECS::TaskDefinition", "Properties": definition},
            "Service": {"Type": "AWS::ECS::Service", "Properties": running},
        }
    }


def populate(url: str, count: int) -> None:
    """Deploy an environment at its second release."""

    def client(service: str) -> Any:
        return boto3.client(service, endpoint_url=url, region_name=REGION)

    ecr, ssm, cloudformation, logs = (client(name) for name in ("ecr", "ssm", "cloudformation", "logs"))
    client("ecs").create_cluster(clusterName=PREFIX)
    cloudformation.create_stack(
        StackName=f"{PREFIX}-platform",
        TemplateBody=json.dumps(
            {"Resources": {"T": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"Url": {"Value": "http://127.0.0.1:9"}}}
        ),
    )
    names = [f"service-{number:02}" for number in range(count)]
    for number in (1, 2):
        images = {}
        for name in names:
            if number == 1:
                ecr.create_repository(repositoryName=f"nova/{name}")
            digest = f"sha256:{hashlib.sha256(f'{name}{number}'.encode()).hexdigest()}"
            manifest = {"schemaVersion": 2, "config": {"digest": digest}, "layers": [{"digest": digest}]}
            media = "application/vnd.oci.image.manifest.v1+json"
            put = ecr.put_image(
                repositoryName=f"nova/{name}",
                imageManifest=json.dumps({**manifest, "mediaType": media}),
                imageTag=f"v{number}",
            )
            images[name] = ReleasedImage(f"v{number}", put["image"]["imageId"]["imageDigest"])
            body = json.dumps(template(name, f"v{number}"))
            deploy = cloudformation.create_stack if number == 1 else cloudformation.update_stack
            deploy(StackName=f"{PREFIX}-{name}", TemplateBody=body)
        entry = Entry(f"{number}" * 40, images, datetime.now(UTC).replace(microsecond=0), "verified", "bench")
        ssm.put_parameter(
            Name="/nova/prod/release",
            Value=encode_entry(entry),
            Type="String",
            Overwrite=True,
            Tier="Intelligent-Tiering",
        )
    group, stream = f"{PREFIX}-service-00-Logs-1", f"{PREFIX}-service-00/app/1"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    event = {"timestamp": int(time.time() * 1000), "message": "a line"}
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[event])


def roll_back(server: ThrottlingServer, directory: str) -> tuple[float, float, float]:
    """Seconds from the start to the first call of CloudFormation, and from Enter to its first and to the end."""
    master, slave = pty.openpty()
    began = time.perf_counter()
    server.operations.clear()
    process = subprocess.Popen(
        [NOVA, "rollback", "prod", "--region", REGION, "--wait", "0"],
        cwd=directory,
        env={**os.environ, "AWS_ENDPOINT_URL": server.url},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    said = b""
    entered = 0.0
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        said += part
        if not entered and b"Type prod to roll it back" in said:
            planned = len(server.operations)
            entered = time.perf_counter()
            os.write(master, b"prod\n")
    process.wait()
    ended = time.perf_counter()
    os.close(master)
    if process.returncode != 1 or b"rolling back" not in said or b"is scaled to zero" not in said:
        raise SystemExit(f"rollback: ended with {process.returncode}:\n{said.decode(errors='replace')[-2000:]}")
    theirs = {"DescribeStacks", "GetTemplate", "CreateChangeSet", "ExecuteChangeSet"}
    start = next(at for at, operation in server.operations if operation in theirs) - began
    first = next(at for at, operation in server.operations[planned:] if operation in theirs) - entered
    return start, first, ended - entered


def first_line(server: ThrottlingServer, directory: str) -> float:
    """Seconds until ``nova logs`` shows something."""
    began = time.perf_counter()
    command = [str(NOVA), "logs", "service-00", "prod", "--region", REGION]
    environment = {**os.environ, "AWS_ENDPOINT_URL": server.url}
    with subprocess.Popen(command, cwd=directory, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - began
    if "a line" not in line:
        raise SystemExit(f"nova logs: showed {line!r}")
    return seconds


def main() -> int:
    """Run it and print a line for each figure."""
    os.environ |= CREDENTIALS
    os.environ.pop("AWS_SESSION_TOKEN", None)
    within = True
    for count, limit in LIMITS.items():
        starts, firsts, totals, throttled = [], [], [], 0
        for _ in range(RUNS if count < 10 else 1):
            server = ThrottlingServer()
            httpx.post(f"{server.url}/moto-api/reset").raise_for_status()
            populate(server.url, count)
            server.seconds = LATENCY_SECONDS
            with tempfile.TemporaryDirectory() as directory:
                start, first, whole = roll_back(server, directory)
                starts.append(start)
                firsts.append(first)
                totals.append(whole)
                throttled += server.throttled
                line = first_line(server, directory)
            server.stop()
        first, whole = statistics.median(firsts), statistics.median(totals)
        print(
            f"nova rollback, {count} services: first call to CloudFormation {statistics.median(starts):.2f} s after "
            f"the start, {first:.2f} s after Enter (at most {FIRST_CALL_SECONDS:.1f} s), slowest update "
            f"plus {whole:.1f} s (at most {limit:.0f} s), {throttled} DescribeStacks throttled"
        )
        within = within and whole <= limit and first <= FIRST_CALL_SECONDS
    print(f"nova logs: first line after {line:.2f} s (at most {FIRST_LINE_SECONDS:.0f} s)")
    return 0 if within and line <= FIRST_LINE_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
