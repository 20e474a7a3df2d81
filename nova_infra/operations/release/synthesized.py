"""The templates of one environment, in an assembly that ``cdk synth`` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nova_infra.deployed.model import Template
from nova_infra.errors import RefusedError


def templates_of(assembly: Path, prefix: str) -> dict[str, Template]:
    """Stack name to template of the environment's stacks, in the order of the assembly.

    Args:
        assembly: The directory with ``manifest.json``.
        prefix: ``<platform>-<environment>``, with which the names of its stacks begin.

    Raises:
        RefusedError: The directory is no assembly, or the environment is not in it.
    """
    try:
        found = {
            stack: template
            for manifest in sorted(assembly.rglob("manifest.json"))
            for stack, template in _stacks(manifest).items()
            if stack.startswith(f"{prefix}-")
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(f"{assembly}: is not an assembly ({error!r}): run `make synth`") from None
    if not found:
        raise RefusedError(f"{assembly}: holds no stack of {prefix}: run `make synth`")
    return found


def by_owner(assembly: Path, prefixes: Mapping[str, str]) -> dict[str, list[Template]]:
    """The templates of each environment, and under ``delivery`` those of no environment.

    Args:
        assembly: The directory with ``manifest.json``.
        prefixes: Environment to the prefix of its stacks' names.

    Raises:
        RefusedError: The directory is no assembly.
    """
    found: dict[str, list[Template]] = {name: [] for name in (*prefixes, "delivery")}
    try:
        for manifest in sorted(assembly.rglob("manifest.json")):
            for stack, template in _stacks(manifest).items():
                owners = [name for name, prefix in prefixes.items() if stack.startswith(f"{prefix}-")]
                found[max(owners, key=lambda name: len(prefixes[name]), default="delivery")].append(template)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(f"{assembly}: is not an assembly ({error!r}): run `make synth`") from None
    return {name: templates for name, templates in found.items() if templates}


def _stacks(manifest: Path) -> dict[str, Template]:
    artifacts: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))["artifacts"]
    return {
        artifact["properties"].get("stackName", name): json.loads(
            (manifest.parent / artifact["properties"]["templateFile"]).read_text(encoding="utf-8")
        )
        for name, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
