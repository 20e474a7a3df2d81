"""Sidecars in repositories of ECR, which let nobody pull whose role may not."""

from __future__ import annotations

import json

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_ecs as ecs

from nova_infra.config import Service
from nova_infra.constructs.tasks.sidecars import add_sidecars

DIGEST = f"sha256:{'a' * 64}"
HOST = "555555555555.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("written", "image"),
    [
        (f"{HOST}/team/proxy:1.2@{DIGEST}", f"/team/proxy@{DIGEST}"),
        (f"{HOST}/team/proxy@{DIGEST}", f"/team/proxy@{DIGEST}"),
        (f"{HOST}/team/proxy:1.2", "/team/proxy:1.2"),
    ],
)
def test_a_task_may_pull_the_sidecar_that_is_in_ecr(written: str, image: str) -> None:
    stack = cdk.Stack(env=cdk.Environment(account="333333333333", region="us-east-1"))
    task = ecs.FargateTaskDefinition(stack, "Task")
    own = task.add_container("own", image=ecs.ContainerImage.from_registry("public.ecr.aws/acme/own:3"))
    service = Service.model_validate({"name": "shop", "sidecars": ({"name": "proxy", "image": written},)})
    add_sidecars(stack, own, service, ecs.LogDrivers.aws_logs(stream_prefix="shop"))
    template = assertions.Template.from_stack(stack)
    [definition] = template.find_resources("AWS::ECS::TaskDefinition").values()
    [proxy] = [each for each in definition["Properties"]["ContainerDefinitions"] if each["Name"] == "proxy"]
    assert proxy["Image"]["Fn::Join"][1][0].startswith("555555555555.dkr.ecr.eu-west-1.")
    assert proxy["Image"]["Fn::Join"][1][-1] == image
    statements = [
        statement
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "ecr:BatchGetImage" in statement["Action"]
    ]
    [pulls] = statements
    assert json.dumps(pulls["Resource"]).count("repository/team/proxy") == 1
    assert ":ecr:eu-west-1:555555555555:repository/team/proxy" in json.dumps(pulls["Resource"])
