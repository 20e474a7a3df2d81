"""The CloudFormation templates of the experiments: network, load balancer and roles that they share.

They are as small as the claim allows: no NAT, no keys, tasks of a quarter of a vCPU in public subnets whose security
group lets nobody but the load balancer in.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from nova_infra.assumptions.sandbox.stacks import GROUND, PREFIX, Template

Resource = dict[str, Any]

# The base of the services' images, from Amazon's public registry: nothing here limits how often it is pulled.
IMAGE = (
    "public.ecr.aws/docker/library/python:3.13-slim"
    "@sha256:ffb752e139c0a19692a43af8d8523b274222dd68eebad5d583b45c2201c6e30a"
)
PORT = 8000
CONTAINER = "app"

SERVER = f"""
import os, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
left = []
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path.endswith("/hang"):
            self.connection.settimeout(300)
            try: self.connection.recv(1)
            except OSError: pass
            left.append(1)
            self.close_connection = True
            return
        if self.path.endswith("/slow"): time.sleep(30)
        said = str(len(left)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
if life := float(os.environ.get("LIFE", "0")):
    threading.Timer(life, os._exit, [1]).start()
ThreadingHTTPServer(("", {PORT}), Handler).serve_forever()
"""
"""Answers with how many callers have left a request to ``…/hang``, which is never answered; ``…/slow`` takes 30 s.

With ``LIFE`` it exits after so many seconds.
"""


def template(resources: Mapping[str, Resource], outputs: Mapping[str, Any] | None = None) -> Template:
    """A template of resources, with values to read after the deployment."""
    body: Template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": dict(resources)}
    if outputs:
        body["Outputs"] = {name: {"Value": value} for name, value in outputs.items()}
    return body


def ref(logical_id: str) -> dict[str, str]:
    """What CloudFormation calls a resource."""
    return {"Ref": logical_id}


def attribute(logical_id: str, name: str) -> dict[str, list[str]]:
    """An attribute of a resource."""
    return {"Fn::GetAtt": [logical_id, name]}


def resource(kind: str, properties: Mapping[str, Any], *, after: Sequence[str] = ()) -> Resource:
    """A resource of a type, made after others."""
    return {"Type": kind, "Properties": dict(properties), **({"DependsOn": list(after)} if after else {})}


def role(service: str, *, managed: str = "", statements: Sequence[Mapping[str, Any]] = ()) -> Resource:
    """A role that an AWS service may assume."""
    return _role({"Service": f"{service}.amazonaws.com"}, managed, statements)


def role_of_account(statements: Sequence[Mapping[str, Any]]) -> Resource:
    """A role that the person who runs the experiment may assume."""
    return _role({"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}, "", statements)


def _role(principal: Mapping[str, Any], managed: str, statements: Sequence[Mapping[str, Any]]) -> Resource:
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    properties: dict[str, Any] = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}}
    if managed:
        properties["ManagedPolicyArns"] = [{"Fn::Sub": f"arn:${{AWS::Partition}}:iam::aws:policy/{managed}"}]
    if statements:
        document = {"Version": "2012-10-17", "Statement": [*statements]}
        properties["Policies"] = [{"PolicyName": "experiment", "PolicyDocument": document}]
    return resource("AWS::IAM::Role", properties)


def allow(actions: str | list[str], resources: Any) -> dict[str, Any]:
    """A statement of a policy."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


_SUBNETS = ("Subnet0", "Subnet1")


def ground() -> Template:
    """The network, the load balancer and the cluster that experiments share."""
    outputs = {
        "Network": ref("Network"),
        "Subnets": {"Fn::Join": [",", [ref(name) for name in _SUBNETS]]},
        "Inside": ref("Inside"),
        "Listener": ref("Listener"),
        "Address": attribute("Balancer", "DNSName"),
        "Balancer": attribute("Balancer", "LoadBalancerFullName"),
        "Cluster": ref("Cluster"),
        "Execution": attribute("Execution", "Arn"),
        "Shifter": attribute("Shifter", "Arn"),
    }
    shared = {
        "Cluster": resource("AWS::ECS::Cluster", {"ClusterName": f"{PREFIX}-{GROUND}"}),
        "Execution": role("ecs-tasks", managed="service-role/AmazonECSTaskExecutionRolePolicy"),
        "Shifter": role("ecs", managed="AmazonECSInfrastructureRolePolicyForLoadBalancers"),
    }
    return template({**_network(), **_entrance(), **shared}, outputs)


def _network() -> dict[str, Resource]:
    resources: dict[str, Resource] = {
        "Network": resource("AWS::EC2::VPC", {"CidrBlock": "10.99.0.0/24", "EnableDnsHostnames": True}),
        "Gateway": resource("AWS::EC2::InternetGateway", {}),
        "Attached": resource(
            "AWS::EC2::VPCGatewayAttachment", {"VpcId": ref("Network"), "InternetGatewayId": ref("Gateway")}
        ),
        "Routes": resource("AWS::EC2::RouteTable", {"VpcId": ref("Network")}),
        "Out": resource(
            "AWS::EC2::Route",
            {
                "RouteTableId": ref("Routes"),
                "DestinationCidrBlock": "0.0.0.0/0",
                "GatewayId": ref("Gateway"),
            },
            after=["Attached"],
        ),
    }
    for number, name in enumerate(_SUBNETS):
        resources[name] = resource(
            "AWS::EC2::Subnet",
            {
                "VpcId": ref("Network"),
                "AvailabilityZone": {"Fn::Select": [number, {"Fn::GetAZs": ""}]},
                "CidrBlock": f"10.99.0.{128 * number}/25",
            },
        )
        resources[f"{name}Routes"] = resource(
            "AWS::EC2::SubnetRouteTableAssociation", {"SubnetId": ref(name), "RouteTableId": ref("Routes")}
        )
    return resources


def _entrance() -> dict[str, Resource]:
    """The load balancer, and the security groups of it and of the tasks behind it."""
    from_anywhere = {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
    from_balancer = {
        "SourceSecurityGroupId": ref("Public"),
        "IpProtocol": "tcp",
        "FromPort": PORT,
        "ToPort": PORT,
    }
    return {
        "Public": resource(
            "AWS::EC2::SecurityGroup",
            {
                "GroupDescription": "Requests of the experiments",
                "VpcId": ref("Network"),
                "SecurityGroupIngress": [from_anywhere],
            },
        ),
        "Inside": resource(
            "AWS::EC2::SecurityGroup",
            {
                "GroupDescription": "Tasks of the experiments, only from the load balancer",
                "VpcId": ref("Network"),
                "SecurityGroupIngress": [from_balancer],
            },
        ),
        "Balancer": resource(
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            {"Subnets": [ref(name) for name in _SUBNETS], "SecurityGroups": [ref("Public")]},
            after=["Out"],
        ),
        "Listener": resource(
            "AWS::ElasticLoadBalancingV2::Listener",
            {
                "LoadBalancerArn": ref("Balancer"),
                "Port": 80,
                "Protocol": "HTTP",
                "DefaultActions": [fixed_answer("404", "none")],
            },
        ),
    }


def fixed_answer(status: str, text: str) -> dict[str, Any]:
    """An action of a listener: the load balancer answers by itself."""
    answer = {"StatusCode": status, "ContentType": "text/plain", "MessageBody": text}
    return {"Type": "fixed-response", "FixedResponseConfig": answer}


def network(ground: Mapping[str, str]) -> dict[str, Any]:
    """Where tasks run, as a template and the API with its own spelling have it."""
    return {
        "AwsvpcConfiguration": {
            "AssignPublicIp": "ENABLED",
            "SecurityGroups": [ground["Inside"]],
            "Subnets": ground["Subnets"].split(","),
        }
    }


def task(
    ground: Mapping[str, str],
    *,
    code: str = SERVER,
    variables: Mapping[str, str] | None = None,
    secrets: Mapping[str, Any] | None = None,
    execution: Any = None,
) -> Resource:
    """A task definition of one container that runs a piece of Python."""
    container: dict[str, Any] = {
        "Name": CONTAINER,
        "Image": IMAGE,
        "Command": ["python", "-u", "-c", code],
        "Essential": True,
        "ReadonlyRootFilesystem": True,
        "PortMappings": [{"ContainerPort": PORT}],
        "Environment": [{"Name": name, "Value": value} for name, value in (variables or {}).items()],
    }
    if secrets:
        container["Secrets"] = [{"Name": name, "ValueFrom": value} for name, value in secrets.items()]
    return resource(
        "AWS::ECS::TaskDefinition",
        {
            "RequiresCompatibilities": ["FARGATE"],
            "NetworkMode": "awsvpc",
            "Cpu": "256",
            "Memory": "512",
            "ExecutionRoleArn": execution or ground["Execution"],
            "ContainerDefinitions": [container],
        },
    )
