"""A miniature of what the rehearsal plays: one service in a few lines of the standard library, and its assembly."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from nova_infra.rehearsal.drills.catalogue import CONFIGURED, DrillResult
from nova_infra.rehearsal.record import (
    ActionRecord,
    DeploymentRecord,
    Notification,
    Record,
    Requests,
    Sample,
    StageRecord,
    TrafficStep,
)
from nova_infra.rehearsal.tasks.definition import TaskDefinition

SERVER = """
import http.server, json, os, signal, sys, time
fault = os.environ.get("FAULT", "")
if fault == "exit":
    sys.exit("cannot import the service")
if fault == "deaf":
    time.sleep(60)
if fault == "late":
    time.sleep(0.3)
if fault == "elsewhere":
    os.environ["PORT"] = "0"
if fault == "slow-to-stop":
    signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1.3), os._exit(0)))
if fault == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

good = {"get": {"responses": {"200": {"description": "good"}}}}
paths = {"/tiny/version": good, "/tiny/rare": good}
DOCUMENT = json.dumps({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}).encode()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        healthy = self.path == "/health"
        status = 500 if fault == ("unhealthy" if healthy else "errors") else 200
        if fault == "one-operation" and self.path == "/tiny/rare":
            status = 403
        body = os.environ.get("RELEASE", "none").encode()
        if self.path == "/tiny/openapi.json":
            body = DOCUMENT
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if fault == "dies" and not healthy:
            os._exit(7)

    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A checkout with the one service."""
    directory = tmp_path / "sources"
    (directory / "services" / "tiny" / "src").mkdir(parents=True)
    (directory / "services" / "tiny" / "src" / "serve.py").write_text(SERVER)
    return directory


def make_definition(fault: str = "", *, stop_timeout: float = 2, memory: int = 512) -> TaskDefinition:
    """A task definition of the one service."""
    return TaskDefinition(
        revision="tiny:1",
        image="registry/tiny:one",
        command=(sys.executable, "-S", "-m", "serve"),
        environment={"FAULT": fault},
        port=8080,
        health_check=None,
        stop_timeout=stop_timeout,
        memory=memory,
    )


def environment_template(name: str, *, release: str = "one", fault: str = "", strategy: str = "CANARY") -> Any:
    """The one stack of an environment: load balancer, service, alarm."""
    group = {"HealthCheckPath": "/health", "HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 5}
    rollout: dict[str, Any] = {
        "Strategy": strategy,
        "BakeTimeInMinutes": 2,
        "Alarms": {"AlarmNames": [f"{name}-errors"], "Enable": True, "Rollback": True},
        "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
    }
    if strategy == "CANARY":
        rollout["CanaryConfiguration"] = {"CanaryPercent": 25, "CanaryBakeTimeInMinutes": 2}
    count = [
        {
            "Id": colour.lower(),
            "ReturnData": False,
            "MetricStat": {
                "Period": 60,
                "Stat": "Sum",
                "Metric": {
                    "Namespace": "AWS/ApplicationELB",
                    "MetricName": "HTTPCode_Target_5XX_Count",
                    "Dimensions": [
                        {"Name": "LoadBalancer", "Value": {"Fn::GetAtt": ["Balancer", "LoadBalancerFullName"]}},
                        {"Name": "TargetGroup", "Value": {"Fn::GetAtt": [colour, "TargetGroupFullName"]}},
                    ],
                },
            },
        }
        for colour in ("Blue", "Green")
    ]
    container = {
        "Image": f"registry/tiny:{release}",
        "Command": [sys.executable, "-S", "-m", "serve"],
        "PortMappings": [{"ContainerPort": 8080}],
        "StopTimeout": 2,
        "Environment": [{"Name": "FAULT", "Value": fault}, {"Name": "RELEASE", "Value": release}],
    }
    resources = {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": f"{name}-alerts"}},
        "Balancer": {"Type": "AWS::ElasticLoadBalancingV2::LoadBalancer", "Properties": {}},
        "Blue": {"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": group},
        "Green": {"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": group},
        "Listener": {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {
                "LoadBalancerArn": {"Ref": "Balancer"},
                "Protocol": "HTTP",
                "Port": 80,
                "DefaultActions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
            },
        },
        "Rule": {
            "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
            "Properties": {
                "ListenerArn": {"Ref": "Listener"},
                "Priority": 1,
                "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/tiny/*"]}}],
                "Actions": [
                    {
                        "Type": "forward",
                        "ForwardConfig": {
                            "TargetGroups": [
                                {"TargetGroupArn": {"Ref": "Blue"}, "Weight": 100},
                                {"TargetGroupArn": {"Ref": "Green"}, "Weight": 0},
                            ]
                        },
                    }
                ],
            },
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": f"{name}-errors",
                "AlarmDescription": "tiny fails requests",
                "EvaluationPeriods": 1,
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": 2,
                "TreatMissingData": "notBreaching",
                "AlarmActions": [{"Ref": "Topic"}],
                "OKActions": [{"Ref": "Topic"}],
                "Metrics": [{"Id": "all", "Expression": "FILL(blue,0)+FILL(green,0)"}, *count],
            },
        },
        "Task": {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": {"Family": f"{name}-tiny", "Memory": "512", "ContainerDefinitions": [container]},
        },
        "Service": {
            "Type": "AWS::ECS::Service",
            "Properties": {
                "ServiceName": f"{name}-tiny",
                "Cluster": name,
                "DesiredCount": 1,
                "TaskDefinition": {"Ref": "Task"},
                "DeploymentConfiguration": rollout,
                "LoadBalancers": [
                    {
                        "TargetGroupArn": {"Ref": "Blue"},
                        "AdvancedConfiguration": {
                            "AlternateTargetGroupArn": {"Ref": "Green"},
                            "ProductionListenerRule": {"Ref": "Rule"},
                        },
                    }
                ],
            },
        },
    }
    url = {"Value": {"Fn::Join": ["", ["http://", {"Fn::GetAtt": ["Balancer", "DNSName"]}]]}}
    return {"Resources": resources, "Outputs": {"Url": url}}


def make_assembly(
    directory: Path,
    *,
    release: str = "one",
    fault: str = "",
    test: str = "true",
    builds: Sequence[str] = (),
    stage_parts: Mapping[str, Any] | None = None,
    closed: Sequence[Any] = (),
) -> Path:
    """An assembly: Build, Dev (rolling) with a test, ApproveProduction, Prod (canary).

    Args:
        directory: Where to write it.
        release: Tag of the image.
        fault: What is wrong with the service in Prod.
        test: The command that tests Dev.
        builds: Commands of further actions in Dev, side by side with the deployment.
        stage_parts: Name of a stage to what else its template says, such as ``OnFailure``.
        closed: ``DisableInboundStageTransitions``.
    """
    directory.mkdir()

    def build(name: str, project: str, order: int = 1, **configuration: str) -> dict[str, Any]:
        return {
            "Name": name,
            "RunOrder": order,
            "ActionTypeId": {"Category": "Build", "Provider": "CodeBuild"},
            "Configuration": {"ProjectName": {"Ref": project}, **configuration},
        }

    def deploy(environment: str) -> dict[str, Any]:
        return {
            "Name": "Deploy",
            "Namespace": environment,
            "ActionTypeId": {"Category": "Deploy", "Provider": "CloudFormation"},
            "Configuration": {
                "ActionMode": "CREATE_UPDATE",
                "StackName": environment.lower(),
                "TemplatePath": f"Synth::{environment}.json",
            },
        }

    def project(command: str) -> dict[str, Any]:
        spec = {"phases": {"build": {"commands": [command]}}}
        return {
            "Type": "AWS::CodeBuild::Project",
            "Properties": {"Source": {"BuildSpec": json.dumps(spec)}, "Environment": {}},
        }

    approval = {"Name": "Approve", "ActionTypeId": {"Category": "Approval", "Provider": "Manual"}}
    url = json.dumps([{"name": "URL", "value": "#{Dev.Url}"}])
    stages = [
        ("Build", [build("Synth", "BuildProject")]),
        (
            "Dev",
            [
                deploy("Dev"),
                *(build(f"Further{number}", f"Further{number}") for number in range(len(builds))),
                build("Tests", "TestProject", 2, EnvironmentVariables=url),
            ],
        ),
        ("ApproveProduction", [approval]),
        ("Prod", [deploy("Prod")]),
    ]
    pipeline = {
        "Type": "AWS::CodePipeline::Pipeline",
        "Properties": {
            "Name": "mini",
            "Stages": [
                {"Name": name, "Actions": actions, **(stage_parts or {}).get(name, {})} for name, actions in stages
            ],
            "DisableInboundStageTransitions": list(closed),
        },
    }
    projects = {"BuildProject": project("sh -c 'echo built'"), "TestProject": project(test)}
    projects |= {f"Further{number}": project(command) for number, command in enumerate(builds)}
    told = {
        "Type": "AWS::CodeStarNotifications::NotificationRule",
        "Properties": {
            "Name": "mini",
            "DetailType": "FULL",
            "EventTypeIds": [
                "codepipeline-pipeline-pipeline-execution-failed",
                "codepipeline-pipeline-manual-approval-needed",
            ],
            "Resource": {"Fn::Sub": "arn:aws:codepipeline:us-east-1:444444444444:${Pipeline}"},
            "Targets": [{"TargetType": "SNS", "TargetAddress": {"Ref": "Topic"}}],
        },
    }
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "mini-alerts"}}
    template = {"Resources": {"Pipeline": pipeline, "Told": told, "Topic": topic, **projects}}
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "pipeline.json"}}
    for name, content in {
        "manifest.json": {"version": "55.0.0", "artifacts": {"Pipeline": stack}},
        "pipeline.json": template,
        "Dev.json": environment_template("dev", release=release, strategy="ROLLING"),
        "Prod.json": environment_template("prod", release=release, fault=fault),
    }.items():
        (directory / name).write_text(json.dumps(content))
    return directory


@pytest.fixture
def definition() -> Callable[..., TaskDefinition]:
    """Makes task definitions of the one service."""
    return make_definition


@pytest.fixture(name="environment_template")
def _environment_template() -> Callable[..., Any]:
    """Makes the one stack of an environment."""
    return environment_template


@pytest.fixture
def write_assembly() -> Callable[..., Path]:
    """Writes assemblies."""
    return make_assembly


def make_deployment(service: str, environment: str = "Prod", *, bad: bool = False) -> DeploymentRecord:
    """A canary of eight minutes; a bad one fails from its first request on and goes back after the third minute."""
    old, new = f"{service}:1", f"{service}:2"
    made = DeploymentRecord(environment, service, "CANARY", old, new, baseline=False, began=0.5)
    made.plan = "canary: 10 % for 5 min, then 100 % for 3 min"
    percents = [10, 10, 0] if bad else [10, 10, 10, 10, 100, 100, 100, 100]
    for minute, percent in enumerate(percents, start=1):
        got = 40 * percent // 100
        requests = {old: Requests(40 - got, 0, 0.2), new: Requests(got, got if bad else 0, 0.01 * got)}
        users = [str(number) for number in range(minute * 10, minute * 10 + got)]
        red = [f"{service}-errors"] if bad and minute >= 2 else []
        made.samples.append(Sample(minute, percent, requests, red, reached=users, hit=users if bad else []))
    made.traffic = [TrafficStep(10, 0.6), TrafficStep(0, 2.0)] if bad else [TrafficStep(10, 0.6), TrafficStep(100, 4.0)]
    made.ended = len(percents) + 0.4
    made.outcome = "rolled back" if bad else "completed"
    made.reason = f"alarm {service}-errors went to ALARM at 10 % of the traffic" if bad else ""
    return made


def make_record(services: int = 2, *, bad: int = 0, name: str = "service") -> Record:
    """A rehearsal of Build, Dev and Prod.

    Args:
        services: How many services each environment has.
        bad: How many of them go back in Prod.
        name: How their names begin.
    """
    names = [f"{name}-{number}" for number in range(1, services + 1)]
    build = StageRecord("Build", [ActionRecord("Synth", "build", 1, "succeeded", seconds=4)], "succeeded", seconds=4)
    stages, deployments, began = [build], [], 4.0
    for environment in ("Dev", "Prod"):
        actions = []
        for number, service in enumerate(names):
            broken = environment == "Prod" and number < bad
            deployments.append(make_deployment(service, environment, bad=broken))
            action = ActionRecord(f"{service}.Deploy", "deploy", 1, "failed" if broken else "succeeded", "real")
            action.note = f"{service}: {deployments[-1].reason}" if broken else ""
            action.began, action.seconds = began, 8.0
            actions.append(action)
        status = "failed" if bad and environment == "Prod" else "succeeded"
        stages.append(StageRecord(environment, actions, status, began=began, seconds=8.0))  # type: ignore[arg-type]
        began += 8
    record = Record("pipe", "working tree", "HEAD", stages, deployments, not_rehearsed=["IAM"], seconds=20)
    record.started = "2026-01-02 03:04 UTC"
    record.load = {"Dev": Requests(100), "Prod": Requests(300, 8 * bad)}
    record.notifications = [Notification("Prod", 2, "alerts", f"{n}-errors is in ALARM") for n in names[:bad]]
    return record


def make_drill(drill: str, *misses: str, canary: str = CONFIGURED) -> DrillResult:
    """A drill whose service goes back."""
    record = make_record(1, bad=1)
    record.stages, record.deployments = record.stages[-1:], record.deployments[-1:]
    return DrillResult(drill, "it fails", "it goes back", "service-1", canary, list(misses), 3.0, record)


@pytest.fixture
def deployed() -> Callable[..., DeploymentRecord]:
    """Makes deployments."""
    return make_deployment


@pytest.fixture(scope="session")
def rehearsed() -> Callable[..., Record]:
    """Makes rehearsals."""
    return make_record


@pytest.fixture(scope="session")
def drilled() -> Callable[..., DrillResult]:
    """Makes results of drills."""
    return make_drill
