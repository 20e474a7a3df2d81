"""Further faults and edits on the miniature: of HTTP, of processes, and of values that AWS does not take: `make faults`."""

from typing import Any

import pytest

from faults.edits import alarm, changed, container, container_of, groups, resource, rule, service
from faults.programs import FAILS
from nova_infra.assembly import Template
from nova_infra.config import Dependency


def dependency(**more: Any) -> Dependency:
    """What takes connections and keeps them, in the image that the services' own have as their base."""
    listens = "import socket, time; s = socket.create_server(('', 7000), backlog=128); time.sleep(3600)"
    return Dependency(
        name="database", image="localhost/python:3.13-slim", port=7000, command=("python", "-c", listens),
        provides={"DATABASE": "{port}"}, **more,
    )  # fmt: skip


def answer(text: str, *, path: str = "/tiny/1") -> str:
    """Python that answers with bytes of its own and closes the connection."""
    return (
        f"if path == '{path}':\n    self.wfile.write({text})\n    self.wfile.flush()\n"
        "    self.connection.shutdown(2)\n    self.close_connection = True\n    return"
    )


def attribute(key: str, value: str) -> Any:
    return groups(TargetGroupAttributes=[{"Key": key, "Value": value}])


def in_dev_too(edit: Any) -> Any:
    def edited(templates: dict[str, Template]) -> None:
        edit(templates)
        edit({**templates, "Prod": templates["Dev"]})

    return edited


def fargate(templates: dict[str, Template]) -> None:
    for place in ("Dev", "Prod"):
        task = templates[place]["Resources"]["Task"]["Properties"]
        networks = {"AwsvpcConfiguration": {"Subnets": ["subnet-1", "subnet-2"]}}
        templates[place]["Resources"]["Service"]["Properties"]["NetworkConfiguration"] = networks
        task.update(RequiresCompatibilities=["FARGATE"], NetworkMode="awsvpc", Cpu="256")


def watched(name: str, **more: Any) -> Any:
    """An alarm on the errors of the first target group, watched by the deployment."""

    def edit(templates: dict[str, Template]) -> None:
        group = [
            ("LoadBalancer", {"Fn::GetAtt": ["Balancer", "LoadBalancerFullName"]}),
            ("TargetGroup", {"Fn::GetAtt": ["Blue", "TargetGroupFullName"]}),
        ]
        found = alarm(name, "HTTPCode_Target_5XX_Count", "AWS/ApplicationELB", group, Threshold=1000, **more)
        templates["Prod"]["Resources"]["Further"] = found
        names = templates["Prod"]["Resources"]["Service"]["Properties"]["DeploymentConfiguration"]["Alarms"][
            "AlarmNames"
        ]
        names.append(name)

    return edit


def secret(value: dict[str, Any], key: str) -> Any:
    def edit(templates: dict[str, Template]) -> None:
        resource("Key", "AWS::SecretsManager::Secret", **value)(templates)
        reference = {"Fn::Join": ["", [{"Ref": "Key"}, f":{key}::"]]}
        container_of(templates)["Secrets"] = [{"Name": "TOKEN", "ValueFrom": reference}]

    return edit


