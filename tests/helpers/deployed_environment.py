"""A deployed environment in a local implementation of AWS, from the project's own synthesized templates."""

import copy
import functools
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from helpers.local_aws import REGION, launch_on_fargate, stack_behind
from nova_infra.deployed.aws.client.session import Aws, sign_in
from nova_infra.deployed.aws.environment import AwsEnvironment
from nova_infra.deployed.model import Answer, Image, RunningService, RunningTask
from nova_infra.deployed.stack import Stack
from nova_infra.operations.records.ledger import Entry, Outcome, ReleasedImage, append, read_ledger
from nova_infra.operations.rollback.template import image_of, with_image

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


@functools.cache
def _aws(_endpoint: str | None) -> Aws:
    """Whatever answers as AWS there. Its clients hold nothing of an account, and take longer to make than to ask."""
    return sign_in(region=REGION)


class Ecs(AwsEnvironment):
    """The environment with what moto's ECS leaves out: services that follow their task definition, and tasks.

    Attributes:
        answers: Service to what its ``/version`` answers, where that is not the truth.
        digests: Service to the digest that its tasks run, where that is not its task definition's.
        pushed: Service and tag to the digest in the registry.
        unsigned: Services whose images the registry has not signed.
    """

    def __init__(self) -> None:
        super().__init__(ENVIRONMENT, platform="nova", aws=_aws(os.environ.get("AWS_ENDPOINT_URL")))
        self.answers: dict[str, Answer] = {}
        self.digests: dict[str, str] = {}
        self.pushed: dict[tuple[str, str], str] = {}
        self.unsigned: set[str] = set()

    def signatures(self, images: Sequence[Image]) -> tuple[tuple[str, ...], ...]:
        names = [image.repository.rpartition("/")[2] for image in images]
        return tuple(() if name in self.unsigned else ("COMPLETE",) for name in names)

    def services(self) -> tuple[RunningService, ...]:
        return tuple(self._with_tasks(s) if s.stack.startswith(PREFIX) else s for s in super().services())

    def wait_for_stacks(self, names: Sequence[str]) -> Iterator[Stack]:
        for ended in super().wait_for_stacks(names):
            self.follow(ended.name)
            yield ended

    def follow(self, stack: str) -> None:
        latest = self.aws.call("ecs", "describe_task_definition", taskDefinition=stack)["taskDefinition"]
        self.aws.call(
            "ecs", "update_service", cluster=PREFIX, service=stack, taskDefinition=latest["taskDefinitionArn"]
        )

    def get(self, path: str) -> Answer:
        _, service, what = path.split("/")
        assert what == "version"
        if service in self.answers:
            return self.answers[service]
        [found] = [s for s in self.services() if s.name == service]
        return Answer(200, json.dumps({"service": service, "release": Image.parse(found.tasks[0].image).tag}))

    def _with_tasks(self, service: RunningService) -> RunningService:
        # Asked of moto itself: each call over HTTP takes milliseconds.
        image = str(image_of(json.loads(stack_behind(service.stack).template), stack=service.stack))
        digest = self.digests.get(service.name, self.pushed.get((service.name, Image.parse(image).tag)))
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
        return self.environment.aws.client(name)

    def stack(self, service: str) -> dict[str, Any]:
        """A service's stack."""
        stack: dict[str, Any]
        [stack] = self.client("cloudformation").describe_stacks(StackName=f"{PREFIX}-{service}")["Stacks"]
        return stack

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
        digest = self.environment.pushed[service, tag] = answer["image"]["imageId"]["imageDigest"]
        return ReleasedImage(tag, digest)

    def release(self, number: int, *services: str, outcome: Outcome = "verified") -> Entry:
        """Deploy a release that changes some services, all if none is named, and write it to the ledger."""
        before = self.ledger()
        images = dict(before[0].images) if before else {}
        for service in services or SERVICES:
            images[service] = self.push(service, f"v{number}")
            self.deploy(service, f"v{number}")
        now = datetime.now(UTC).replace(microsecond=0)
        committed_at = datetime(2026, 1, number, tzinfo=UTC)
        entry = Entry(self.commit(number), images, now, outcome, "codepipeline/nova", committed_at=committed_at)
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
            subnets = self.client("ec2").describe_subnets(MaxResults=5)["Subnets"]
            launch_on_fargate(name, [subnet["SubnetId"] for subnet in subnets])
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
        for container in resource["Properties"].get("ContainerDefinitions", ()):
            container.setdefault("Memory", 128)  # without it moto runs no task
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
