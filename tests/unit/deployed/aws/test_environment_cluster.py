"""Which ECS cluster an environment is in, and what of it is the environment's."""

from datetime import UTC, datetime
from typing import Any

import pytest

from nova_infra.deployed.aws.client.errors import DeniedError, ServiceError
from nova_infra.deployed.aws.environment import AwsEnvironment
from nova_infra.deployed.stack import Stack
from nova_infra.documents.model import Table
from nova_infra.errors import NotDeployedError
from nova_infra.operations.incident.addresses import places


class Clusters:
    """AWS with one cluster, which the platform's stack may name, and services and tasks of two owners in it."""

    partition, region = "aws", "eu-west-1"

    def __init__(self, cluster: str, *, named: bool = True, denied: bool = False) -> None:
        self.cluster, self.named, self.denied = cluster, named, denied
        self.asked: list[str] = []

    def now(self) -> datetime:
        return datetime(2026, 3, 4, tzinfo=UTC)

    def each(self, ask: Any, questions: Any) -> list[Any]:
        return [ask(question) for question in questions]

    def call(self, _service: str, operation: str, *, cluster: str = "", **which: Any) -> Any:
        self.asked.append(operation)
        if operation == "describe_stacks":
            if self.denied:
                raise DeniedError("cloudformation:DescribeStacks: denied")
            outputs = {"ClusterName": self.cluster} if self.named else {}
            said = [{"OutputKey": key, "OutputValue": value} for key, value in {"Url": "u", **outputs}.items()]
            return {"Stacks": [{"StackName": which["StackName"], "StackStatus": "S", "Outputs": said}]}
        self.found(cluster)
        if operation == "describe_tasks":
            of = {"1": "nova-prod-shop", "2": "theirs"}
            return {
                "tasks": [
                    {"taskArn": arn, "taskDefinitionArn": "t:1", "group": f"service:{of[arn]}"}
                    for arn in which["tasks"]
                ]
            }
        assert operation == "describe_services", operation
        about = {"status": "ACTIVE", "taskDefinition": "t:1", "desiredCount": 1, "runningCount": 1}
        return {"services": [{"serviceName": name, **about} for name in which["services"]]}

    def pages(self, service: str, operation: str, _key: str, *, cluster: str = "", **which: Any) -> list[str]:
        if operation == "describe_stacks":
            return [self.call(service, operation, StackName="nova-prod-platform")["Stacks"][0]]
        self.asked.append(operation)
        self.found(cluster)
        if operation == "list_tasks":
            return ["1"] if which.get("serviceName") == "nova-prod-shop" else ["1", "2"]
        assert operation == "list_services", operation
        return [f"arn:aws:ecs:eu-west-1:111111111111:service/{cluster}/{name}" for name in ("theirs", "nova-prod-shop")]

    def found(self, cluster: str) -> None:
        if cluster != self.cluster:
            raise ServiceError("no such cluster", "ClusterNotFoundException")


def environment(aws: Any, *, own_cluster: bool) -> AwsEnvironment:
    return AwsEnvironment("prod", platform="nova", aws=aws, own_cluster=own_cluster)


@pytest.mark.parametrize("own_cluster", [True, False], ids=["nova.toml names none", "nova.toml names one"])
def test_the_cluster_is_the_one_that_the_environment_was_deployed_to(own_cluster: bool) -> None:
    found = environment(Clusters("everybodys"), own_cluster=own_cluster)
    assert found.service_names() == ("shop",)
    assert found.cluster == "everybodys"


def test_an_operators_commands_find_the_cluster_too() -> None:
    found = environment(Clusters("everybodys"), own_cluster=True)
    assert [task.arn for task in found.tasks("shop")] == ["1", "1"]  # running, and stopped


def test_services_and_tasks_of_others_in_the_cluster_are_not_the_environments() -> None:
    [shop] = environment(Clusters("everybodys"), own_cluster=False).services()
    assert (shop.name, len(shop.tasks)) == ("shop", 1)


def test_nothing_more_is_asked_about_a_cluster_of_its_own() -> None:
    aws = Clusters("nova-prod", named=False)
    assert [each.name for each in environment(aws, own_cluster=True).services()] == ["shop", "theirs"]
    assert aws.asked == ["list_services", "list_tasks", "describe_tasks", "describe_services"]


def test_an_environment_without_any_cluster_is_not_deployed() -> None:
    aws = Clusters("another", named=False)
    with pytest.raises(NotDeployedError, match="no cluster nova-prod"):
        environment(aws, own_cluster=True).services()


def test_a_role_that_may_not_read_the_stack_looks_for_the_environments_own_cluster() -> None:
    aws = Clusters("nova-prod", named=False, denied=True)
    assert environment(aws, own_cluster=False).cluster == "nova-prod"


def test_the_console_shows_the_cluster_that_services_are_in() -> None:
    class Place:
        name, prefix = "prod", "nova-prod"

        def stack_name(self, name: str) -> str:
            return f"nova-prod-{name}"

        def stacks(self, _: Any) -> Any:
            outputs = {"Url": "https://shop.example.com", "ClusterName": "everybodys"}
            arn = "arn:aws:cloudformation:eu-west-1:111111111111:stack/nova-prod-platform/1"
            return (Stack("nova-prod-platform", "UPDATE_COMPLETE", outputs=outputs, arn=arn),)

    place: Any = Place()
    [table] = places(place).sections[0].blocks
    assert isinstance(table, Table)
    rows: Any = table.rows
    assert "/ecs/v2/clusters/everybodys/services" in dict(rows)["services"]
