"""Faults that a drill puts into a release."""

from typing import Any

import pytest

from nova_infra.errors import NovaError
from nova_infra.rehearsal.drills.catalogue import DRILLS
from nova_infra.rehearsal.tasks.faults import FAULTS, LABEL, place_of, put_into

CONTAINER = {
    "Image": "registry/tiny:one",
    "Command": ["serve"],
    "EntryPoint": ["/init"],
    "PortMappings": [{"ContainerPort": 3000}],
    "Environment": [{"Name": "PLAIN", "Value": "a"}, {"Name": "URL", "Value": {"Fn::GetAtt": ["Balancer", "DNSName"]}}],
    "MountPoints": [{"ContainerPath": "/tmp"}, {"ContainerPath": "/data"}],
    "DockerLabels": {"team": "a"},
}


def faulty(fault: str) -> dict[str, Any]:
    """The container's definition with a fault, without what did not change."""
    container = {key: value.copy() if isinstance(value, (dict, list)) else value for key, value in CONTAINER.items()}
    container["PortMappings"] = [{"ContainerPort": 3000}]
    put_into(container, fault)
    assert container.pop("DockerLabels") == {"team": "a", LABEL: fault}
    return {key: value for key, value in container.items() if CONTAINER.get(key) != value} | {
        key: None for key in CONTAINER if key not in container and key != "DockerLabels"
    }


@pytest.mark.parametrize(
    ("fault", "changed"),
    [
        ("errors:0.5", {}),
        ("killed", {}),
        ("missing-secret", {}),
        ("no-program", {"Command": [], "EntryPoint": ["/no-such-program"]}),
        ("developers-program", {"Command": ["--version"], "EntryPoint": ["pytest"]}),
        ("wrong-port", {"PortMappings": [{"ContainerPort": 3001}]}),
        ("missing-variable", {"Environment": [{"Name": "PLAIN", "Value": "a"}]}),
        ("no-tmp", {"MountPoints": [{"ContainerPath": "/data"}], "ReadonlyRootFilesystem": True}),
    ],
)
def test_a_fault_changes_what_it_is_about_and_nothing_else(fault: str, changed: dict[str, Any]) -> None:
    assert faulty(fault) == changed


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(NovaError, match="'nonsense:1': is not a fault: choose one of errors"):
        put_into({}, "nonsense:1")


def test_each_drill_says_where_its_fault_sits() -> None:
    places = {drill.name: drill.place for drill in DRILLS}
    assert places["errors"] == "the load balancer"
    assert places["cpu-burn"] == places["hang-on-sigterm"] == "the container"
    assert places["crash-at-start"] == "the task definition"
    elsewhere = {"gate-unanswered", "gate-promoted-twice", "aborted", "suite-hangs", "suite-elsewhere"}
    elsewhere |= {"smoke-function-fails", "smoke-function-hangs", "approval-rejected"}
    assert {name for name, place in places.items() if not place} == elsewhere


def test_each_fault_is_drilled() -> None:
    used = {(drill.fault or drill.baseline_fault).partition(":")[0] for drill in DRILLS}
    assert used - {""} == set(FAULTS)
    assert all(place_of(fault) for fault in FAULTS)
