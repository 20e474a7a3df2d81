"""Reads Dockerfiles: command, variables, volumes, users; and what not every engine or image format can hold."""

import contextlib
import json
import posixpath
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)
_STAGE = re.compile(r"(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_HEREDOC = re.compile(
    r"^([ \t]*(?:RUN|COPY|ADD)\b[^\n]*?(?<!<)<<-?[\"']?([A-Za-z_]\w*)[\"']?[^\n]*\n)(?:[^\n]*\n)*?\t*\2[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
"""An instruction with a text up to a line of its own, whose lines are no instructions."""

_SHELL = ("/bin/sh", "-c")
# Users that an official image has, as its Dockerfile makes them, and a plain Debian or Alpine lacks: user and group id.
_USERS = {
    "bun": {"bun": (1000, 1000)},
    "deno": {"deno": (1993, 1993)},
    "gradle": {"gradle": (1000, 1000)},
    "grafana": {"grafana": (472, 0)},
    "haproxy": {"haproxy": (99, 99)},
    "mongo": {"mongodb": (999, 999)},
    "mysql": {"mysql": (999, 999)},
    "nginx": {"nginx": (101, 101)},
    "node": {"node": (1000, 1000)},
    "postgres": {"postgres": (999, 999)},
    "rabbitmq": {"rabbitmq": (999, 999)},
    "redis": {"redis": (999, 999)},
    "ubuntu": {"ubuntu": (1000, 1000)},
    "valkey": {"valkey": (999, 999)},
    **{each: {"app": (1654, 1654)} for each in ("aspnet", "runtime", "runtime-deps", "sdk")},
}


@dataclass(frozen=True)
class _BuildStage:
    """What a stage has set so far, or the stage that it begins with.

    Attributes:
        own_command: Whether the stage itself has set the command.
    """

    shell: tuple[str, ...] = _SHELL
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    own_command: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    directory: str = ""
    volumes: tuple[str, ...] = ()


def program_of(dockerfile: Path, target: str = "") -> tuple[str, ...]:
    """Its entry point and command, of the target or the last stage; empty where it names neither."""
    stage = _stage_of(dockerfile, target)
    return (*stage.entry_point, *stage.command)


def variables_of(dockerfile: Path, target: str = "") -> dict[str, str]:
    """The variables that the target or its last stage sets, without those that others are part of."""
    return {name: value for name, value in _stage_of(dockerfile, target).variables.items() if "$" not in value}


def volumes_of(dockerfile: Path, target: str = "") -> tuple[str, list[str]]:
    """The working directory (empty if unknown, may be relative) and the volumes of the target or last stage."""
    stage = _stage_of(dockerfile, target)
    return stage.directory, list(stage.volumes)


def with_users(text: str, references: Collection[str]) -> str:
    """The Dockerfile with the users that it names, and that its bases have where they are the official images.

    Args:
        references: The bases that are stood in for, perhaps by an image without them.
    """
    named = set(re.findall(r"^\s*USER\s+([\w-]+)|--chown=([\w-]+)", text, re.IGNORECASE | re.MULTILINE))
    found = []
    for line in text.splitlines(keepends=True):
        found.append(line)
        begins = re.fullmatch(r"\s*FROM\s+(?:--\S+\s+)*(\S+)(\s+AS\s+\S+)?\s*", line, re.IGNORECASE)
        if begins and begins.group(1) in references:
            users = _USERS.get(re.split("[@:]", begins.group(1).rpartition("/")[2])[0], {})
            found += [_making(user, *ids) for user, ids in users.items() if named & {(user, ""), ("", user)}]
    return "".join(found)


def _making(user: str, uid: int, gid: int) -> str:
    """The step that makes a user where there is none of that name."""
    made = (
        f"echo {user}:x:{uid}:{gid}::/home/{user}:/bin/sh >>/etc/passwd; "
        f"grep -q ^{user}: /etc/group || echo {user}:x:{gid}: >>/etc/group; "
        f"mkdir -p /home/{user}; chown {uid}:{gid} /home/{user}"
    )
    return f"RUN grep -q ^{user}: /etc/passwd || {{ {made}; }}\n"


def needs_docker_format(text: str) -> bool:
    """Whether Podman and Buildah leave out a part of a Dockerfile in images of OCI's format, and Docker builds it.

    These hold no SHELL, so that commands run in another one, and no ONBUILD, which a later stage would run:
    https://github.com/opencontainers/image-spec/blob/main/config.md
    """
    for_later = False
    for name, _ in _instructions(text):
        if name == "SHELL" or (name == "FROM" and for_later):
            return True
        for_later = for_later or name == "ONBUILD"
    return False


def programs_of_shells(text: str, target: str = "") -> list[str]:
    """The ENTRYPOINT and CMD that SHELL runs, as instructions: Podman and Buildah give them to /bin/sh.

    https://docs.docker.com/reference/dockerfile/#shell

    Args:
        target: The stage that is built; empty for the last.
    """
    shells = {_words(rest, _SHELL) for name, rest in _instructions(text) if name == "SHELL"}
    stage = _stage(text, target)
    programs = {"ENTRYPOINT": stage.entry_point, "CMD": stage.command}
    if not any(words[:-1] in shells for words in programs.values()):
        return []
    # Setting an entry point again resets the command, so both are set.
    return [f"{name} {json.dumps(words)}" for name, words in programs.items() if words]


def _stage_of(dockerfile: Path, target: str) -> _BuildStage:
    return _stage(dockerfile.read_text(encoding="utf-8-sig", errors="replace"), target)


def _stage(text: str, target: str = "") -> _BuildStage:
    """What the target, or the last stage, comes to.

    An ENTRYPOINT takes away the CMD that a stage begins with, and none that it has set before:
    https://docs.docker.com/reference/dockerfile/#understand-how-cmd-and-entrypoint-interact
    """
    stages: dict[str, _BuildStage] = {}
    stage, called = _BuildStage(), ""
    for name, rest in _instructions(text):
        match name:
            case "FROM" if found := _STAGE.match(rest):
                if target and called == target.lower():
                    break
                begins = stages.get(found.group(1).lower(), _BuildStage())
                stage, called = replace(begins, own_command=False), (found.group(2) or "").lower()
            case "SHELL":
                stage = replace(stage, shell=_words(rest, _SHELL))
            case "ENV":
                stage = replace(stage, variables={**stage.variables, **_variables(rest)})
            case "WORKDIR":
                place = _filled(rest.strip(), stage)
                stage = replace(stage, directory="" if "$" in place else posixpath.join(stage.directory, place))
            case "VOLUME":
                words = _words(rest, ()) if rest.lstrip().startswith("[") else rest.split()
                stage = replace(stage, volumes=(*stage.volumes, *(_filled(each, stage) for each in words)))
            case "ENTRYPOINT":
                kept = stage.command if stage.own_command else ()
                stage = replace(stage, entry_point=_words(rest, stage.shell), command=kept)
            case "CMD":
                stage = replace(stage, command=_words(rest, stage.shell), own_command=True)
        stages[called] = stage
    return stage


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction, in capitals, and what follows it."""
    lines = (line for line in _HEREDOC.sub(r"\1", text).splitlines() if not line.lstrip().startswith("#"))
    for found in filter(None, map(_INSTRUCTION.fullmatch, re.sub(r"\\\s*\n", " ", "\n".join(lines)).splitlines())):
        yield found.group(1).upper(), found.group(2)


def _filled(text: str, stage: _BuildStage) -> str:
    """A text with the variables that its stage sets; others stay as they are written."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda use: stage.variables.get(use[1] or use[2], use[0]), text)


def _variables(text: str) -> dict[str, str]:
    """The variables of an instruction: ``NAME=value`` any number of times, or a name and its value."""
    with contextlib.suppress(ValueError):
        words = [each.partition("=") for each in shlex.split(text)]
        if all(sign for _, sign, _ in words):
            return {name: value for name, _, value in words}
    name, _, value = text.strip().partition(" ")
    return {name: value.strip()}


def _words(text: str, shell: tuple[str, ...]) -> tuple[str, ...]:
    """The words of an instruction: a list as it is, anything else a line for the shell."""
    try:
        words = json.loads(text)
        if isinstance(words, list):
            return tuple(map(str, words))
    except ValueError:
        pass
    return (*shell, text.strip())
