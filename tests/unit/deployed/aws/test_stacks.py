"""What CloudFormation answers about one stack."""

from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from nova_infra.deployed.aws.client.errors import ServiceError
from nova_infra.deployed.aws.client.session import Aws
from nova_infra.deployed.aws.stacks import AwsStacks, deployed_template
from nova_infra.deployed.stack import Stack
from nova_infra.names import REVISION_OUTPUT

FAMILY = "arn:aws:ecs:eu-west-1:111111111111:task-definition/nova-prod-shop"
TEMPLATE = {"Resources": {"Shop": {"Type": "AWS::ECR::Repository"}}}


class OneStack:
    """AWS with one stack in some state; none where that is empty."""

    def __init__(self, status: str) -> None:
        self.status = status

    def call(self, service: str, operation: str, **question: Any) -> Any:
        assert (service, question["StackName"]) == ("cloudformation", "NovaRegistryStack")
        if operation == "get_template":
            return {"TemplateBody": TEMPLATE}
        if not self.status:
            raise ServiceError("Stack with id NovaRegistryStack does not exist", code="ValidationError")
        return {"Stacks": [{"StackName": "NovaRegistryStack", "StackStatus": self.status}]}


@pytest.mark.parametrize(
    ("status", "deployed"),
    [
        *((f"{each}_COMPLETE", True) for each in ("CREATE", "UPDATE", "IMPORT")),
        *((each, False) for each in ("", "REVIEW_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_COMPLETE")),
        *((each, False) for each in ("UPDATE_IN_PROGRESS", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE")),
    ],
)
def test_a_template_counts_as_deployed_where_that_has_succeeded(status: str, deployed: bool) -> None:
    assert deployed_template(cast("Aws", OneStack(status)), "NovaRegistryStack") == (TEMPLATE if deployed else None)


class Listing:
    """AWS in which each stack has made the fourth revision, by its resources; it notes of which it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pages(self, _: str, operation: str, __: str, **question: str) -> list[dict[str, str]]:
        assert operation == "list_stack_resources"
        self.asked.append(question["StackName"])
        kinds = {"AWS::ECS::TaskDefinition": f"{FAMILY}:4", "AWS::SQS::Queue": "https://queue"}
        return [{"ResourceType": kind, "PhysicalResourceId": made} for kind, made in kinds.items()]

    def each(self, function: Callable[[str], str], items: Iterable[str]) -> list[str]:
        return [function(item) for item in items]


class Stacks(AwsStacks):
    def service_names(self) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize(
    ("status", "outputs", "revision", "asked"),
    [
        ("UPDATE_COMPLETE", {REVISION_OUTPUT: f"{FAMILY}:3"}, 3, []),
        ("UPDATE_COMPLETE", {"Url": "http://shop"}, 4, ["shop"]),
        ("UPDATE_ROLLBACK_COMPLETE", {REVISION_OUTPUT: f"{FAMILY}:3"}, 4, ["shop"]),
        ("UPDATE_FAILED", {REVISION_OUTPUT: f"{FAMILY}:3"}, 4, ["shop"]),
    ],
)
def test_a_stack_that_says_its_revision_is_not_asked_for_its_resources(
    status: str, outputs: dict[str, str], revision: int, asked: list[str]
) -> None:
    aws = Listing()
    stacks = Stacks("nova-prod", aws=cast("Aws", aws))
    found = stacks.stack_revisions([Stack("shop", status, outputs=outputs)])
    assert (found, aws.asked) == ({"shop": f"nova-prod-shop:{revision}"}, asked)
