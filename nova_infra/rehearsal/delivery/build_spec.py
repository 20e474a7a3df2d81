"""Reads a CodeBuild project's build spec, and tells what each command is for."""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from nova_infra.assembly import AssemblyError

PHASES = ("install", "pre_build", "build", "post_build")
_KEYS = ("version", "phases", "artifacts", "cache", "reports", "env")


def read_spec(project: Mapping[str, Any] | None, where: str) -> dict[str, Any]:
    """The build spec of a project.

    Args:
        project: The project's properties; None where the pipeline's template has none of that name.
        where: Stage and action, for messages.

    Raises:
        AssemblyError: There is none, or it holds something that the rehearsal does not know.
    """
    try:
        spec: dict[str, Any] = json.loads((project or {})["Source"]["BuildSpec"])
        spec["phases"]
    except (KeyError, TypeError, ValueError):
        raise AssemblyError(
            f"{where}: its CodeBuild project is not in the pipeline's template with a JSON build spec, "
            "so the rehearsal cannot tell what it runs"
        ) from None
    _check_spec(spec, where)
    return spec


def _check_spec(spec: dict[str, Any], where: str) -> None:
    """Refuse a build spec with more than commands and variables: ignoring the rest would change what runs."""
    for key in spec:
        if key not in _KEYS:
            raise AssemblyError(f"{where}: its build spec has {key!r}, which the rehearsal does not know")
    for key in spec.get("env", {}):
        if key not in ("variables", "shell", "exported-variables"):
            raise AssemblyError(f"{where}: its build spec has env.{key}, whose values only AWS knows")
    for phase, parts in spec["phases"].items():
        if phase not in PHASES:
            raise AssemblyError(f"{where}: its build spec has phase {phase!r}, which the rehearsal does not know")
        for key in parts:
            if key not in ("commands", "runtime-versions"):
                raise AssemblyError(f"{where}: its build spec has {phase}.{key}, which the rehearsal does not know")


def publishes_assets(command: str) -> bool:
    """Whether a command builds or uploads what the assembly holds."""
    words = command.split()
    return bool(words) and PurePosixPath(words[0]).name == "cdk-assets" and "publish" in words


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
