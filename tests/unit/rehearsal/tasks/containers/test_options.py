"""What an engine is told of a task: all that its definition says, and what Fargate does by itself."""

from dataclasses import replace
from typing import Any

import pytest

from nova_infra.rehearsal.cloudformation.intrinsics import UnresolvableError
from nova_infra.rehearsal.cloudformation.vocabulary import check_properties
from nova_infra.rehearsal.tasks.containers import options as module
from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.containers.options import ContainerNetwork, bare_mounts, create_options
from nova_infra.rehearsal.tasks.definition import read_task_definition

IMAGE = EngineImage("shop:7", "amd64", ("/shop",), "SIGTERM", ())


def properties(linux: dict[str, Any]) -> dict[str, Any]:
    container = {"Image": "shop:7", "PortMappings": [{"ContainerPort": 3000}], "LinuxParameters": linux}
    return {"Cpu": "256", "Memory": "512", "ContainerDefinitions": [container]}


def options(linux: dict[str, Any], *, podman: bool) -> list[str]:
    definition = read_task_definition(properties(linux), "shop:1")
    network = ContainerNetwork("n1", "10.97.7.1")
    return create_options(definition, IMAGE, network, name="n1-2", label="l=3", port=8123, podman=podman)


@pytest.mark.parametrize(
    ("linux", "podman", "wanted"),
    [
        ({}, False, []),
        # Podman begins with fewer than Docker, and Fargate with Docker's.
        ({}, True, ["--cap-add=AUDIT_WRITE", "--cap-add=MKNOD", "--cap-add=NET_RAW"]),
        ({"Capabilities": {"Drop": ["NET_RAW", "MKNOD"]}}, True,
         ["--cap-drop=NET_RAW", "--cap-drop=MKNOD", "--cap-add=AUDIT_WRITE"]),
        ({"Capabilities": {"Drop": ["ALL"]}}, True, ["--cap-drop=ALL"]),
        ({"Capabilities": {"Drop": ["ALL"], "Add": ["SYS_PTRACE"]}}, False, ["--cap-drop=ALL", "--cap-add=SYS_PTRACE"]),
    ],
)  # fmt: skip
def test_a_container_has_the_capabilities_that_fargate_gives_it(
    linux: dict[str, Any], podman: bool, wanted: list[str]
) -> None:
    made = options(linux, podman=podman)
    assert [each for each in made if each.startswith("--cap-")] == wanted


@pytest.mark.parametrize("podman", [True, False])
def test_shared_memory_and_low_ports_are_as_on_fargate_with_either_engine(podman: bool) -> None:
    made = options({}, podman=podman)
    assert "--shm-size=64m" in made
    assert "--sysctl=net.ipv4.ip_unprivileged_port_start=1024" in made


@pytest.mark.parametrize(
    ("linux", "said"),
    [
        ({"SharedMemorySize": 256}, "SharedMemorySize"),
        ({"Tmpfs": [{"ContainerPath": "/x", "Size": 5}]}, "Tmpfs"),
        ({"Capabilities": {"Add": ["NET_ADMIN"]}}, "NET_ADMIN"),
    ],
)
def test_what_fargate_does_not_take_is_refused(linux: dict[str, Any], said: str) -> None:
    with pytest.raises(UnresolvableError, match=said):
        check_properties("AWS::ECS::TaskDefinition", properties(linux), "Task")


def limited(*limits: tuple[str, int, int]) -> list[str]:
    """The options that limit what a process may have, of a definition with these limits."""
    found = properties({})
    found["ContainerDefinitions"][0]["Ulimits"] = [
        {"Name": name, "SoftLimit": soft, "HardLimit": hard} for name, soft, hard in limits
    ]
    check_properties("AWS::ECS::TaskDefinition", found, "Task")
    definition = read_task_definition(found, "shop:1")
    network = ContainerNetwork("n1", None)
    made = create_options(definition, IMAGE, network, name="n1-2", label="l=3", port=8123, podman=False)
    return [each for each in made if each.startswith("--ulimit")]


def test_a_process_may_have_as_many_files_open_as_its_definition_says() -> None:
    assert limited(("nofile", 1024, 4096)) == ["--ulimit=nofile=1024:4096"]
    assert limited() == []


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ((("memlock", 7, 8),), "memlock is not played: nofile is the only limit .*: leave memlock out"),
        ((("nofile", 7, 8), ("core", 0, 1)), "core is not played"),
        ((("nofile", 9, 8),), "the soft limit 9 is above the hard limit 8: lower SoftLimit"),
        ((("nofile", 7, 8), ("nofile", 7, 8)), "has nofile 2 times: write it once"),
    ],
)
def test_limits_that_are_not_played_are_refused_with_the_reason(
    limits: tuple[tuple[str, int, int], ...], said: str
) -> None:
    with pytest.raises(UnresolvableError, match=rf"^shop:1: ContainerDefinitions\[0\]\.Ulimits: {said}"):
        limited(*limits)


