"""Sidecars in repositories of ECR, which let nobody pull whose role may not."""

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_ecs as ecs

from nova_infra.config import Service
from nova_infra.constructs.tasks.sidecars import add_sidecars

DIGEST = f"sha256:{'a' * 64}"
HOST = "555555555555.dkr.ecr.eu-west-1.amazonaws.com"


def added(written: str) -> tuple[Any, list[Any]]:
    """The image of a sidecar in its task definition, and the statements by which the task may pull images."""
    stack = cdk.Stack(env=cdk.Environment(account="333333333333", region="us-east-1"))
    task = ecs.FargateTaskDefinition(stack, "Task")
    own = task.add_container("own", image=ecs.ContainerImage.from_registry("public.ecr.aws/acme/own:3"))
    service = Service.model_validate({"name": "shop", "sidecars": ({"name": "proxy", "image": written},)})
    add_sidecars(stack, own, service, ecs.LogDrivers.aws_logs(stream_prefix="shop"))
    template = assertions.Template.from_stack(stack)
    [definition] = template.find_resources("AWS::ECS::TaskDefinition").values()
    [proxy] = [each for each in definition["Properties"]["ContainerDefinitions"] if each["Name"] == "proxy"]
    statements = [
        statement
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "ecr:BatchGetImage" in statement["Action"]
    ]
    return proxy["Image"], statements


@pytest.mark.parametrize(
    ("written", "image"),
    [
        (f"{HOST}/team/proxy:1.2@{DIGEST}", f"/team/proxy@{DIGEST}"),
        (f"{HOST}/team/proxy@{DIGEST}", f"/team/proxy@{DIGEST}"),
        (f"{HOST}/team/proxy:1.2", "/team/proxy:1.2"),
    ],
)
def test_a_task_may_pull_the_sidecar_that_is_in_ecr(written: str, image: str) -> None:
    found, [pulls] = added(written)
    assert found["Fn::Join"][1][0].startswith("555555555555.dkr.ecr.eu-west-1.")
    assert found["Fn::Join"][1][-1] == image
    assert json.dumps(pulls["Resource"]).count("repository/team/proxy") == 1
    assert ":ecr:eu-west-1:555555555555:repository/team/proxy" in json.dumps(pulls["Resource"])


@pytest.mark.parametrize(
    "host",
    [
        "555555555555.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
        "555555555555.dkr-ecr.us-gov-west-1.on.aws",
        "555555555555.dkr-ecr-fips.us-gov-west-1.on.aws",
    ],
)
def test_a_registry_of_ecr_keeps_the_name_that_it_is_asked_by(host: str) -> None:
    found, [pulls] = added(f"{host}/team/proxy:1.2")
    assert found == f"{host}/team/proxy:1.2"
    assert ":ecr:us-gov-west-1:555555555555:repository/team/proxy" in json.dumps(pulls["Resource"])


def test_a_registry_elsewhere_needs_no_permission() -> None:
    assert added("dkr-ecr.example.com/team/proxy:1.2") == ("dkr-ecr.example.com/team/proxy:1.2", [])
