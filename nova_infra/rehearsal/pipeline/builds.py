"""Runs the commands of a build action (CodeBuild), with the variables that earlier actions gave."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nova_infra.containers.build import ENGINES
from nova_infra.containers.errors import OF_A_STAND_IN, EngineError
from nova_infra.deployed.aws.toolchain import failed_tests_in
from nova_infra.documents.last_words import telling_first
from nova_infra.documents.text import shortened
from nova_infra.machine import git
from nova_infra.machine.commands import run_command
from nova_infra.names import GATED_VARIABLE
from nova_infra.rehearsal.delivery.definition import BuildAction, DeployAction, Stage
from nova_infra.rehearsal.record import ActionRecord
from nova_infra.synthesis import not_looked_up

_MOST = 3
_LONGEST = 400
_MOST_BYTES_OF_A_NAME = 200
_AWS = re.compile(r"(?:^|[;&|(`{\n])\s*(?:sudo\s+)?aws\s+(?!--version|help|configure)", re.MULTILINE)
_OF_MAKE = re.compile(r"g?make(\[\d+\])?: (?!\*\*\* (?!\[|Waiting for|Deleting ))")
"""What a line of make's own begins with that says only where a command failed, and not why."""
_OF_AN_IMAGE = re.compile(r"([a-z0-9][\w./-]*:[0-9a-f]{12})[0-9a-f]{52}: ")
"""What a line begins with that says what is wrong with an image, which is named by a hash of what it is built from."""


def environment_prefix(stage: Stage) -> str:
    """What the names of a stage's environment begin with; empty where it has no platform of ours."""
    names = [action.stack_name for action in stage.actions if isinstance(action, DeployAction)]
    return next((name.removesuffix("platform") for name in names if name.endswith("-platform")), "")


def left_to_suite(stage: Stage) -> frozenset[str]:
    """Names of the ECS services whose gates an action of a stage answers."""
    prefix = environment_prefix(stage)
    told = [action.environment.get(GATED_VARIABLE, "") for action in stage.actions if isinstance(action, BuildAction)]
    return frozenset(f"{prefix}{name}" for each in told for name in each.split())


class ActionFailedError(Exception):
    """An action failed. The message says why."""


async def run_build_command(
    command: str,
    action: BuildAction,
    record: ActionRecord,
    *,
    directory: Path,
    environment: Mapping[str, str],
    log: Path,
) -> None:
    """Run one command of a build action.

    Args:
        action: The action: only privileged ones see the container engine.
        record: The last lines of the output are written here.
        directory: Where it runs.
    """
    code, record.output = await run_command(
        command,
        directory=directory,
        environment=environment,
        log=log,
        spare=ENGINES if action.privileged else (),
        without_aws=action.privileged,
    )
    if code:
        if ours := [line for line in read_log(log).splitlines() if OF_A_STAND_IN in line and " finds no such " in line]:
            raise EngineError(ours[0])
        ran, why = shortened("; ".join(command.splitlines()), _LONGEST), why_it_failed(read_log(log), record.output)
        raise ActionFailedError(f"`{ran}` exited with {code}{why}; all of its output: {log}")


def asks_aws(commands: Sequence[str], synthesized: Path | None = None) -> bool:
    """Whether a step calls AWS: here it has no credentials, and in AWS those of its project's role.

    Args:
        synthesized: The assembly that it makes, if it does: that of an app asks for what nobody has looked up.
    """
    return any(map(_AWS.search, commands)) or (synthesized is not None and bool(not_looked_up(synthesized)))


def begins_in(sources: Path, action: BuildAction) -> Path:
    """The directory in which an app's build begins: its repository's, if its commands name the app's directory there.

    CodeBuild checks out the whole repository, and an app may be a part of it.
    """
    within = (git.read(sources, "rev-parse", "--show-prefix") or "").strip().rstrip("/")
    named = re.compile(rf"(?<![\w.-]){re.escape(within)}(?![\w.-])")
    if within and any(map(named.search, (*action.commands, action.leaves))):
        return sources.resolve().parents[within.count("/")]
    return sources


def manifest_of(directory: Path) -> float:
    """When an assembly was last written; 0 where there is none."""
    manifest = directory / "manifest.json"
    return manifest.stat().st_mtime if manifest.is_file() else 0


def why_no_artifact(directory: Path, written_before: float) -> str:
    """Why CodeBuild would find nothing to hand on; empty if it would.

    It begins with a fresh checkout, so an assembly that was there before does not count.

    Args:
        directory: The artifact's; one with a pattern in its name is not looked for.
        written_before: See :func:`manifest_of`, before the commands ran.
    """
    if {"$", "*"} & set(str(directory)):
        return ""
    if not directory.is_dir() or (written_before and manifest_of(directory) == written_before):
        return f"its commands leave no {directory.name}, which its artifact is taken from: let one of them write it"
    return ""


def with_outputs(value: str, outputs: Mapping[str, Mapping[str, str]]) -> str:
    """Replace ``#{namespace.Output}`` by what the stack in that namespace gave."""

    def output(match: re.Match[str]) -> str:
        namespace, _, name = match.group(1).partition(".")
        try:
            return outputs[namespace][name]
        except KeyError:
            raise ActionFailedError(f"no action before this one gave the output {match.group(1)}") from None

    return re.sub(r"#\{([^}]+)\}", output, value)


def led_here(
    commands: Sequence[str], variables: Mapping[str, str], localize: Callable[[str], str]
) -> tuple[list[str], dict[str, str]]:
    """Commands and variables in which a name of a load balancer, which no resolver knows, is its address here.

    A variable may hold the name alone, and a command the protocol, which decides what answers. The name by itself
    stands for what answers HTTP.

    Args:
        localize: Replaces the public URLs in a text by those on this machine.
    """
    told, led = list(commands), dict(variables)
    for name, value in variables.items():
        for scheme, port in (("https", 443), ("http", 80)):
            url = f"{scheme}://{value}"
            if (local := localize(url)) == url:
                continue
            named = rf"""{scheme}://(["']?)\$(?:{name}(?!\w)|\{{{name}\}})(?::{port}(?!\d)|(?!:))\1"""
            told = [re.sub(named, local, command) for command in told]
            if scheme == "http":
                led[name] = local.removeprefix("http://")
    return told, led


def log_name(action: str) -> str:
    """What the log of an action is called: a step's name may be of any length, and have slashes."""
    name = action.replace("/", "-").encode()[:_MOST_BYTES_OF_A_NAME].decode(errors="ignore")
    return f"{name}.log" if name == action else f"{name}.{hashlib.sha256(action.encode()).hexdigest()[:8]}.log"


def read_log(log: Path) -> str:
    """The output of an action's commands."""
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


def why_it_failed(output: str, last: Sequence[str]) -> str:
    """What a command's output says of its failure, as clauses: suites and builds side by side end in any order.

    First of all the tests that pytest names as failed, or else what is wrong with images, or else the line that says
    why.
    """
    if failed := [f"FAILED {test}" for test in failed_tests_in(output)]:
        return _clauses(failed)
    if images := [line for line in dict.fromkeys(output.splitlines()) if _OF_AN_IMAGE.match(line)]:
        return _clauses([_OF_AN_IMAGE.sub(r"\1: ", line) for line in images])
    return _clauses(telling_first([line for line in last if not _OF_MAKE.match(line)])[:1])


def _clauses(lines: Sequence[str]) -> str:
    return "".join(f"; {shortened(line, _LONGEST)}" for line in lines[:_MOST]) + ("; …" if len(lines) > _MOST else "")
