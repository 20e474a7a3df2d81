"""A deployed environment in a local implementation of AWS, from the project's own synthesized templates."""

import copy
import functools
import hashlib
import io
import json
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NoReturn
from urllib.parse import parse_qs

import boto3
import httpx
import pytest
from moto import mock_aws
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from nova_infra.deployed.aws.environment import AwsEnvironment
from nova_infra.deployed.aws.session import Aws, sign_in
from nova_infra.deployed.model import Answer, Image, RunningTask, Service, Stack
from nova_infra.operations.records.ledger import Entry, ReleasedImage, append, read_ledger
from nova_infra.operations.rollback.template import image_of, with_image

REGION = "us-east-1"
ENVIRONMENT = "prod"
PREFIX = "nova-prod"
SERVICES = ("carts-service", "store-service")

# What moto does not make, or makes without the attributes that are asked of it; none of it is touched by a rollback.
_NOT_IN_MOTO = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::SecurityGroupIngress",
}


class _Quiet(WSGIRequestHandler):
    def log(self, *_: object, **__: object) -> None:
        """Logs nothing."""


class LocalAws:
    """An implementation of AWS that answers over HTTP, chosen operations with faults first.

    Attributes:
        faults: Operation to what happens to its next calls, one after the other, before it works: a status and a code;
            ``cut before`` or ``cut after`` for a connection that ends before or after the call is carried out; None for
            nothing.
        calls: The operations that were called, in order.
    """

    def __init__(self) -> None:
        self._application = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.faults: dict[str, list[tuple[int, str] | str | None]] = {}
        self.calls: list[str] = []
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2] or self._action(environ)
        self.calls.append(operation)
        fault = self.faults[operation].pop(0) if self.faults.get(operation) else None
        if isinstance(fault, tuple):
            return self._refuse(fault, operation, environ, start_response)
        if fault == "cut before":
            self._cut(environ)
        answer: Iterable[bytes] = self._application(environ, (lambda *_: print) if fault else start_response)
        if fault == "cut after":
            self._cut(environ)
        return answer

    @staticmethod
    def _action(environ: Any) -> str:
        """The operation in the body of a request in AWS's query protocol."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        return parse_qs(body.decode(errors="replace")).get("Action", [""])[0]

    @staticmethod
    def _refuse(fault: tuple[int, str], operation: str, environ: Any, start_response: Any) -> list[bytes]:
        status, code = fault
        message = f"{operation} is refused"
        if "HTTP_X_AMZ_TARGET" in environ:
            kind, body = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message})
        else:
            error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            kind, body = "text/xml", f"<ErrorResponse>{error}</ErrorResponse>"
        start_response(f"{status} Error", [("Content-Type", kind)])
        return [body.encode()]

    @staticmethod
    def _cut(environ: Any) -> NoReturn:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError("cut, as the test asks")

    def reset(self) -> None:
        """Forget everything: the state is the process's, and that of tests without HTTP, too."""
        self.faults, self.calls = {}, []
        httpx.post(f"{self.url}/moto-api/reset").raise_for_status()

    def credentials(self, account: str) -> dict[str, str]:
        """Environment variables of somebody in an account."""
        sts = boto3.client(
            "sts", endpoint_url=self.url, region_name=REGION, aws_access_key_id="k", aws_secret_access_key="s"
        )
        role = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/someone", RoleSessionName="test")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": role["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
            "AWS_SESSION_TOKEN": role["SessionToken"],
        }

    def client(self, service: str, account: str) -> Any:
        """A client in an account."""
        keys = {name.lower(): value for name, value in self.credentials(account).items()}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **keys)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@functools.cache
def _aws(_endpoint: str | None) -> Aws:
    """Whatever answers as AWS there. Its clients hold nothing of an account, and take longer to make than to ask."""
    return sign_in(region=REGION)


