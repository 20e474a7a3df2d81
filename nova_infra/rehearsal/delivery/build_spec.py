"""Reads a CodeBuild project's build spec, and finds what each command is for."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from nova_infra.assembly import AssemblyError
from nova_infra.rehearsal.tasks.task import SECRET

PHASES = ("install", "pre_build", "build", "post_build")
_PLAIN = "PLAINTEXT"
_LOOKED_UP = ("secrets-manager", "parameter-store")
"""Parts of a build spec whose variables AWS looks up."""
_KEYS = ("version", "phases", "artifacts", "cache", "reports", "env")


def read_spec(project: Mapping[str, Any] | None, where: str) -> dict[str, Any]:
    """The build spec of a project.

    Args:
        project: The project's properties; None where the pipeline's template has none of that name.
    """
    try:
        spec: dict[str, Any] = json.loads((project or {})["Source"]["BuildSpec"])
        spec["phases"]
    except (KeyError, TypeError, ValueError):
        raise AssemblyError(
            f"{where}: its CodeBuild project is not in the pipeline's template with a JSON build spec, "
            "so the rehearsal cannot tell what it runs: add it"
        ) from None
    _check_spec(spec, where)
    return spec


def _check_spec(spec: dict[str, Any], where: str) -> None:
    """Refuse a build spec with more than commands and variables: ignoring the rest would change what runs."""
    for key in spec:
        if key not in _KEYS:
            raise AssemblyError(f"{where}: its build spec has {key!r}, which the rehearsal does not know: leave it out")
    for key in spec.get("env", {}):
        if key not in ("variables", "shell", "exported-variables", *_LOOKED_UP):
            raise AssemblyError(f"{where}: its build spec has env.{key}, whose values only AWS knows: leave it out")
    for phase, parts in spec["phases"].items():
        if phase not in PHASES:
            raise AssemblyError(f"{where}: its build spec has phase {phase!r}: use one of {', '.join(PHASES)}")
        for key in parts:
            if key not in ("commands", "runtime-versions"):
                raise AssemblyError(f"{where}: its build spec has {phase}.{key}: write its commands under commands")


def build_variables(
    project: Mapping[str, Any], spec: Mapping[str, Any], given: Sequence[Mapping[str, str]]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables of a build, and the names of those that AWS looks up: their values are made up here.

    Args:
        given: What the pipeline's action also sets.
    """
    of_project = project["Environment"].get("EnvironmentVariables", ())
    env = spec.get("env", {})
    found = [(each["Name"], each["Value"], each.get("Type", _PLAIN) != _PLAIN) for each in of_project]
    found += [(name, value, False) for name, value in env.get("variables", {}).items()]
    found += [(name, "", True) for part in _LOOKED_UP for name in env.get(part, {})]
    found += [(each["name"], each["value"], each.get("type", _PLAIN) != _PLAIN) for each in given]
    last = {name: (value, is_secret) for name, value, is_secret in found}
    values = {name: SECRET if is_secret else value for name, (value, is_secret) in last.items()}
    return values, tuple(name for name, (_, is_secret) in last.items() if is_secret)


_CHANGES_THE_SHELL = re.compile(
    r"\s*(?:cd|pushd|export|set|alias|source|\.)\s"
    r"|\s*[A-Za-z_]\w*=(?:\$\(.*\)|`.*`|\S*|\"[^\"]*\"|'[^']*')\s*$"
)

_OR_ENDS = "\n(exit $?) || exit\n"
"""Ends a shell after a command that failed. It has a line of its own: within a list of commands, ``set -e`` is off."""


def in_one_shell(install: Sequence[str], commands: Sequence[str]) -> tuple[str, ...]:
    """The commands of a build's later phases, in which what one of them does to the shell is there for the next ones.

    All commands of a build share a shell, the install phase's too, of which only changes of the directory are made:
    https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html#build-spec-ref-versions.
    """
    told = [*(each for each in install if re.fullmatch(r"\s*cd\s[^;&|]+", each)), *commands]
    first = next((at for at, each in enumerate(told) if _CHANGES_THE_SHELL.match(each)), len(told) - 1)
    together = told[max(first, 0) :]
    last = [_OR_ENDS.join(together)] if together else []
    return (*told[: max(first, 0)], *last)


def publishes_assets(command: str) -> bool:
    """Whether a command builds or uploads what the assembly holds."""
    return re.search(r"\bcdk-assets\b.*\bpublish\b", command, re.DOTALL) is not None


def deploys_with_cdk(command: str) -> bool:
    """Whether a command deploys stacks by the CDK CLI."""
    words = command.split()
    return bool(words) and PurePosixPath(words[0]).name == "cdk" and "deploy" in words


_TOLD_BY_THE_COMPARISON = "#{Compare."
"""The variables that the pipeline's comparison with itself sets. In a rehearsal there is nothing to compare."""


def known(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of an action whose values are known, without those that CDK keeps for itself."""
    return {
        name: value
        for name, value in variables.items()
        if not name.startswith("_") and not value.startswith(_TOLD_BY_THE_COMPARISON)
    }
