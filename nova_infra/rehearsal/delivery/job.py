"""A job of a workflow, and the reasons why it would fail on GitHub before any command runs."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nova_infra.rehearsal.delivery.definition import DeployAction, Stage
from nova_infra.rehearsal.delivery.expressions import fill

_OF_A_MATRIX = re.compile(r"\$\{\{\s*matrix\.[^}]*\}\}")
_SIGNS_IN = ("sign-in", "aws-actions/configure-aws-credentials")
_TIMEOUT_MINUTES = 360
"""What GitHub gives a job that says nothing."""


@dataclass
class WorkflowJob:
    """A job, or one combination of a job with a matrix.

    Attributes:
        name: Its name, with the values of the combination.
        content: What the workflow says of it.
        needs: Names of the jobs that it waits for.
        permissions: What its token may do.
        base: Its name in the workflow.
        matrix: The values of the combination.
        deploys: The environment that it deploys; empty for none.
        gates: The environment whose deployments it answers; empty for none.
        ancestors: Names of all jobs that end before it begins.
    """

    name: str
    content: Mapping[str, Any]
    needs: list[str]
    steps: list[Mapping[str, Any]]
    permissions: Any
    base: str = ""
    matrix: Mapping[str, Any] = field(default_factory=dict)
    deploys: str = ""
    gates: str = ""
    ancestors: set[str] = field(default_factory=set)

    def scripts(self) -> Iterator[str]:
        """The commands of its steps."""
        yield from (in_matrix(str(step["run"]), self.matrix) for step in self.steps if "run" in step)


def in_matrix(script: str, values: Mapping[str, Any]) -> str:
    """A script with the values of a combination of the job's matrix; what else it names is filled in later."""
    return _OF_A_MATRIX.sub(lambda found: fill(found.group(), {"matrix": values}), script) if values else script


def why_doomed(
    job: WorkflowJob, step: Mapping[str, Any], uses: str, jobs: Iterable[WorkflowJob], skipped: Collection[str]
) -> str:
    """Why a step is sure to fail; empty if it may succeed.

    Args:
        uses: The action that it uses; empty for none.
        skipped: Names of those that do not run.
    """
    signs_in = any(name in uses for name in _SIGNS_IN)
    if signs_in and isinstance(job.permissions, dict) and job.permissions.get("id-token") != "write":
        return "the job has no permission id-token: write, so AWS gives it no role"
    if "actions/download-artifact" in uses:
        wanted = (step.get("with") or {}).get("name")
        uploads = {
            (other.get("with") or {}).get("name")
            for known in jobs
            if known.name in job.ancestors and known.name not in skipped
            for other in known.steps
            if "actions/upload-artifact" in str(other.get("uses", ""))
        }
        if wanted is not None and wanted not in uploads:
            return f"no job that it needs uploads the artifact {wanted!r}"
    return ""


def why_cut(job: WorkflowJob, stage: Stage, bakes: Callable[[DeployAction], int]) -> str:
    """Why GitHub is sure to end a job before its deployment is over; empty if it may not.

    Args:
        bakes: Minutes that what a deployment deploys bakes.
    """
    limit = str(job.content.get("timeout-minutes", _TIMEOUT_MINUTES))
    waves = [[action for action in wave if isinstance(action, DeployAction)] for wave in stage.waves()]
    minutes = sum(max((bakes(action) for action in wave), default=0) for wave in waves)
    if not limit.isdigit() or minutes < int(limit):
        return ""
    return (
        f"GitHub ends the job after {limit} minutes (timeout-minutes), but its deployments bake for {minutes}: they "
        "go on, and nobody waits for them"
    )
