"""The example of somebody else's app: what it gets, with nothing installed but what the constructs need."""

import json
import os
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXAMPLE = Path(__file__).parents[2] / "examples" / "construct" / "shop.py"

# Runs a script where only some packages can be imported.
ALONE = """
import runpy, sys
kept = set(sys.argv[2].split(","))

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in kept:
            raise ModuleNotFoundError(f"{name}: is not a dependency of the constructs")

sys.meta_path.insert(0, Missing())
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def needed(name: str) -> set[str]:
    """A distribution and all that it requires, without extras."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for line in distribution(name).requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The resources of the example's one stack."""
    directory = tmp_path_factory.mktemp("example")
    own = needed("nova-infra")
    others = {
        module
        for module, distributions in packages_distributions().items()
        if own.isdisjoint(map(canonicalize_name, distributions))
    }
    assert {"aiohttp", "boto3", "click", "psutil", "rich"} <= others
    subprocess.run(
        [sys.executable, "-c", ALONE, str(EXAMPLE), ",".join(others)],
        cwd=directory,
        env={**os.environ, "CDK_OUTDIR": str(directory)},
        check=True,
    )
    return list(json.loads((directory / "Acme.template.json").read_text())["Resources"].values())


def only(resources: list[dict[str, Any]], resource_type: str) -> dict[str, Any]:
    [properties] = [each["Properties"] for each in resources if each["Type"] == resource_type]
    return dict(properties)


@pytest.mark.exhaustive(
    "stacks/services/test_infrastructure.py::test_no_task_starts_before_what_it_may_know_by_name_alone"
)
def test_its_service_rolls_a_bad_canary_back(resources: list[dict[str, Any]]) -> None:
    deployment = only(resources, "AWS::ECS::Service")["DeploymentConfiguration"]
    assert deployment["CanaryConfiguration"] == {"CanaryPercent": 10, "CanaryBakeTimeInMinutes": 5}
    assert deployment["DeploymentCircuitBreaker"]["Rollback"] is True
    alarms = {each["Properties"]["AlarmName"] for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert deployment["Alarms"]["Rollback"] is True
    assert set(deployment["Alarms"]["AlarmNames"]) < alarms
    assert alarms - set(deployment["Alarms"]["AlarmNames"]) == {"Acme-shop-unhealthy", "Acme-shop-running"}


@pytest.mark.exhaustive(
    "stacks/services/test_infrastructure.py::test_no_task_starts_before_what_it_may_know_by_name_alone"
)
def test_its_requests_reach_the_container(resources: list[dict[str, Any]]) -> None:
    [container] = only(resources, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    assert [mapping["ContainerPort"] for mapping in container["PortMappings"]] == [8080]
    assert not {"Command", "HealthCheck"} & container.keys(), "the image is somebody else's"
    rule = only(resources, "AWS::ElasticLoadBalancingV2::ListenerRule")
    assert rule["Conditions"][0]["PathPatternConfig"]["Values"] == ["/shop/*"]
    outward = only(resources, "AWS::EC2::SecurityGroupEgress")
    inward = only(resources, "AWS::EC2::SecurityGroupIngress")
    assert outward["DestinationSecurityGroupId"] == inward["GroupId"]
    assert outward["GroupId"] == inward["SourceSecurityGroupId"]
    assert (outward["FromPort"], inward["FromPort"]) == (8080, 8080)


def test_it_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 40
