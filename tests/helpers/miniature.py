"""A miniature of what the rehearsal plays: one service in a few lines of the standard library, and its assembly."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nova_infra.rehearsal.tasks.definition import TaskDefinition

SERVER = """
import fcntl, http.server, json, os, signal, sys, time
fault = os.environ.get("FAULT", "")
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # as the first process of a container has to
if fault == "exit":
    sys.exit("cannot import the service")
if fault == "deaf":
    time.sleep(60)
if fault == "late":
    time.sleep(0.3)
if fault == "elsewhere":
    os.environ["PORT"] = "0"
if fault == "metrics-first":
    import socket
    metrics = socket.create_server(("127.0.0.1", 0))
    time.sleep(1.2)
if fault == "slow-to-stop":
    signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1.3), os._exit(0)))
if fault == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

good = {"get": {"responses": {"200": {"description": "good"}}}}
paths = {"/tiny/version": good, "/tiny/rare": good}
DOCUMENT = json.dumps({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}).encode()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two packets, and the second would wait for 40 ms

    def do_GET(self):
        healthy = self.path == "/health"
        if fault.startswith("lock:") and not healthy:
            fcntl.flock(open(fault[5:]), fcntl.LOCK_SH)
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
    group = {
        "Protocol": "HTTP",
        "Port": 80,
        "TargetType": "ip",
        "HealthCheckPath": "/health",
        "HealthCheckIntervalSeconds": 5,
        "HealthCheckTimeoutSeconds": 4,
    }
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
                # Two periods more than must breach: FILL answers for a minute whose data have not arrived.
                "EvaluationPeriods": 3,
                "DatapointsToAlarm": 1,
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
                            "RoleArn": "arn:aws:iam::000000000000:role/moves-traffic",
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