class Ecs(AwsEnvironment):
    """The environment with what moto's ECS leaves out: services that follow their task definition, and tasks.

    Attributes:
        answers: Service to what its ``/version`` answers, where that is not the truth.
        digests: Service to the digest that its tasks run, where that is not its task definition's.
    """

    def __init__(self) -> None:
        super().__init__(ENVIRONMENT, platform="nova", aws=_aws(os.environ.get("AWS_ENDPOINT_URL")))
        self.answers: dict[str, Answer] = {}
        self.digests: dict[str, str] = {}

    def services(self) -> tuple[Service, ...]:
        return tuple(self._with_tasks(s) if s.stack.startswith(PREFIX) else s for s in super().services())

    def wait_for_stacks(self, names: Sequence[str]) -> Iterator[Stack]:
        for ended in super().wait_for_stacks(names):
            self.follow(ended.name)
            yield ended

    def follow(self, stack: str) -> None:
        latest = self._aws.call("ecs", "describe_task_definition", taskDefinition=stack)["taskDefinition"]
        self._aws.call(
            "ecs", "update_service", cluster=PREFIX, service=stack, taskDefinition=latest["taskDefinitionArn"]
        )

    def get(self, path: str) -> Answer:
        _, service, what = path.split("/")
        assert what == "version"
        if service in self.answers:
            return self.answers[service]
        [found] = [s for s in self.services() if s.name == service]
        return Answer(200, json.dumps({"service": service, "release": Image.parse(found.tasks[0].image).tag}))

    def _with_tasks(self, service: Service) -> Service:
        image = str(image_of(self.template(service.stack), stack=service.stack))
        [found] = self.images([Image.parse(image)])
        digest = self.digests.get(service.name, found.digest if found else None)
        task = RunningTask(service.revision, "RUNNING", True, image, digest, 256)
        alarms = tuple(f"{service.stack}-{kind}" for kind in ("errors", "unanswered", "latency", "cpu", "memory"))
        return replace(service, desired=2, running=2, tasks=(task, task), deployment_alarms=alarms)


