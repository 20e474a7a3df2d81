"""Refuses images whose ECR repository no deployed stack creates."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nova_infra.operations.changes.stated_values import tables
from nova_infra.operations.changes.template_values import shown
from nova_infra.operations.planner.blockers.cloudformation.identity import identity
from nova_infra.operations.planner.model import Refusal, StackKey
from nova_infra.operations.planner.step import Step

_ECR_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[^/]+/(?P<repository>[^:@]+)[:@].+"
)


def missing_repositories(step: Step) -> Iterator[Refusal]:
    """Refuse a task whose image belongs in a repository that the release describes but does not deploy."""
    for logical_id, properties in step.after.of_type("AWS::ECS::TaskDefinition"):
        for container in tables(properties.get("ContainerDefinitions")):
            wanted = _repository(container)
            if wanted is None or step.world.owners(wanted):
                continue
            for stack in step.never_deployed:
                if any(name == wanted for name, _ in step.world.identities(stack)):
                    yield step.refuse(
                        f"{logical_id}.ContainerDefinitions",
                        f"its image is in {wanted.rpartition(' ')[2]}, a repository of {stack.key.name}, which "
                        "nothing deploys before",
                        f"deploy {stack.key.name} first",
                    )
                    break


def _repository(container: Mapping[str, Any]) -> str | None:
    """The identity of a container's repository in ECR; None if the image is elsewhere."""
    if (match := _ECR_IMAGE.fullmatch(shown(container.get("Image")))) is None:
        return None
    resource = {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": match["repository"]}}
    return identity(resource, StackKey(match["account"], match["region"], ""), shown)
