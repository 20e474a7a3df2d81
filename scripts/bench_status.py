"""Times ``nova status`` over three environments of 45 services each: part of ``make bench``.

AWS is a local server that answers each call after 80 ms. Exits with 1 when the limit is passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ROOT = Path(__file__).parents[1]
SERVICES = 45
ALARMS = ("errors", "unanswered", "latency", "cpu", "memory", "unhealthy", "running")
LATENCY_SECONDS = 0.08
MAX_SECONDS = 5.0
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true"}


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log(self, *_: object, **__: object) -> None:
        """Say nothing."""


class Slow:
    """An application whose answers take their time, once ``seconds`` is set."""

    def __init__(self, application: Any) -> None:
        """Wrap it."""
        self._application = application
        self.seconds = 0.0
        self.calls = 0

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        self.calls += 1
        time.sleep(self.seconds)
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer


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

    ecs, cloudwatch, prefix = client("ecs"), client("cloudwatch"), f"nova-{name}"
    ecs.create_cluster(clusterName=prefix)
    container = {"name": "app", "image": "r/app:tag", "memory": 512, "cpu": 256}
    ecs.register_task_definition(family=prefix, containerDefinitions=[container])
    for number in range(SERVICES):
        service = f"{prefix}-service-{number:02}"
        ecs.create_service(cluster=prefix, serviceName=service, taskDefinition=prefix, desiredCount=2)
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
    application = Slow(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as directory:
        raw = (ROOT / "tests/unit/nova.toml").read_text(encoding="utf-8")
        Path(directory, "nova.toml").write_text(raw, encoding="utf-8")
        environments = tomllib.loads(raw)["environments"]
        for environment in environments:
            populate(url, environment["name"], environment["account"], environment["region"])
        application.seconds, application.calls = LATENCY_SECONDS, 0
        began = time.perf_counter()
        result = subprocess.run(
            [Path(sys.executable).with_name("nova"), "status"],
            cwd=directory,
            env={**os.environ, "AWS_ENDPOINT_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
    server.shutdown()
    rows = sum("service-" in line for line in result.stdout.splitlines())
    print(
        f"nova status: {len(environments)} environments, {rows} services, {application.calls} calls of "
        f"{LATENCY_SECONDS * 1000:.0f} ms and more: {seconds:.1f} s (at most {MAX_SECONDS:.0f} s)"
    )
    if result.returncode or rows != SERVICES * len(environments):
        print(result.stdout[-2000:], result.stderr, file=sys.stderr)
        return 1
    return 0 if seconds <= MAX_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
