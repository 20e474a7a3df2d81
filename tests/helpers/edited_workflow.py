"""Edits of the workflow that this project writes, and what reading it then says."""

import re
from collections.abc import Sequence
from pathlib import Path

from helpers.workflows import TEXTS
from nova_infra.rehearsal.delivery.definition import BuildAction, DeployAction, Pipeline, Stage
from nova_infra.rehearsal.delivery.workflows.reader import DoomedAction, Workflow, read_workflow

TEXT = TEXTS["deploy.yml"]
IMAGES = Stage("Images", (BuildAction("x86-64", 1, (), ("make images",), {}, True, False),))
NAMES = ("Dev", "Staging", "Prod")
Change = tuple[str, str, str]
"""A job, or nothing for the whole text; a pattern in it; what replaces the first place."""


def stage(name: str) -> Stage:
    stacks = [("platform", 1), ("shop", 2)]
    return Stage(
        name,
        tuple(
            DeployAction(f"{stack}.Deploy", order, f"acme-{name.lower()}-{stack}", f"{name}.json", None)
            for stack, order in stacks
        ),
    )


def read(root: Path, *changes: Change, services: Sequence[str] = ()) -> Workflow:
    text = TEXT
    for job, pattern, replacement in changes:
        found = re.search(rf"^  {job}:\n(?:(?!^  \S).*\n?)*", text, re.MULTILINE) if job else re.search(r"(?s).*", text)
        assert found
        place = re.search(pattern, found.group(), re.MULTILINE)
        assert place
        changed = found.group()[: place.start()] + replacement + found.group()[place.end() :]
        assert changed != found.group()
        text = text.replace(found.group(), changed)
    return read_workflow(
        Path("deploy.yml"),
        text,
        Pipeline("acme", (IMAGES, *map(stage, NAMES))),
        branch="main",
        engine="github-actions",
        approved=["prod"],
        root=root,
        services=services,
        bakes=lambda action: 10 if action.stack_name == "acme-prod-shop" else 0,
    )


def said(workflow: Workflow) -> list[str]:
    """What would stop the delivery, each with ✗, and what would reach users, each with !."""
    stages = workflow.pipeline.stages
    closed = [f"✗ {each.closed_because}" for each in stages if each.closed_because]
    doomed = [f"✗ {a.name}: {a.reason}" for each in stages for a in each.actions if isinstance(a, DoomedAction)]
    return [*closed, *doomed, *(f"! {each}" for each in workflow.unsafe)]


def with_action(root: Path, text: str) -> None:
    """Give a checkout the project's own actions; `own` says what is given."""
    for name in ("setup", "sign-in", "own"):
        (root / ".github/actions" / name).mkdir(parents=True)
        (root / ".github/actions" / name / "action.yml").write_text(
            text if name == "own" else "runs: {using: node24, main: x}"
        )


CHECKOUT = r"      - uses: actions/checkout@.*\n        with:\n.*\n"
ENVIRONMENT = r"    environment:\n      name: (dev|prod)\n.*\n"
PERMISSIONS = r"    permissions:\n.*\n.*id-token.*\n"
IF_STAGING = r"if: github.ref == 'refs/heads/main'"
BRANCHES = r"    branches: .*\n"
