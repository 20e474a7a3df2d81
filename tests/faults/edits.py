"""Edits of the miniature's templates, for faults and changes that are put into a release."""

from collections.abc import Callable, Sequence
from typing import Any

from nova_infra.assembly import Template

Templates = dict[str, Template]


def service_of(templates: dict[str, Template], place: str = "Prod") -> dict[str, Any]:
    """The properties of a place's service."""
    properties: dict[str, Any] = templates[place]["Resources"]["Service"]["Properties"]
    return properties


def container_of(templates: dict[str, Template], place: str = "Prod") -> dict[str, Any]:
    """The one container of a place's task definition."""
    [container] = templates[place]["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    found: dict[str, Any] = container
    return found


def alarm(name: str, metric: str, namespace: str, dimensions: Sequence[tuple[str, Any]], **more: Any) -> dict[str, Any]:
    """An alarm on one metric, above a threshold."""
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": name,
            "MetricName": metric,
            "Namespace": namespace,
            "Period": 60,
            "Statistic": "Maximum",
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            **more,
        },
    }


def service(**changes: Any) -> Callable[[Templates], None]:
    return lambda templates: service_of(templates).update(changes)


def rollout(**changes: Any) -> Callable[[Templates], None]:
    return lambda templates: service_of(templates)["DeploymentConfiguration"].update(changes)


def container(**changes: Any) -> Callable[[Templates], None]:
    return lambda templates: container_of(templates).update(changes)


def resource(name: str, resource_type: str, place: str = "Prod", **properties: Any) -> Callable[[Templates], None]:
    def edit(templates: Templates) -> None:
        templates[place]["Resources"][name] = {"Type": resource_type, "Properties": properties}

    return edit


def rule(**changes: Any) -> Callable[[Templates], None]:
    return lambda templates: templates["Prod"]["Resources"]["Rule"]["Properties"].update(changes)


def paths(*values: str) -> list[Any]:
    return [{"Field": "path-pattern", "PathPatternConfig": {"Values": list(values)}}]


def with_cpu_alarm(templates: Templates) -> None:
    dimensions = [("ClusterName", "prod"), ("ServiceName", "prod-tiny")]
    found = alarm("prod-cpu", "CPUUtilization", "AWS/ECS", dimensions, Threshold=80, TreatMissingData="notBreaching")
    templates["Prod"]["Resources"]["Cpu"] = found
    templates["Prod"]["Resources"]["Task"]["Properties"]["Cpu"] = "256"
    service_of(templates)["DeploymentConfiguration"]["Alarms"]["AlarmNames"].append("prod-cpu")


def operations(count: int) -> Callable[[Templates], None]:
    def edit(templates: Templates) -> None:
        for place in ("Dev", "Prod"):
            container_of(templates, place)["Environment"].append({"Name": "OPERATIONS", "Value": str(count)})

    return edit


def network(cidr: str) -> Callable[[Templates], None]:
    def edit(templates: Templates) -> None:
        resource("Vpc", "AWS::EC2::VPC", CidrBlock="10.0.0.0/16")(templates)
        resource("Subnet", "AWS::EC2::Subnet", VpcId={"Ref": "Vpc"}, CidrBlock=cidr)(templates)

    return edit


def role(path: str) -> Callable[[Templates], None]:
    return resource("Role", "AWS::IAM::Role", RoleName="acme", Path=path, AssumeRolePolicyDocument={"Statement": []})


def changed(name: str, place: str = "Prod", **changes: Any) -> Callable[[Templates], None]:
    return lambda templates: templates[place]["Resources"][name]["Properties"].update(changes)


def all_of(*edits: Callable[[Templates], None]) -> Callable[[Templates], None]:
    def edit(templates: Templates) -> None:
        for each in edits:
            each(templates)

    return edit


def groups(**changes: Any) -> Callable[[Templates], None]:
    return all_of(changed("Blue", **changes), changed("Green", **changes))


def in_dev(**changes: Any) -> Callable[[Templates], None]:
    return lambda templates: service_of(templates, "Dev")["DeploymentConfiguration"].update(changes)


def without(*names: str) -> Callable[[Templates], None]:
    """Without some stages or actions of the pipeline."""

    def edit(templates: Templates) -> None:
        properties = templates["pipeline"]["Resources"]["Pipeline"]["Properties"]
        kept = [stage for stage in properties["Stages"] if stage["Name"] not in names]
        properties["Stages"] = [
            {**stage, "Actions": [each for each in stage["Actions"] if each["Name"] not in names]} for stage in kept
        ]

    return edit


def without_a_variable(templates: Templates) -> None:
    found = container_of(templates)
    found["Environment"] = [each for each in found["Environment"] if each["Name"] != "RELEASE"]


def port_of_nobody(templates: Templates) -> None:
    container_of(templates)["Name"] = "tiny"
    service_of(templates)["LoadBalancers"][0].update(ContainerName="tiny", ContainerPort=9999)
