"""What CloudFormation answers about one stack."""

from typing import Any, cast

import pytest

from nova_infra.deployed.aws.client.errors import ServiceError
from nova_infra.deployed.aws.client.session import Aws
from nova_infra.deployed.aws.stacks import deployed_template

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
