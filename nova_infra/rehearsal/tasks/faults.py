"""A drill's faults, and where each is put: task definition, container, load balancer, queue, job."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from nova_infra.errors import NovaError

Place = Literal[
    "the load balancer", "the container", "the task definition", "the queue", "the command before it", "the job"
]

LABEL = "nova.rehearsal.fault"
"""Label of a container definition that names its fault: the rest of the rehearsal finds it there."""

LONG_RUNS = "long-runs"
IGNORED_SIGNAL = "ignored-signal"
WRONG_PORT = "wrong-port"
NO_PROGRAM = "/no-such-program"
_TMP = "/tmp"  # noqa: S108 - a path in a container


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        edit: What it changes in a container's definition, in addition to the label; None where nothing.
    """

    place: Place
    edit: Callable[[dict[str, Any]], None] | None = None


def _command(*words: str) -> Callable[[dict[str, Any]], None]:
    def edit(container: dict[str, Any]) -> None:
        # A command alone would be no more than arguments of an image's own entry point.
        container["EntryPoint"], container["Command"] = [words[0]], list(words[1:])

    return edit


def _wrong_port(container: dict[str, Any]) -> None:
    """Change the definition's port to one that the program does not listen on."""
    mapping = container["PortMappings"][0]
    mapping["ContainerPort"] = int(mapping["ContainerPort"]) + 1


def _without_variables(container: dict[str, Any]) -> None:
    """Remove the variables that the stack fills in; literal ones stay."""
    container["Environment"] = [
        variable for variable in container.get("Environment", ()) if isinstance(variable.get("Value"), str)
    ]


def _without_tmp(container: dict[str, Any]) -> None:
    container["MountPoints"] = [
        mount for mount in container.get("MountPoints", ()) if mount.get("ContainerPath") != _TMP
    ]
    container["ReadonlyRootFilesystem"] = True


FAULTS: dict[str, Fault] = {
    # Value: a share of the requests, a number of requests, seconds, or a factor.
    **dict.fromkeys(
        ("errors", "errors-after", "delay", "slower", "dropped", "unanswered", "not-found", "unhealthy"),
        Fault("the load balancer"),
    ),
    # Value: MiB more every simulated minute, or every second.
    **dict.fromkeys(
        ("cpu", "memory", "children", "killed", "killed-by-kernel", "paused", "full-tmp", IGNORED_SIGNAL),
        Fault("the container"),
    ),
    # What comes to the dead-letter queue, as after the last of its tries.
    "poison": Fault("the queue"),
    "command-fails": Fault("the command before it"),
    "command-hangs": Fault("the command before it"),
    # Each of its runs lasts longer than the time to the next one.
    LONG_RUNS: Fault("the job"),
    "no-program": Fault("the task definition", _command(NO_PROGRAM)),
    # A file of the checkout that no image has, and a program that developers have.
    "checkout-file": Fault("the task definition", _command("services/run-from-the-checkout")),
    "developers-program": Fault("the task definition", _command("pytest", "--version")),
    WRONG_PORT: Fault("the task definition", _wrong_port),
    "missing-variable": Fault("the task definition", _without_variables),
    "missing-secret": Fault("the task definition"),
    "no-tmp": Fault("the task definition", _without_tmp),
}


def place_of(fault: str) -> Place:
    """Where a fault sits.

    Args:
        fault: Its name, with a value after a colon where it takes one.
    """
    return _fault(fault).place


def put_into(container: dict[str, Any], fault: str) -> None:
    """Put a fault into a container's definition."""
    known = _fault(fault)
    if known.edit is not None:
        known.edit(container)
    container["DockerLabels"] = {**container.get("DockerLabels", {}), LABEL: fault}


def value_of(fault: str) -> float:
    """The value of a fault; 0 where it takes none."""
    return float(fault.partition(":")[2] or 0)


def _fault(fault: str) -> Fault:
    name = fault.partition(":")[0]
    if name not in FAULTS:
        raise NovaError(f"{fault!r}: is not a fault: choose one of {', '.join(FAULTS)}")
    return FAULTS[name]