def mounted(*paths: str, podman: bool, volumes: tuple[str, ...] = (), **container: Any) -> list[str]:
    """The options that say what is where, for a task that mounts these paths."""
    mounts = [{"SourceVolume": path, "ContainerPath": path} for path in paths]
    found = properties({})
    found["ContainerDefinitions"][0] |= {"MountPoints": mounts, **container}
    image = replace(IMAGE, volumes=volumes)
    definition = read_task_definition(found, "shop:1")
    directories = {path: f"/host{path}" for path in (*bare_mounts(definition, image), "/nowhere")}
    made = create_options(
        definition, image, ContainerNetwork("n1", None), name="n1-2", label="l=3", port=8123, podman=podman,
        directories=directories,
    )  # fmt: skip
    return [each for each in made if each.startswith(("--tmpfs", "--volume", "--mount"))]


@pytest.fixture(params=["", ",z"], ids=["", "SELinux"])
def label(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a directory of a Linux machine is mounted with, without SELinux and with it."""
    monkeypatch.setattr(module, "SHARES_DIRECTORIES", True)
    monkeypatch.setattr(module, "RELABEL", request.param)
    return str(request.param)


def test_a_mount_that_the_image_does_not_declare_is_roots_whatever_the_image_has_there(label: str) -> None:
    """No tmpfs: runc gives one the mode of the image's directory, so that anybody could write to /tmp."""
    wanted = [f"--volume=/host/tmp:/tmp:rw{label}", f"--volume=/host/data:/data:rw{label}"]
    assert mounted("/tmp", "/data", podman=True) == wanted
    assert mounted("/data", podman=False) == ["--mount=type=volume,destination=/data,volume-nocopy"]


def test_no_directory_of_a_mac_is_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its virtual machine neither labels the files nor gives them to root."""
    monkeypatch.setattr(module, "SHARES_DIRECTORIES", False)
    given: dict[str, Any] = {"WorkingDirectory": "/nowhere", "ReadonlyRootFilesystem": True}
    wanted = ["--tmpfs=/tmp:rw,exec,mode=0755", "--tmpfs=/nowhere:ro,exec,mode=0755"]
    assert mounted("/tmp", podman=True, **given) == wanted


def test_a_volume_that_containers_share_is_mounted_with_the_files_of_the_image_that_declares_it(label: str) -> None:
    found = properties({})
    at = [("pages", "/srv/www/", True), ("files", "/data", False), ("pages", "/new", False)]
    found["ContainerDefinitions"][0]["MountPoints"] = [
        {"SourceVolume": volume, "ContainerPath": path, "ReadOnly": read_only} for volume, path, read_only in at
    ]
    found["Volumes"] = [{"Name": "files", "EFSVolumeConfiguration": {"FilesystemId": "fs-1"}}, {"Name": "pages"}]
    definition = read_task_definition(found, "shop:1")
    [files] = [each.volume for each in definition.shared if each.lasts]
    image = replace(IMAGE, volumes=("/srv/www",))
    made = create_options(
        definition, image, ContainerNetwork("container:n1-1", "10.97.0.1"), name="n1-2", label="l=3", port=8123,
        podman=True, volumes={"pages": "n1-1-77", files: "/host/files"},
    )  # fmt: skip
    assert [each for each in made if each.startswith("--volume")] == [
        "--volume=n1-1-77:/srv/www/:ro", f"--volume=/host/files:/data:rw{label}", "--volume=n1-1-77:/new:rw,nocopy",
    ]  # fmt: skip
    assert not [each for each in made if each.startswith(("--publish", "--sysctl", "--add-host"))], "another opens it"


@pytest.mark.parametrize("podman", [True, False])
def test_a_mount_that_the_image_declares_is_the_engines_own_with_the_owner_and_mode_of_the_image(podman: bool) -> None:
    assert mounted("/data", podman=podman, volumes=("/data/",)) == []


def test_a_working_directory_that_is_not_there_is_made_as_writable_as_the_root(label: str) -> None:
    given: dict[str, Any] = {"WorkingDirectory": "/nowhere"}
    assert mounted(podman=True, **given) == [f"--volume=/host/nowhere:/nowhere:rw{label}"]
    assert mounted(podman=True, ReadonlyRootFilesystem=True, **given) == [f"--volume=/host/nowhere:/nowhere:ro{label}"]
    assert mounted("/nowhere", podman=True, **given) == [f"--volume=/host/nowhere:/nowhere:rw{label}"], "once"


def test_podman_writes_no_user_into_the_image_which_fargate_does_not_either() -> None:
    assert "--passwd-entry=#" in options({}, podman=True)
    assert "--passwd-entry=#" not in options({}, podman=False), "which knows no such option"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, []),
        ({"PseudoTerminal": False, "Interactive": "false"}, []),
        ({"PseudoTerminal": True}, ["--tty"]),
        ({"Interactive": "true"}, ["--interactive"]),
    ],
)
def test_a_container_has_a_terminal_or_an_open_input_only_where_its_definition_says_so(
    given: dict[str, Any], wanted: list[str]
) -> None:
    found = properties({})
    found["ContainerDefinitions"][0] |= given
    check_properties("AWS::ECS::TaskDefinition", found, "Task")
    definition, network = read_task_definition(found, "shop:1"), ContainerNetwork("n1", None)
    made = create_options(definition, IMAGE, network, name="n1-2", label="l=3", port=8123, podman=True)
    assert [each for each in made if each in ("--tty", "--interactive")] == wanted