@dataclass
class Deployment:
    """A deployed environment, and the ways in which a test changes it.

    Attributes:
        environment: What the commands see of it.
        templates: Service to the template that it is deployed with.
    """

    environment: Ecs
    templates: dict[str, dict[str, Any]]

    @staticmethod
    def commit(number: int) -> str:
        """The commit of a release: another beginning for each."""
        return f"{number:02}" * 20

    def client(self, name: str) -> Any:
        """A client of the same account."""
        return self.environment._aws.client(name)

    def stack(self, service: str) -> dict[str, Any]:
        """A service's stack."""
        return self.client("cloudformation").describe_stacks(StackName=f"{PREFIX}-{service}")["Stacks"][0]

    def template(self, service: str) -> dict[str, Any]:
        """The template that a service's stack has now."""
        return self.environment.template(f"{PREFIX}-{service}")

    def image_tag(self, service: str) -> str:
        """The tag of the image that a service's tasks run."""
        [found] = [s for s in self.environment.services() if s.name == service]
        return Image.parse(found.tasks[0].image).tag

    def push(self, service: str, tag: str) -> ReleasedImage:
        """Put an image into the registry."""
        layer = {"digest": f"sha256:{hashlib.sha256(f'{service}:{tag}'.encode()).hexdigest()}"}
        manifest = {"schemaVersion": 2, "config": layer, "layers": [layer]}
        answer = self.client("ecr").put_image(
            repositoryName=f"nova/{service}",
            imageManifest=json.dumps({**manifest, "mediaType": "application/vnd.oci.image.manifest.v1+json"}),
            imageTag=tag,
        )
        return ReleasedImage(tag, answer["image"]["imageId"]["imageDigest"])

    def release(self, number: int, *services: str, outcome: str = "verified") -> Entry:
        """Deploy a release that changes some services, all if none is named, and write it to the ledger."""
        before = self.ledger()
        images = dict(before[0].images) if before else {}
        for service in services or SERVICES:
            images[service] = self.push(service, f"v{number}")
            self.deploy(service, f"v{number}")
        entry = Entry(
            self.commit(number), images, datetime.now(UTC).replace(microsecond=0), outcome, "codepipeline/nova"
        )
        append(self.environment, entry)
        return entry

    def deploy(self, service: str, tag: str) -> None:
        """Deploy a service's synthesized template with an image."""
        name = f"{PREFIX}-{service}"
        body = json.dumps(with_image(self.templates[service], tag, stack=name))
        cloudformation = self.client("cloudformation")
        arguments = {"StackName": name, "TemplateBody": body, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
        try:
            cloudformation.describe_stacks(StackName=name)
        except cloudformation.exceptions.ClientError:
            cloudformation.create_stack(**arguments, Tags=[{"Key": "team", "Value": "nova"}])
        else:
            cloudformation.update_stack(**arguments)
        self.environment.follow(name)

    def ledger(self) -> tuple[Entry, ...]:
        """The ledger's entries, newest first."""
        return read_ledger(self.environment).entries


def for_moto(template: dict[str, Any]) -> dict[str, Any]:
    """A synthesized template without what moto cannot take."""
    template = copy.deepcopy(template)
    template.pop("Outputs", None)
    template.pop("Rules", None)
    kept = {key: r for key, r in template["Resources"].items() if r["Type"] not in _NOT_IN_MOTO}
    for resource in kept.values():
        if isinstance(needed := resource.get("DependsOn"), list):
            resource["DependsOn"] = [key for key in needed if key in kept]
    template["Resources"] = kept
    return template


def imports(value: Any) -> set[str]:
    """Names of the exports that a template takes values from."""
    if isinstance(value, dict):
        if set(value) == {"Fn::ImportValue"}:
            return {value["Fn::ImportValue"]}
        return set().union(*map(imports, value.values())) if value else set()
    return set().union(*map(imports, value)) if isinstance(value, list) and value else set()


def stand_in(names: set[str], ec2: Any, elb: Any) -> dict[str, Any]:
    """A platform stack that moto can take: the cluster, and whatever the services take from it."""
    vpc = ec2.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(VpcId=vpc, GroupName="ingress", Description="-")["GroupId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.30.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("abc")
    ]
    [balancer] = elb.create_load_balancer(Name="nova", Subnets=subnets)["LoadBalancers"]
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    [listener] = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=[answer]
    )["Listeners"]
    values = {
        "Subnet1": subnets[0],
        "Subnet2": subnets[1],
        "Subnet3": subnets[2],
        "LoadBalancerListener": listener["ListenerArn"],
        "LoadBalancerFullName": "app/nova/1",
        "GroupId": group,
        "Cluster": PREFIX,
        "EncryptionKey": f"arn:aws:kms:{REGION}:123456789012:key/1",
        "AlertsTopic": f"arn:aws:sns:{REGION}:123456789012:alerts",
        "NetworkVpc": vpc,
    }
    outputs = {
        f"Export{n}": {"Value": next(v for part, v in values.items() if part in name), "Export": {"Name": name}}
        for n, name in enumerate(sorted(names))
    }
    return {
        "Resources": {"Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": PREFIX}}},
        "Outputs": {**outputs, "Url": {"Value": "https://nova.test"}},
    }


@pytest.fixture(scope="session")
def service_templates(assembly) -> dict[str, dict[str, Any]]:
    """Service to its synthesized template of production, as far as moto can take it."""
    return {service: for_moto(assembly.template(f"{PREFIX}-{service}")) for service in SERVICES}


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """An implementation of AWS that answers over HTTP. Reset it before it is used."""
    running = LocalAws()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for between two looks at AWS, or two attempts."""
    monkeypatch.setattr("nova_infra.deployed.aws.stacks.pause", lambda _: None)
    monkeypatch.setattr("nova_infra.deployed.aws.session.pause", lambda _: None)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty account."""
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(key, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws(config={"core": {"reset_boto3_session": True}}):
        yield


@pytest.fixture
def deploy(service_templates) -> Callable[[], Deployment]:
    """Deploys production with two services at release 1, to whatever answers as AWS."""

    def run() -> Deployment:
        made = Deployment(Ecs(), service_templates)
        made.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
        for service in SERVICES:
            made.client("ecr").create_repository(repositoryName=f"nova/{service}")
        names = set().union(*map(imports, service_templates.values()))
        platform = stand_in(names, made.client("ec2"), made.client("elbv2"))
        made.client("cloudformation").create_stack(StackName=f"{PREFIX}-platform", TemplateBody=json.dumps(platform))
        made.release(1)
        return made

    return run


@pytest.fixture
def deployment(aws: None, deploy: Callable[[], Deployment]) -> Deployment:
    """Production with two services, at release 1."""
    return deploy()
