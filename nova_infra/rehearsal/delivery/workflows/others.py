"""The workflows beside the one that delivers: what is sure to fail in them."""

from collections.abc import Iterator
from pathlib import Path

from nova_infra.documents.files import UnreadableFileError, read_text
from nova_infra.rehearsal.delivery.workflows.doomed import why_doomed
from nova_infra.rehearsal.delivery.workflows.job import JobStep
from nova_infra.rehearsal.delivery.workflows.jobs import jobs_of, ordered
from nova_infra.rehearsal.delivery.workflows.language.syntax import WorkflowError, WorkflowText
from nova_infra.rehearsal.delivery.workflows.run import PushedRun


def failing_beside(own: Path, delivered: PushedRun, root: Path) -> Iterator[str]:
    """What fails in every job that a push or a pull request starts, a clause each.

    A workflow that cannot be read here is left out: it may say what only GitHub knows.

    Args:
        own: The workflow that delivers.
        delivered: A run of it.
        root: The checkout.
    """
    for path in sorted((root / ".github" / "workflows").glob("*.y*ml")):
        if path.name == own.name:
            continue
        try:
            source = WorkflowText(path, read_text(path))
            on = source.content.get("on") or ()
            if {"push", "pull_request"} & set([on] if isinstance(on, str) else on):
                yield from (f"{path.name}: {why}" for why in _failing(source, delivered.of(source), root))
        except (FileNotFoundError, UnreadableFileError, WorkflowError):
            continue


def _failing(source: WorkflowText, run: PushedRun, root: Path) -> Iterator[str]:
    jobs = ordered(source, jobs_of(source, root))
    for job in jobs:
        run.enter(job)
    for job in jobs:
        if job.name in run.skipped or run.tolerates(job, job.content):
            continue
        before: list[JobStep] = []
        uploads, environment = run.uploads_before(job, jobs), run.environment_of(job)
        for step in run.steps_of(job):
            why = why_doomed(job, step, before, environment=environment, uploads=uploads, root=root)
            if why and step.certain and not step.tolerated:
                yield f"{job.name} fails whenever it runs: {step.name}: {why}"
                break
            before.append(step)