POOL = (
    "import socket; kept += [socket.create_connection(('127.0.0.1', int(os.environ['DATABASE']))) for _ in range(12)]"
)
HOLD = "time.sleep(0.25) if path in OPERATIONS and os.environ.get('PLACE') == 'Dev' else None"
LATE = "if path == '/tiny/1': time.sleep(3)"
DRAINS = (
    "def stop(*_):\n    time.sleep(0.3)\n    os._exit(0)\n"
    "signal.signal(15, lambda *_: threading.Thread(target=stop).start())"
)
LEAKS_UPLOADS = "if self.command == 'POST': kept.append(b'x' * 600 * 2**20)"
FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "its requests outlast a deregistration delay of 0": (
        "!",
        "requests in Dev failed",
        {
            "within": HOLD,
            "both": True,
            "only_production": False,
            "edit_both": in_dev_too(attribute("deregistration_delay.timeout_seconds", "0")),
        },
    ),
    "its requests end within the deregistration delay": (
        "✓",
        "",
        {
            "within": HOLD,
            "both": True,
            "only_production": False,
            "edit_both": in_dev_too(attribute("deregistration_delay.timeout_seconds", "5")),
        },
    ),
    "its targets start slowly": ("✓", "", {"edit": attribute("slow_start.duration_seconds", "60")}),
    "its requests go where the fewest are": (
        "✓",
        "",
        {"edit": attribute("load_balancing.algorithm.type", "least_outstanding_requests")},
    ),
    "its health check is redirected": (
        "✗",
        "GET /health answered 302",
        {"edit": groups(Matcher={"HttpCode": "200-299"}), "within": "if path == '/health': status = 302"},
    ),
    "its health check may be redirected": (
        "✓",
        "",
        {"edit": groups(Matcher={"HttpCode": "200-399"}), "within": "if path == '/health': status = 302"},
    ),
    "it is asked for gRPC": ("✗", "health check", {"edit": groups(ProtocolVersion="GRPC")}),
    "the load balancer waits for two minutes": (
        "✓",
        "",
        {"edit": changed("Balancer", LoadBalancerAttributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "120"}])},
    ),
    "an answer takes longer than the load balancer waits": (
        "!",
        "GET /tiny/1 answers 504",
        {
            "edit_both": changed(
                "Balancer", LoadBalancerAttributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "1"}]
            ),
            "within": LATE,
        },
    ),
    "a header of 12 KiB": (
        "✓",
        "",
        {
            "within": "if path == '/tiny/1': self.log_more = 1; self.wfile.write(b'HTTP/1.1 200 OK\\r\\nX-Long: ' + b'x' * 12288 + b'\\r\\nContent-Length: 4\\r\\n\\r\\nfine'); return"
        },
    ),
    "a header of 40 KiB": (
        "!",
        "GET /tiny/1 answers 502",
        {
            "within": "if path == '/tiny/1': self.wfile.write(b'HTTP/1.1 200 OK\\r\\nX-Long: ' + b'x' * 40960 + b'\\r\\nContent-Length: 0\\r\\n\\r\\n'); return"
        },
    ),
    "a hundred cookies of 500 bytes": (
        "!",
        "GET /tiny/1 answers 502",
        {
            "within": "if path == '/tiny/1': self.wfile.write(b'HTTP/1.1 200 OK\\r\\n' + b''.join(b'Set-Cookie: c%d=' % n + b'x' * 500 + b'\\r\\n' for n in range(100)) + b'Content-Length: 0\\r\\n\\r\\n'); return"
        },
    ),
    "no status line": ("!", "GET /tiny/1 answers 502", {"within": answer("b'fine\\r\\n\\r\\n'")}),
    "chunks without an end": (
        "!",
        "GET /tiny/1 gets no answer",
        {"within": answer("b'HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n4\\r\\nfine\\r\\n'")},
    ),
    "it speaks HTTP/1.0": ("✓", "", {"before": "http.server.BaseHTTPRequestHandler.protocol_version = 'HTTP/1.0'"}),
    "it closes its listener on SIGTERM": ("✓", "", {"before": DRAINS}),
    "its shell does not pass SIGTERM on": (
        "!",
        "killed at the end of its stop timeout",
        {
            "edit": lambda templates: container_of(templates).update(
                Command=["sh", "-c", " ".join(container_of(templates)["Command"]) + "; true"]
            )
        },
    ),
    "its shell becomes the program": (
        "✓",
        "",
        {
            "edit": lambda templates: container_of(templates).update(
                Command=["sh", "-c", "exec " + " ".join(container_of(templates)["Command"])]
            )
        },
    ),
    "it has no handler of SIGTERM": (
        "!",
        "killed at the end of its stop timeout",
        {"before": "signal.signal(15, signal.SIG_DFL)"},
    ),
    "it has no handler of SIGTERM, and an init process": (
        "✓",
        "",
        {
            "before": "signal.signal(15, signal.SIG_DFL)",
            "edit": container(LinuxParameters={"InitProcessEnabled": True}),
        },
    ),
    "an upload fills its memory": (
        "!",
        "OutOfMemoryError",
        {"within": LEAKS_UPLOADS, "requests": "GET /tiny/0\n\n###\nPOST /tiny/1\n\nbody\n"},
    ),
    "it answers only to its own name": (
        "✓",
        "",
        {
            "within": "if path in OPERATIONS and self.headers['Host'].split(':')[0] != 'tiny.example': status = 400",
            "edit_both": rule(
                Conditions=[
                    {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/tiny/*"]}},
                    {"Field": "host-header", "HostHeaderConfig": {"Values": ["tiny.example"]}},
                ]
            ),
        },
    ),
    "an alarm that takes missing data for bad was red before, and it fails": (
        "!",
        "answers 500",
        {"edit_both": watched("prod-further", TreatMissingData="breaching"), "within": FAILS},
    ),
    "a secret lacks the key": ("✗", "password", {"edit": secret({"SecretString": '{"user": "a"}'}, "password")}),
    "a secret has the key": ("✓", "", {"edit": secret({"SecretString": '{"password": "a"}'}, "password")}),
    "a secret is generated without the key": (
        "✗",
        "password",
        {"edit": secret({"GenerateSecretString": {"PasswordLength": 30}}, "password")},
    ),
    "a secret is generated with the key": (
        "✓",
        "",
        {
            "edit": secret(
                {"GenerateSecretString": {"SecretStringTemplate": '{"user": "a"}', "GenerateStringKey": "password"}},
                "password",
            )
        },
    ),
    "it may be scaled to fewer tasks than it must have": (
        "✗",
        "CloudFormation would refuse",
        {
            "edit": resource(
                "Scaling",
                "AWS::ApplicationAutoScaling::ScalableTarget",
                ResourceId="service/prod/prod-tiny",
                MinCapacity=4,
                MaxCapacity=2,
                ScalableDimension="ecs:service:DesiredCount",
                ServiceNamespace="ecs",
            )
        },
    ),
    "a log driver that Fargate does not have": (
        "✗",
        "CloudFormation would refuse",
        {"edit_both": fargate, "edit": container(LogConfiguration={"LogDriver": "json-file"})},
    ),
    "its port is another one on the host": (
        "✗",
        "CloudFormation would refuse",
        {"edit_both": fargate, "edit": container(PortMappings=[{"ContainerPort": 8080, "HostPort": 80}])},
    ),
    "its port is the same on the host": (
        "✓",
        "",
        {"edit_both": fargate, "edit": container(PortMappings=[{"ContainerPort": 8080, "HostPort": 8080}])},
    ),
    "its container asks for more memory than its task has": (
        "✗",
        "CloudFormation would refuse",
        {"edit": container(Memory=1024)},
    ),
    "a grace period of an hour hides that it never starts": (
        "✗",
        "the circuit breaker opened",
        {"edit": service(HealthCheckGracePeriodSeconds=3600), "before": "time.sleep(0.5); sys.exit(4)"},
    ),
    "its pool does not fit twice": (
        "!",
        "database in Prod allows 20 connections (its max_connections of 20 in nova.toml), but a rollout with the most "
        "tasks needs 24: 12 per task of prod-tiny × 2 tasks = 24",
        {"before": POOL, "dependency": dependency(max_connections=20)},
    ),
    "its pool fits twice": ("✓", "", {"before": POOL, "dependency": dependency(max_connections=24)}),
    "it keeps idle connections for a second": (
        "!",
        "closes idle connections",
        {"within": "self.timeout = 1; self.connection.settimeout(1)"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_verdict_is_that_of_aws(fault: str, play: Any, tmp_path: Any) -> None:
    sign, why, given = FAULTS[fault]
    play(tmp_path, **given).require(sign, why)
