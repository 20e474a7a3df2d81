"""The policies of a task's roles: what goes stays until the running revision is gone."""

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam

from helpers.exhaustive import one_of_each
from nova_infra.config import Service
from nova_infra.constructs.tasks.task import FargateTask

READS = {"secrets": {"TOKEN": "acme/token"}}
ASKS = {"permissions": [{"actions": ["s3:GetObject"], "resources": ["arn:aws:s3:::acme/public"]}]}
MANY = {f"SECRET_{number}": f"acme/secret-{number}" for number in range(90)}
SIDECAR = {"name": "otel", "image": f"555555555555.dkr.ecr.us-east-1.amazonaws.com/otel:1@sha256:{'b' * 64}"}


def add_task(stack: cdk.Stack, name: str, config: Any, **keys: Any) -> FargateTask:
    return FargateTask(
        stack,
        name,
        name="shop",
        image=ecs.ContainerImage.from_registry("public.ecr.aws/acme/shop:3"),
        service=Service.model_validate({"name": "shop", **keys}),
        runtime=config.environments[0],
    )


def policies(config: Any, **keys: Any) -> dict[str, tuple[str, str]]:
    """Role, as TaskRole or ExecutionRole, to the logical id and the name of its policy."""
    stack = cdk.Stack(env=cdk.Environment(account="333333333333", region="us-east-1"))
    add_task(stack, "Task", config, **keys)
    found = assertions.Template.from_stack(stack).find_resources("AWS::IAM::Policy").items()
    return {
        "ExecutionRole" if "Execution" in str(each["Properties"]["Roles"]) else "TaskRole": (
            name,
            each["Properties"]["PolicyName"],
        )
        for name, each in found
    }


@pytest.mark.parametrize(
    ("role", "before", "after"),
    one_of_each(
        [
            ("ExecutionRole", READS, {}),
            ("ExecutionRole", READS, {"secrets": {"TOKEN": "ssm:/acme/token"}}),
            ("ExecutionRole", {**READS, "sidecars": [SIDECAR]}, READS),
            ("ExecutionRole", READS, {"secrets": MANY}),
            ("TaskRole", ASKS, {"permissions": [{**ASKS["permissions"][0], "actions": ["s3:ListBucket"]}]}),
            ("TaskRole", ASKS, {"permissions": [{**ASKS["permissions"][0], "resources": ["arn:aws:s3:::acme"]}]}),
        ]
    ),
)
def test_what_a_role_loses_is_in_a_policy_that_is_deleted_last(
    config: Any, role: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    was, becomes = policies(config, **before)[role], policies(config, **after)[role]
    assert was[0] != becomes[0], "CloudFormation would change it in place, before the service"
    assert was[1] != becomes[1], "deleting the old one would delete the new one, which has its name"


@pytest.mark.parametrize("keys", [{}, READS, ASKS])
def test_another_release_of_the_same_grants_changes_no_policy(config: Any, keys: dict[str, Any]) -> None:
    renamed = {"secrets": {"SECRET": "acme/token"}} if "secrets" in keys else keys
    assert policies(config, **keys) == policies(config, **renamed, environment={"LEVEL": "warn"})


@pytest.mark.exhaustive("test_another_release_of_the_same_grants_changes_no_policy")
def test_two_policies_that_a_role_could_not_have_at_once_are_one(config: Any) -> None:
    assert policies(config, secrets=MANY) == policies(config, secrets={**MANY, "TOKEN": "acme/token"})


def test_two_services_of_one_stack_may_have_the_same_grants(config: Any) -> None:
    stack = cdk.Stack()
    for name in ("Orders", "Returns"):
        add_task(stack, name, config, **READS, **ASKS)
    found = assertions.Template.from_stack(stack).find_resources("AWS::IAM::Policy")
    assert len(found) == len({each["Properties"]["PolicyName"] for each in found.values()}) == 4


@pytest.mark.parametrize(("buckets", "named_by_grants"), [(90, True), (150, False)])
def test_what_a_role_is_granted_elsewhere_counts(config: Any, buckets: int, *, named_by_grants: bool) -> None:
    """IAM's limit is for the documents of all inline policies together, whoever wrote their statements."""

    def named(actions: str) -> set[str]:
        stack = cdk.Stack()
        asks = {"permissions": [{"actions": [actions], "resources": ["arn:aws:s3:::acme/public"]}]}
        task = add_task(stack, "Task", config, **asks)
        orders = [f"arn:aws:s3:::acme-orders-{number:03}/*" for number in range(buckets)]
        task.definition.task_role.add_to_principal_policy(
            iam.PolicyStatement(actions=["s3:PutObject"], resources=orders)
        )
        found = assertions.Template.from_stack(stack).find_resources("AWS::IAM::Policy")
        return {name for name, each in found.items() if "Execution" not in str(each["Properties"]["Roles"])}

    assert (named("s3:GetObject") != named("s3:ListBucket")) is named_by_grants
