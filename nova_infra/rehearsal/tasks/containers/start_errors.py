"""Explains why a container does not start: the service's fault, or the engine's."""

import re
from collections.abc import Sequence

from nova_infra.containers.engine import Engine
from nova_infra.containers.errors import PASTA, EngineError, explain, last_lines
from nova_infra.rehearsal.tasks.containers.image import EngineImage
from nova_infra.rehearsal.tasks.definition import TaskDefinition
from nova_infra.rehearsal.tasks.task import TaskFailedError

_DOCKERS_LAST = "Error: failed to start containers"
"""The line that Docker adds below the reason."""
_OF_THE_ENGINE = re.compile(rf"docker\.sock|slirp4netns|{PASTA}|netavark|/dev/net/tun|cni plugin|setting rlimit")
"""Marks messages about the engine's own programs and permissions."""
_NO_PROGRAM = ("executable file", "no such file", "not a directory", "permission denied")


def start_error(said: str, definition: TaskDefinition, image: EngineImage, engine: Engine) -> Exception:
    """Why it did not start: a different error for the service's fault than for the engine's."""
    said = "\n".join(line for line in said.splitlines() if not line.startswith(_DOCKERS_LAST))
    lowered, program = said.lower(), _program(definition, image)
    if "exec format error" in lowered and image.architecture in ("", engine.architecture):
        return TaskFailedError(f"CannotStartContainerError: exec format error: {program} is not a program")
    if not _OF_THE_ENGINE.search(lowered) and any(each in lowered for each in _NO_PROGRAM):
        return TaskFailedError(f"CannotStartContainerError: {program}: {_reason(said)}")
    is_user = re.search(r"unable to find (user|group)|no matching entries in (passwd|group)", lowered)
    if image.stood_in and (is_user or "no command" in lowered):
        return EngineError(
            f"{last_lines(said, 1)}: a local image stands in for its base, which may have "
            f"{'that user' if is_user else 'a command'}: add it to the local image, or remove that image where the "
            "registry can be reached"
        )
    if is_user:
        return TaskFailedError(f"CannotStartContainerError: {last_lines(said, 1)}")
    if "no command" in lowered:
        return TaskFailedError("CannotStartContainerError: neither its task definition nor its image has a command")
    error = explain(engine.program, ["start"], said)
    return error if isinstance(error, EngineError) else EngineError(f"{error}: see docs/rehearsal.md")


def end_error(said: Sequence[str], reason: str, image: EngineImage, engine: Engine) -> Exception:
    """The error of a task that ended before it served.

    A program for another architecture starts and ends at once: where the task definition wants that one, AWS would
    run it and this machine cannot.
    """
    is_foreign = image.architecture not in ("", engine.architecture)
    if is_foreign and (not said or "exec format error" in said[-1].lower()):
        return explain(engine.program, ["start"], f"{image.name}: exec format error: it is for {image.architecture}")
    return TaskFailedError(reason)


def lacks_working_directory(said: str) -> bool:
    """Whether Podman refuses a container because its working directory is missing (containers/podman#11352)."""
    return re.search(r'workdir ".*" does not exist', said) is not None


def _program(definition: TaskDefinition, image: EngineImage) -> str:
    words = (*definition.entry_point, *definition.command) or image.program
    return words[0] if words else "its command"


def _reason(said: str) -> str:
    """An engine's message about a program that it cannot start, without the names of the engine's own layers."""
    match = re.search(r"(?:exec|chdir)[^:]*: .*?(?=: OCI \w+|: unknown|$)", said, re.MULTILINE)
    return match.group(0) if match else last_lines(said, 1)
