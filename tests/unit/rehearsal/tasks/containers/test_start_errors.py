"""Why a container does not start, in one line, by what Docker and Podman say of it."""

from dataclasses import replace

import pytest

from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import EngineError
from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.containers.start_errors import end_error, start_error
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.task import TaskFailedError

IMAGE = EngineImage("localhost/tiny:1", "amd64", ("/serve",), "SIGTERM", ())
TINY = TaskDefinition("tiny:1", "tiny", (), {}, 8080, None, 1, memory=64)
DOCKERS_LAST = "\nError: failed to start containers: nova-1-2"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            "Error response from daemon: unable to find user ann: no matching entries in passwd file",
            "CannotStartContainerError: Error response from daemon: unable to find user ann: no matching entries in "
            "passwd file",
        ),
        (
            'Error: unable to start container "12ab": unable to find group staff: no matching entries in group file',
            'CannotStartContainerError: Error: unable to start container "12ab": unable to find group staff: no '
            "matching entries in group file",
        ),
        (
            "Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime "
            'create failed: runc create failed: unable to start container process: exec: "/serve": stat /serve: no '
            "such file or directory: unknown",
            'CannotStartContainerError: /serve: exec: "/serve": stat /serve: no such file or directory',
        ),
        (
            'Error: unable to start container "12ab": runc: runc create failed: unable to start container process: '
            'exec: "/serve": permission denied: OCI permission denied',
            'CannotStartContainerError: /serve: exec: "/serve": permission denied',
        ),
        (
            'Error: runc: exec: "/opt/pasta": permission denied: OCI permission denied',
            'CannotStartContainerError: /serve: exec: "/opt/pasta": permission denied',
        ),
        ("exec /serve: exec format error", "CannotStartContainerError: exec format error: /serve is not a program"),
    ],
)
@pytest.mark.parametrize("below", ["", DOCKERS_LAST])
def test_a_fault_of_the_service_is_reported_as_ecs_tells_it(said: str, line: str, below: str) -> None:
    error = start_error(said + below, TINY, IMAGE, Engine("docker", "amd64"))
    assert isinstance(error, TaskFailedError)
    assert str(error) == line


def test_a_user_whom_a_stand_in_lacks_is_no_fault_of_the_service() -> None:
    built = EngineImage.read("tiny:1", {"Config": {"Labels": {"nova.built-on": "sha256:12"}}})
    error = start_error("Error: unable to find user ann: no matching entries", TINY, built, Engine("podman", "amd64"))
    assert isinstance(error, EngineError)
    assert "stands in for its base" in str(error)


@pytest.mark.parametrize(
    "said",
    [
        "no space left on device",
        "cannot clone: Operation not permitted",
        'could not find slirp4netns: exec: "slirp4netns": executable file not found in $PATH',
        '/usr/bin/slirp4netns failed: "open(/dev/net/tun): Permission denied"',
        "netavark: code: 3, msg: iptables: Permission denied",
        "runc create failed: error setting rlimit type 7: operation not permitted: OCI permission denied",
        "runc: error setting rlimits for ready process: error setting rlimit type 6: operation not permitted: OCI "
        "permission denied",
        "failed to start pasta: fork/exec /usr/bin/pasta: Permission denied",
    ],
)
def test_a_fault_of_the_machine_is_no_fault_of_the_service(said: str) -> None:
    error = start_error(said + DOCKERS_LAST, TINY, IMAGE, Engine("docker", "amd64"))
    assert isinstance(error, EngineError)
    assert said in str(error)


@pytest.mark.parametrize(
    ("said", "architecture", "of_the_machine"),
    [
        (["exec /serve: exec format error"], "arm64", True),
        ([], "arm64", True),  # Podman has lost what it printed.
        (["exec /serve: exec format error"], "amd64", False),  # a text without its first line
        (["cannot find my model"], "arm64", False),  # emulated
    ],
)
def test_a_program_that_aws_would_run_and_this_machine_cannot_is_no_fault_of_the_release(
    said: list[str], architecture: str, of_the_machine: bool
) -> None:
    image = replace(IMAGE, architecture=architecture)
    error = end_error(said, "essential container exited with code 1", image, Engine("podman", "amd64"))
    if of_the_machine:
        assert isinstance(error, EngineError)
        assert "it is for arm64: the image is for a different architecture" in str(error)
    else:
        assert isinstance(error, TaskFailedError)
        assert str(error) == "essential container exited with code 1"
