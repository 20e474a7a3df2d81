"""The steps and commands of the workflows."""

from collections.abc import Iterator
from typing import Any

import yaml

from helpers.workflows import (
    GITHUB,
    TEXTS,
    parsed,
)

ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))


WORKFLOWS = {name: parsed(text) for name, text in TEXTS.items()}


ACTION_TEXTS = {str(path.relative_to(GITHUB)): path.read_text() for path in ACTIONS}


def steps() -> Iterator[tuple[str, dict[str, Any] | None, dict[str, Any]]]:
    """Every step: (place, the job it is in or None, step)."""
    for file, workflow in WORKFLOWS.items():
        for name, job in workflow["jobs"].items():
            for step in job["steps"]:
                yield f"{file}: {name}", job, step
    for file, text in ACTION_TEXTS.items():
        for step in yaml.safe_load(text)["runs"]["steps"]:
            yield file, None, step


def commands() -> Iterator[tuple[str, str]]:
    """Every command line that a step runs."""
    for place, _, step in steps():
        for line in step.get("run", "").splitlines():
            yield place, line
